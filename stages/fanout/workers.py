"""What the scheduler knows of workers: they take a job, and sooner or later answer or die."""

from __future__ import annotations

import pickle
import sys
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from typing import Any

Worker = Hashable
_THREADS = {"torch": ("get_num_threads", "set_num_threads"), "cv2": ("getNumThreads", "setNumThreads")}


class Answer:
    """What a worker says: that it is ready, a job's result, or the exception that ended it."""

    def __init__(self, value: Any = None, error: BaseException | None = None, trace: str = ""):
        self._value, self.error, self._trace = value, error, trace

    def result(self) -> Any:
        """The result; raises the exception, with the worker's own traceback as its cause."""
        if self.error is None:
            return self._value
        raise self.error from _Elsewhere(self._trace)


class _Elsewhere(Exception):
    """Shows a worker's traceback."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


class Workers(ABC):
    """Workers of one kind, which all run the same function."""

    most: int  # how many there can be at a time

    @abstractmethod
    def hire(self) -> Worker:
        """A new worker. Its first answer says that it is ready, or why it cannot be."""

    @abstractmethod
    def assign(self, worker: Worker, job: Any) -> None:
        """Give a job to a worker that is ready; it answers once."""

    @abstractmethod
    def answers(self) -> list[tuple[Worker, Answer | None]]:
        """Wait for the next answers; None for a worker that has died, which is then no longer one."""

    @abstractmethod
    def dismiss(self) -> None:
        """End all of them."""


def answer(function: Callable[..., Any], *arguments: Any) -> bytes:
    """Call ``function`` and pickle the `Answer`."""
    try:
        return _pickled(Answer(function(*arguments)))
    except Exception as error:
        trace = traceback.format_exc()
        try:
            content = _pickled(Answer(error=error, trace=trace))
            pickle.loads(content)  # some exceptions pickle, and do not come back
            return content
        except Exception:
            return _pickled(Answer(error=RuntimeError(f"{type(error).__name__}: {error}"), trace=trace))


def _pickled(value: Answer) -> bytes:
    return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)


def make_ready(function: Callable[..., Any]) -> None:
    """Have the function load what its jobs need, if it loads anything."""
    getattr(function, "load", lambda: None)()


def ready(pickled: bytes) -> tuple[Callable[..., Any] | None, bytes]:
    """The function, unpickled and made ready in a process of its own, and the pickled `Answer` that says so."""
    functions: list[Callable[..., Any]] = []

    def begin() -> None:
        functions.append(pickle.loads(pickled))
        compute_with_one_thread()
        make_ready(functions[0])
        compute_with_one_thread()  # what loading has imported

    said = answer(begin)
    return (functions[0] if functions else None), said


def compute_with_one_thread() -> Callable[[], None]:
    """Have what is loaded compute with one thread, and return what undoes that.

    There is a worker for every core, and sums that threads share end in other digits.
    """
    before = []
    for name, (getter, setter) in _THREADS.items():
        module = sys.modules.get(name)
        if hasattr(module, setter):
            before.append((getattr(module, setter), getattr(module, getter)()))
            getattr(module, setter)(1)

    def restore() -> None:
        for put, count in before:
            put(count)

    return restore
