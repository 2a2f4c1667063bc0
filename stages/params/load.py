"""Reads params.yaml into `Params`; every mistake becomes one line with the place and the remedy."""

from __future__ import annotations

import json
import re
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from stages.errors import InputError
from stages.params.contradictions import contradictions
from stages.params.document import Document
from stages.params.model import Params


def load_params(path: str | Path = "params.yaml") -> Params:
    """Read and check ``path``; raises `InputError` for the first mistake, naming file, line and key."""
    document = Document(path)
    params = _validate(document, _gather_stages(document))
    for place, what, remedy in contradictions(params):
        raise InputError(document.where(place), what, remedy)
    return params


def where(*place: object, path: str | Path = "params.yaml") -> str:
    """``file:line: dotted.key`` of a place in ``path``, for what turns out wrong only beside the data."""
    return Document(path).where(place)


def _gather_stages(document: Document) -> dict[str, Any]:
    """Move the stages' top-level blocks under one key, `stages`, as `Params` has them."""
    value = dict(document.value)
    if "stages" in value:
        raise InputError(document.where(("stages",)), "unknown key", "each stage has its own top-level block")
    curriculum = value.get("curriculum", {})
    if not isinstance(curriculum, dict):
        remedy = "name the stages, as in `stage1: {after: pretrained}`"
        raise InputError(document.where(("curriculum",)), "should be a block of keys", remedy)
    names = list(curriculum)
    for name in names:
        if name in Params.model_fields:
            raise InputError(document.where(("curriculum", name)), "the name is taken", "choose another stage name")
        if name not in value:
            raise _no_block(document, str(name), [str(k) for k in value if k not in (*names, *Params.model_fields)])
    return {key: item for key, item in value.items() if key not in names} | {
        "stages": {name: value[name] for name in names}
    }


def _validate(document: Document, value: dict[str, Any]) -> Params:
    try:
        # By way of JSON, where a list may become a tuple while numbers and strings stay strictly apart.
        return Params.model_validate_json(json.dumps(value, default=str))
    except ValidationError as error:
        raise _one_line(document, value, error) from None


def _no_block(document: Document, name: str, spare: list[str]) -> InputError:
    """A stage without a block of its own: where a block has nearly its name, that one is misspelled."""
    near = get_close_matches(name, spare, n=1, cutoff=0.5)
    if near:
        remedy = f"did you mean `{name}`, which `curriculum` names?"
        return InputError(document.where((near[0],)), "unknown key", remedy)
    return InputError(document.where(("curriculum", name)), "the stage has no block", f"add `{name}:` below")


def _one_line(document: Document, value: dict[str, Any], error: ValidationError) -> InputError:
    """The error worth showing: an unknown key before a missing one, since a typo causes both."""
    errors = error.errors(include_url=False)
    # Where one value or a list may stand, a list's own mistake says more than that it is not one value.
    told = [e for e in errors if not (isinstance(e["input"], list) and e["type"] in ("int_type", "string_type"))]
    first = next((e for e in errors if e["type"] == "extra_forbidden"), (told or errors)[0])
    place, fields = _resolve(value, first["loc"], keep_last=first["type"] in ("missing", "extra_forbidden"))
    if place and place[0] == "stages":
        place = place[1:]
    if first["type"] == "extra_forbidden":
        known = [*fields, *value["stages"]] if len(place) == 1 else fields
        remedy = _nearest(str(place[-1]), [k for k in known if k != "stages"])
        return InputError(document.where(place), "unknown key", remedy)
    if first["type"] == "missing":
        return InputError(document.where(place), "missing", "add the key")
    if first["type"].startswith("union_tag"):
        return _wrong_kind(document, place, first)
    what, remedy = _wrong_value(first)
    return InputError(document.where(place), what, remedy)


def _wrong_kind(document: Document, place: tuple, error: dict[str, Any]) -> InputError:
    """A block whose `format` or `type`, which decides on its other keys, is unknown or missing."""
    key, block = error["ctx"]["discriminator"].strip("'"), error["input"]
    if error["type"] == "union_tag_invalid":
        known = [tag.strip(" '") for tag in error["ctx"]["expected_tags"].split(",")]
        what = f"no such {key} {_shown(block[key])}"
        return InputError(document.where((*place, key)), what, _nearest(str(block[key]), known))
    near = get_close_matches(key, map(str, block), n=1, cutoff=0.75)
    if near:
        return InputError(document.where((*place, near[0])), "unknown key", f"did you mean `{key}`?")
    return InputError(document.where((*place, key)), "missing", "add the key")


def _wrong_value(error: dict[str, Any]) -> tuple[str, str]:
    """What is wrong with a value, and the remedy."""
    kind, given, limits = error["type"], error["input"], error.get("ctx", {})
    if kind == "literal_error":
        known = re.findall("'([^']*)'", limits["expected"])
        return f"no such value {_shown(given)}", _nearest(str(given), known)
    if kind in ("too_short", "too_long"):
        bound = f"at least {limits['min_length']}" if kind == "too_short" else f"at most {limits['max_length']}"
        return f"holds {limits['actual_length'] or 'nothing'}", f"give {bound}"
    if kind in ("model_type", "dict_type", "tuple_type", "model_attributes_type"):
        shape = "a list" if kind == "tuple_type" else "a block of keys"
        return f"should be {shape}, not {_shown(given)}", "correct the value"
    message = error["msg"].removeprefix("Input ")
    return f"{message[0].lower()}{message[1:]}, not {_shown(given)}", "correct the value"


def _shown(value: object) -> str:
    return json.dumps(value, default=str)[:60]


def _nearest(key: str, known: list[str]) -> str:
    near = get_close_matches(key, known, n=1, cutoff=0.5)
    return f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(known)}"


def _resolve(value: Any, loc: tuple, keep_last: bool) -> tuple[tuple, list[str]]:
    """The keys of ``loc`` that stand in the document (no union tags), and the field names of its last block.

    ``keep_last``: the last part of ``loc`` is a key even where the document does not have it.
    """
    place: list = []
    model: Any = Params
    fields = list(Params.model_fields)
    for index, part in enumerate(loc):
        last = index == len(loc) - 1
        if not (last and keep_last) and not _holds(value, part):
            model = _tagged(model, part)
        else:
            place.append(part)
            if isinstance(model, type) and issubclass(model, BaseModel) and not last:
                model = model.model_fields[part].annotation
            elif not last:
                model = _item_type(model)
            value = _item(value, part)
        if isinstance(model, type) and issubclass(model, BaseModel):
            fields = list(model.model_fields)
    return tuple(place), fields


def _holds(value: Any, part: object) -> bool:
    """Whether ``part`` is a key or a place in ``value``, and not a note of pydantic's on the type it tried."""
    return (
        isinstance(part, int) if isinstance(value, list) else isinstance(value, dict) and str(part) in map(str, value)
    )


def _item(value: Any, part: object) -> Any:
    if isinstance(value, dict):
        return next((item for key, item in value.items() if str(key) == str(part)), None)
    return value[part] if isinstance(value, list) and isinstance(part, int) and part < len(value) else None


def _tagged(model: Any, tag: object) -> Any:
    """The member of a discriminated union that ``tag`` chooses."""
    for member in _members(model):
        if any(tag in get_args(field.annotation) for field in member.model_fields.values()):
            return member
    return model


def _members(model: Any) -> list[type[BaseModel]]:
    if isinstance(model, type) and issubclass(model, BaseModel):
        return [model]
    return [member for argument in get_args(model) for member in _members(argument)]


def _item_type(model: Any) -> Any:
    """The type of a mapping's values or a sequence's items."""
    arguments = [argument for argument in get_args(model) if argument is not Ellipsis]
    return arguments[-1] if arguments else model
