"""Values out of parsed JSON, checked: what is missing or of another type is an error that names the place."""

from __future__ import annotations

from typing import Any

from stages.errors import InputError

_KINDS = {dict: "an object", list: "a list", str: "text"}
_HUGE = 1e15  # what a float64 still counts in whole steps
_REMEDY = "correct it, or fetch the file again"


def item(content: Any, key: str, kind: type, where: str) -> Any:
    """``content[key]``, which is of ``kind`` (dict, list or str); raises `InputError`."""
    return checked(_value(content, key, where), kind, f"{where}.{key}")


def checked(value: Any, kind: type, where: str) -> Any:
    """``value``, once it is of ``kind`` (dict, list or str); raises `InputError`."""
    if not isinstance(value, kind):
        raise InputError(where, f"not {_KINDS[kind]}: {_shown(value)}", _REMEDY)
    return value


def number(content: Any, key: str, where: str) -> float:
    """``content[key]``, which is a finite number; raises `InputError`."""
    value = _value(content, key, where)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{where}.{key}", f"not a number: {_shown(value)}", _REMEDY)
    if not abs(value) < _HUGE:  # nor is it NaN
        raise InputError(f"{where}.{key}", f"no usable number: {_shown(value)}", _REMEDY)
    return float(value)


def _value(content: Any, key: str, where: str) -> Any:
    if key not in checked(content, dict, where):
        raise InputError(where, f"no `{key}`", _REMEDY)
    return content[key]


def _shown(value: Any) -> str:
    return repr(value)[:40]
