"""Reads params.yaml into `Params`; every mistake becomes one line with the place and the remedy."""

from __future__ import annotations

import json
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
    curriculum = value.get("curriculum")
    names = list(curriculum) if isinstance(curriculum, dict) else []
    for name in names:
        if name in Params.model_fields:
            raise InputError(document.where(("curriculum", name)), "the name is taken", "choose another stage name")
        if name not in value:
            raise InputError(document.where(("curriculum", name)), "the stage has no block", f"add `{name}:` below")
    return {key: item for key, item in value.items() if key not in names} | {
        "stages": {name: value[name] for name in names}
    }


def _validate(document: Document, value: dict[str, Any]) -> Params:
    try:
        # By way of JSON, where a list may become a tuple while numbers and strings stay strictly apart.
        return Params.model_validate_json(json.dumps(value, default=str))
    except ValidationError as error:
        raise _one_line(document, value, error) from None


def _one_line(document: Document, value: dict[str, Any], error: ValidationError) -> InputError:
    """The error worth showing: an unknown key before a missing one, since a typo causes both."""
    errors = error.errors(include_url=False)
    first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    place, fields = _resolve(value, first["loc"])
    if place and place[0] == "stages":
        place = place[1:]
    where = document.where(place)
    if first["type"] == "extra_forbidden":
        known = [*fields, *value["stages"]] if len(place) == 1 else fields
        return InputError(where, "unknown key", _nearest(str(place[-1]), [k for k in known if k != "stages"]))
    if first["type"] == "missing":
        return InputError(where, "missing", "add the key")
    shown = json.dumps(first["input"], default=str)
    return InputError(where, f"{first['msg'][0].lower()}{first['msg'][1:]}, not {shown[:60]}", "correct the value")


def _nearest(key: str, known: list[str]) -> str:
    near = get_close_matches(key, known, n=1, cutoff=0.5)
    return f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(known)}"


def _resolve(value: Any, loc: tuple) -> tuple[tuple, list[str]]:
    """The keys of ``loc`` that stand in the document (no union tags), and the field names of its last block."""
    place: list = []
    model: Any = Params
    fields = list(Params.model_fields)
    for index, part in enumerate(loc):
        last = index == len(loc) - 1
        if not last and isinstance(value, dict) and str(part) not in map(str, value):
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
