"""Errors a user can act on: one line that says what, where and what to do, and exit status 1."""

from __future__ import annotations

import errno
import inspect
import signal
import sys
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

from stages import STOPPED
from stages.clock import timed

Value = TypeVar("Value")

_STORAGE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG)


class InputError(Exception):
    """Bad input: ``where`` (file, line or key), ``what`` is wrong and the ``remedy``."""

    def __init__(self, where: str, what: str, remedy: str):
        self.where, self.what, self.remedy = str(where), what, remedy
        super().__init__(f"{where}: {what}: {remedy}")

    def __reduce__(self) -> tuple:
        """Pickle by the three parts: worker processes hand errors back."""
        return type(self), (self.where, self.what, self.remedy)


def choose(values: Mapping[str, Value], name: str, kind: str) -> Value:
    """The value that ``name`` names; raises `InputError` that lists the names there are, and the nearest."""
    if name not in values:
        near = "".join(f": did you mean `{each}`?" for each in get_close_matches(name, values, n=1))
        raise InputError(name, f"no such {kind}", f"params.yaml has {', '.join(values)}{near}")
    return values[name]


def run_stage(main: Callable[..., None]) -> None:
    """Run ``main`` as a program, its parameters from the command line; an error to act on is one line and status 1.

    Ctrl-C is one line too, and status 130, as shells have it.

    Keyword-only parameters are options, `--NAME VALUE`; those without a default must be given.
    """
    values, options = _arguments(main, sys.argv[1:])
    try:
        with timed():
            main(*values, **options)
    except InputError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        _fail(STOPPED, 128 + signal.SIGINT)
    except OSError as error:
        if error.errno not in _STORAGE_ERRORS:
            raise
        where = error.filename or Path.cwd()
        _fail(f"{where}: {error.strerror.lower()}: free some space or make the place writable, then run again")


def _arguments(main: Callable[..., None], given: list[str]) -> tuple[list[str], dict[str, str]]:
    """The command line as positional and keyword arguments of ``main``; fails with the usage where it does not fit."""
    parameters = inspect.signature(main).parameters.values()
    named = {f"--{item.name}": item for item in parameters if item.kind is item.KEYWORD_ONLY}
    names = [item.name.upper() for item in parameters if item.kind is not item.KEYWORD_ONLY]
    values, options, rest = [], {}, iter(given)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if name in named:
            options[name[2:]] = value if equals else next(rest, "")
        else:
            values.append(argument)
    lacking = [item for item in named.values() if item.default is item.empty and item.name not in options]
    if len(values) != len(names) or lacking or not all(options.values()):
        usage = ["python -m", sys.modules["__main__"].__spec__.name, *names, *map(_option, named.values())]
        _fail(f"{' '.join(given) or 'no arguments'}: usage: {' '.join(usage)}")
    return values, options


def _option(parameter: inspect.Parameter) -> str:
    text = f"--{parameter.name} {parameter.name.upper()}"
    return text if parameter.default is parameter.empty else f"[{text}]"


def _fail(line: str, status: int = 1) -> None:
    print(f"error: {' '.join(line.split())}", file=sys.stderr)
    raise SystemExit(status)
