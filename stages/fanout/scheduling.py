"""Gives jobs to workers: results in the order of the jobs, and another worker for a job whose worker was killed."""

from __future__ import annotations

import sys
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import Any

from stages.errors import InputError
from stages.fanout.workers import Answer, Worker, Workers

RETRIES = 3


def run(workers: Workers, jobs: Sequence[Any], names: Sequence[str]) -> Iterator[Any]:
    """Yield the jobs' results in their order; raises the exception of the first job that has one.

    Workers begin with the first ``next`` and end with the iterator, however that ends.
    """
    try:
        schedule = _Schedule(workers, jobs, names)
        for number in range(len(jobs)):
            while number not in schedule.done:
                schedule.step()
            yield schedule.done.pop(number).result()
    finally:
        workers.dismiss()


class _Schedule:
    """Who does what."""

    def __init__(self, workers: Workers, jobs: Sequence[Any], names: Sequence[str]):
        self._workers, self._jobs, self._names = workers, jobs, names
        self._waiting = deque(range(len(jobs)))
        self._doing: dict[Worker, int | None] = {}  # None: it has not said yet that it is ready
        self._deaths: Counter[int | None] = Counter()
        self.done: dict[int, Answer] = {}
        for _ in range(min(workers.most, len(jobs))):
            self._doing[workers.hire()] = None

    def step(self) -> None:
        """Take the next answers in, and give out work."""
        for worker, answer in self._workers.answers():
            number = self._doing.pop(worker)
            if answer is None:
                self._replace(number)
                continue
            if number is None:
                answer.result()  # raises why it cannot work
            else:
                self._finish(number, answer)
            if self._waiting:
                self._doing[worker] = self._waiting.popleft()
                self._workers.assign(worker, self._jobs[self._doing[worker]])

    def _finish(self, number: int, answer: Answer) -> None:
        self.done[number] = answer
        if answer.error is not None:  # what stands behind it will not be asked for
            self._waiting = deque(other for other in self._waiting if other < number)

    def _replace(self, number: int | None) -> None:
        """Hire another worker for one that died, and let the job that it had be done again."""
        self._deaths[number] += 1
        if self._deaths[number] > RETRIES:
            where = "a worker process" if number is None else self._names[number]
            what = "killed as it started" if number is None else "the process that worked on it was killed"
            remedy = "see whether memory is short (`dmesg`, `ray status`), and run again"
            raise InputError(where, f"{what}, {RETRIES + 1} times", remedy)
        if number is not None:
            print(f"warning: {self._names[number]}: its process was killed, another begins it anew", file=sys.stderr)
            self._waiting.appendleft(number)
        if self._waiting:
            self._doing[self._workers.hire()] = None
