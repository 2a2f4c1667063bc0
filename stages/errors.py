"""Errors a user can act on: one line that says what, where and what to do, and exit status 1."""

from __future__ import annotations

import errno
import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

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
    """The value that ``name`` names; raises `InputError` that lists the names there are."""
    if name not in values:
        raise InputError(name, f"no such {kind}", f"params.yaml has {', '.join(values)}")
    return values[name]


def run_stage(main: Callable[..., None]) -> None:
    """Run ``main`` as a program, its parameters from the command line; an error to act on is one line and status 1."""
    arguments, names = sys.argv[1:], [name.upper() for name in inspect.signature(main).parameters]
    if len(arguments) != len(names):
        module = sys.modules["__main__"].__spec__.name
        _fail(f"{' '.join(arguments) or 'no arguments'}: usage: {' '.join(['python -m', module, *names])}")
    try:
        main(*arguments)
    except InputError as error:
        _fail(str(error))
    except OSError as error:
        if error.errno not in _STORAGE_ERRORS:
            raise
        where = error.filename or Path.cwd()
        _fail(f"{where}: {error.strerror.lower()}: free some space or make the place writable, then run again")


def _fail(line: str) -> None:
    print(f"error: {' '.join(line.split())}", file=sys.stderr)
    raise SystemExit(1)
