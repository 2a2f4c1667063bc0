"""Starting a stage in several processes, by `accelerate launch`, and one process alone as it is.

One process for each device of each host. The stage is started on every host by whoever runs the hosts; a host's
place in `compute.hosts` is its rank, or SKYWARD_HOST_RANK says it.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

import torch
from accelerate import Accelerator

from stages import STARTER
from stages.errors import InputError
from stages.params import Stage
from stages.params.model import Compute
from stages.training.processes import LAUNCHER

# By which launchers tell a process what group it is in; Accelerate joins it where it finds them.
_GROUP = ("LOCAL_RANK", "RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK", "MASTER_ADDR", "MASTER_PORT")
_POLL = 0.5  # seconds between looks at whether who started the stage is still there


def leave_other_groups() -> None:
    """Take this process out of the group that another launcher (SLURM, torchrun) put it into.

    Raises `InputError` where that launcher started several: each of them would train the stage.
    """
    if LAUNCHER in os.environ:
        return
    count = os.environ.get("WORLD_SIZE") or "1"
    if count != "1":
        remedy = "start it once: it starts as many as compute.devices and compute.hosts ask for"
        raise InputError("WORLD_SIZE", f"another launcher has started {count} processes of the stage", remedy)
    for name in _GROUP:
        os.environ.pop(name, None)


def must_launch(compute: Compute) -> bool:
    """Whether this process is to start others rather than to train."""
    return _processes(compute) > 1 and LAUNCHER not in os.environ


def require_processes(count: int, compute: Compute) -> None:
    """Raise `InputError` unless as many processes run as params ask for."""
    if count != _processes(compute):
        what = f"{_processes(compute)} processes are asked for, and {count} run"
        raise InputError("params.yaml: compute", what, f"run the stage without {LAUNCHER} in its environment")


def _processes(compute: Compute) -> int:
    return compute.devices * max(1, len(compute.hosts))


def launch(stage: str, compute: Compute) -> None:
    """Train a stage in several processes; raises `InputError` where one of them fails.

    Signals go on to all of them, and they stop when who started this process is gone.
    """
    if torch.cuda.is_available() and torch.cuda.device_count() < compute.devices:
        what = f"{compute.devices} devices on each host, and this one has {torch.cuda.device_count()}"
        raise InputError("params.yaml: compute.devices", what, "lower it")
    process = subprocess.Popen(_command(stage, compute), env=_environment(), start_new_session=True)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda told, _: process.send_signal(told))
    status = _wait(process)
    if status:
        what = f"a process of it failed (status {status})"
        raise InputError(stage, what, "its own error stands above; run again: it goes on from the last saved step")


def _command(stage: str, compute: Compute) -> list[str]:
    hosts = max(1, len(compute.hosts))
    options = {
        "num_processes": _processes(compute),
        "num_machines": hosts,
        "machine_rank": _host_rank(compute),
        "main_process_ip": compute.hosts[0] if compute.hosts else "127.0.0.1",
        "main_process_port": compute.port if compute.hosts else _free_port(),
        "mixed_precision": "no",  # the stage says it
        "dynamo_backend": "no",
    }
    flags = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", *flags]
    return [*launcher, "-m", "stages.finetune", stage]


def _environment() -> dict[str, str]:
    cores = max(1, len(os.sched_getaffinity(0)))
    threads = {} if torch.cuda.is_available() else {"ACCELERATE_USE_CPU": "true"}
    return {"OMP_NUM_THREADS": str(cores)} | os.environ | threads | {LAUNCHER: str(os.getpid())}


def _host_rank(compute: Compute) -> int:
    if compute.hosts and "SKYWARD_HOST_RANK" in os.environ:
        return _told_rank(os.environ["SKYWARD_HOST_RANK"], len(compute.hosts))
    names = {socket.gethostname(), socket.getfqdn(), socket.gethostname().partition(".")[0]}
    for rank, host in enumerate(compute.hosts):
        if host in names:
            return rank
    if compute.hosts:
        what = f"this host, {socket.gethostname()}, is none of {', '.join(compute.hosts)}"
        raise InputError("params.yaml: compute.hosts", what, "name it there, or set SKYWARD_HOST_RANK")
    return 0


def _told_rank(text: str, hosts: int) -> int:
    if text not in map(str, range(hosts)):
        what, remedy = f"`{text}` is no rank", f"give a number from 0 to {hosts - 1}, the place in compute.hosts"
        raise InputError("SKYWARD_HOST_RANK", what, remedy)
    return int(text)


def _free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def _wait(process: subprocess.Popen) -> int:
    while (status := process.poll()) is None:
        if STARTER.has_ended():
            process.terminate()
        time.sleep(_POLL)
    return status


def make_accelerator(name: str, stage: Stage) -> Accelerator:
    """The devices and the precision of a run; raises `InputError` where the machine has them not."""
    precision = stage.memory.precision
    if precision == "fp16" and not torch.cuda.is_available():
        where = f"params.yaml: {name}.memory.precision"
        raise InputError(where, "fp16 needs a GPU and this machine has none", "use fp32 or bf16")
    if stage.compile and stage.memory.budget_gb is not None and not torch.cuda.is_available():
        what = "memory.budget_gb is a count of live bytes without a GPU, and under a count nothing is compiled"
        raise InputError(f"params.yaml: {name}.compile", what, "delete one of the two")
    return Accelerator(mixed_precision="no" if precision == "fp32" else precision)
