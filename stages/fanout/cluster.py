"""Workers that are actors on the nodes of an existing Ray cluster.

Nothing is installed or configured on the nodes: an actor changes into this project's folder, puts the code's folder
first on its path, and unpickles the function there.
"""

from __future__ import annotations

import logging
import os
import pickle
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import stages
from stages.errors import InputError
from stages.fanout import remote
from stages.fanout.reaching import require_answer
from stages.fanout.workers import Answer, Workers

CODE = Path(stages.__file__).resolve().parent.parent
# Environment, read when Ray is imported, against what it prints of itself: that a default will change, which is set
# here as it is; errors of a second worker, while the first one's is being raised; and, on stdout, a worker's death.
QUIET = {
    "RAY_IGNORE_UNHANDLED_ERRORS": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
    "RAY_DEDUP_LOGS_SKIP_REGEX": "A worker died or was killed|actor died|node .* (died|has been marked dead)",
}
_PLACE = "params.yaml: evaluation.address"


class RayWorkers(Workers):
    """Actors with one CPU and ``gpus`` GPUs each, wherever the cluster has room for them.

    Raises `InputError` for a cluster that does not answer, or that cannot give a worker what it asks for.
    """

    def __init__(self, function: Callable[[Any], Any], address: str | None, gpus: float = 0.0):
        self._function, self._gpus = pickle.dumps(function), gpus
        self._ray = _connect(address or "auto")
        self._actors: dict[Any, Any] = {}  # by the object that each will answer with
        self.most = self._room()
        self._ray.cloudpickle.register_pickle_by_value(remote)  # nodes cannot import it before it has run
        self._kind = self._ray.remote(num_cpus=1, num_gpus=gpus, max_restarts=0)(remote.RemoteWorker)

    def _room(self) -> int:
        room = sum(room_on(node["Resources"], self._gpus) for node in self._ray.nodes() if node["Alive"])
        if room < 1:
            self.dismiss()
            what = f"the cluster has no node with a CPU and {self._gpus:g} GPUs for a worker"
            raise InputError(_PLACE, what, "lower evaluation.gpus, or add nodes")
        return room

    def hire(self) -> Any:
        """See `Workers`."""
        actor = self._kind.remote()
        self._actors[actor.begin.remote(str(Path.cwd()), [str(CODE), *filter(None, sys.path)], self._function)] = actor
        return actor

    def assign(self, worker: Any, job: Any) -> None:
        """See `Workers`."""
        self._actors[worker.answer.remote(pickle.dumps(job))] = worker

    def answers(self) -> list[tuple[Any, Answer | None]]:
        """See `Workers`."""
        ready, _ = self._ray.wait(list(self._actors), num_returns=1)
        return [(self._actors[reference], self._receive(reference)) for reference in ready]

    def _receive(self, reference: Any) -> Answer | None:
        actor = self._actors.pop(reference)
        try:
            answer = pickle.loads(self._ray.get(reference))
            return _unusable(answer.error) if isinstance(answer.error, ImportError) else answer
        except self._ray.exceptions.RayTaskError as error:  # of `begin`: a job's own exception is an answer
            return _unusable(error.cause)
        except self._ray.exceptions.RayError:
            self._ray.kill(actor)
            return None

    def dismiss(self) -> None:
        """See `Workers`."""
        self._actors.clear()
        self._ray.shutdown()  # ends the actors that this process has made


def room_on(resources: Mapping[str, float], gpus: float) -> int:
    """How many workers with a CPU and ``gpus`` GPUs each a node with ``resources`` has room for; none spans nodes."""
    room = int(resources.get("CPU", 0))
    if not gpus:
        return room
    # A worker's share of a GPU lies on one GPU; workers with several have whole ones.
    there = int(resources.get("GPU", 0))
    return min(room, there * int(1 / gpus) if gpus < 1 else int(there / gpus))


def _unusable(error: BaseException) -> Answer:
    what = f"a node of the cluster cannot use this project ({' '.join(str(error).split())[:150]})"
    remedy = f"have every node see {CODE} and {Path.cwd()} by these paths, with the same Python environment"
    return Answer(error=InputError(_PLACE, what, remedy))


def _connect(address: str) -> Any:
    """The module `ray`, connected; its log stays in the cluster's own files."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    import ray

    for local in ("localhost:", "127.0.0.1:"):  # what Ray makes of it; it has to be asked whether that answers
        if address.startswith(local):
            address = f"{ray.util.get_node_ip_address()}:{address.removeprefix(local)}"
    require_answer(address, _PLACE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL)
    except (ConnectionError, RuntimeError, ValueError, SystemExit) as error:
        reason = str(error).splitlines()[0][:150] if str(error) else "no reason given"
        remedy = "start a node here (`ray start --address=HOST:PORT`), or use the cluster's ray://HOST:10001"
        raise InputError(_PLACE, f"no Ray cluster can be joined at {address} ({reason})", remedy) from None
    return ray
