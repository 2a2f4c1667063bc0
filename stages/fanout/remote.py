"""What runs on a cluster's node. It travels by value, so it imports nothing of this project before `begin`."""

from __future__ import annotations

import os
import pickle
import sys


class RemoteWorker:
    """Answers jobs with one function."""

    def begin(self, project: str, path: list[str], function: bytes) -> bytes:
        """Work in the folder ``project`` with the code on ``path``; a pickled `Answer`, as for every job.

        Raises `OSError` or `ImportError` where these folders, or the packages that the code uses, are not here.
        """
        os.environ["OMP_NUM_THREADS"] = "1"
        os.chdir(project)
        sys.path[:] = [*path, *(place for place in sys.path if place not in path)]
        from stages.fanout.workers import answer, ready

        self._answer = answer
        self._function, said = ready(function)
        return said

    def answer(self, job: bytes) -> bytes:
        """A pickled `Answer` with what the function makes of the job."""
        return self._answer(self._function, pickle.loads(job))
