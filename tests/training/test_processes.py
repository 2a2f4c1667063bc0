"""Two processes train as one that accumulates the same micro-batches; the death of one ends the stage."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest
import torch
from torch import distributed, nn

from stages import download_weights, mixture
from stages.detectors.card import MODELS
from stages.detectors.checkpoint import load_detector
from stages.mixtures.mixture import MIXTURES, Manifest, write_mixture
from stages.training import processes
from stages.training.order import RunOrder
from stages.training.processes import Processes
from tests.pipeline import ROOT, environment
from tests.rectangles import write_params, write_source

SEQUENCES = {"a": ("train", 24, 10.0), "b": ("val", 4, 10.0)}
STAGE = {
    "stage1.epochs": 30,
    "stage1.lr": 1.0e-2,
    "stage1.optimizer": "sgd",  # Adam makes much of the last bit of small gradients
    "stage1.validate_every": 30,
    "stage1.mixture.sources": {"street": {"frames": 14}},
    "stage1.memory.batch": 2,
}
LEARNT = ("model.0.conv.weight", "model.2.conv.weight", "model.3.cv3.0.2.bias")


@pytest.mark.parametrize(("clips", "accumulate"), [(16, 1), (16, 2), (15, 2), (13, 1)])
def test_processes_share_an_epoch_without_overlap(clips: int, accumulate: int):
    orders = [RunOrder(clips, 2, accumulate, 3, 7, (64, 96), rank, 2) for rank in range(2)]
    alone = RunOrder(clips, 2, 2 * accumulate, 3, 7, (64, 96))
    assert orders[0].steps == orders[1].steps == alone.steps
    for step in range(alone.steps):
        parts, whole = [order.window(step) for order in orders], alone.window(step)
        assert {part.clips for part in parts} == {whole.clips}
        assert sorted(parts[0].batches + parts[1].batches) == list(whole.batches)  # rank by rank, in turn
    seen = [clip for order in orders for batch in list(order)[: len(order) // 3] for _, clip, _ in batch]
    assert sorted(seen) == list(range(clips))


class Alike:
    """Stands for `torch.distributed`: two other processes that hold the same."""

    ReduceOp = distributed.ReduceOp

    @staticmethod
    def all_reduce(tensor: torch.Tensor, kind: object = distributed.ReduceOp.SUM) -> None:
        if kind == distributed.ReduceOp.SUM:
            tensor.copy_(tensor + tensor + tensor)


def test_only_statistics_that_follow_are_averaged(monkeypatch: pytest.MonkeyPatch):
    """(x + x + x) / 3 is not x for every seventh number: what stays, stays to the bit."""
    monkeypatch.setattr(processes, "distributed", Alike)
    torch.manual_seed(0)
    network = nn.Sequential(*(nn.BatchNorm2d(1000) for _ in range(2)), nn.BatchNorm2d(9, track_running_stats=False))
    network.register_buffer("mean", torch.rand(1000))
    for buffer in (network[0].running_mean, network[1].running_mean):
        buffer.copy_(torch.rand(1000))
    network[1].eval()
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    together = Processes.__new__(Processes)
    together.count, together._device = 3, torch.device("cpu")
    together.exchange(network.parameters(), network, lambda work: work())
    changed = {name for name, buffer in network.named_buffers() if not torch.equal(buffer, before[name])}
    assert changed == {"0.running_mean"}  # of its variance all is 1
    assert torch.allclose(network[0].running_mean, before["0.running_mean"])


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_source(tmp_path, "street", SEQUENCES)
    write_source(tmp_path, "air", SEQUENCES)
    write_mixture(MIXTURES / "pretrained", Manifest((), (), 0.0, {}), [])
    write_params(tmp_path, STAGE)
    download_weights.main()
    mixture.main("stage1")
    return tmp_path


def _start(project: Path, **more: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "stages.finetune", "stage1"],
        env=environment(project / "home", **more) | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )


def _finish(process: subprocess.Popen, status: int = 0) -> str:
    _, errors = process.communicate(timeout=300)
    assert process.returncode == status, errors
    return errors


def _losses() -> pd.DataFrame:
    return pd.read_csv("metrics/runs/stage1.csv")


def _saved() -> bool:
    return any(Path(".skyward/runs").glob("*/state.safetensors"))


def _kill_rank(process: subprocess.Popen, rank: int) -> None:
    for child in psutil.Process(process.pid).children(recursive=True):
        if child.environ().get("RANK") == str(rank) and "stages.finetune" in child.cmdline():
            child.send_signal(signal.SIGKILL)


def test_two_processes_train_as_one(project: Path):
    write_params(project, STAGE | {"stage1.memory.accumulate": 2})
    _finish(_start(project))
    shutil.rmtree(".skyward")
    alone, weights = _losses(), load_detector(MODELS / "stage1")[0].network.state_dict()
    write_params(project, STAGE | {"compute": {"devices": 2}})
    process = _start(project)
    while process.poll() is None and not _saved():
        time.sleep(0.02)
    _kill_rank(process, 1)
    errors = _finish(process, status=1)
    assert errors.splitlines()[-1].startswith("error: stage1: a process of it failed (status 1): its own error")
    errors = _finish(_start(project))
    assert "goes on after step" in errors
    together = _losses()
    assert together["step"].tolist() == alone["step"].tolist() == list(range(1, 121))
    for name in [name for name in alone if name.startswith("loss")]:
        assert (together[name] - alone[name]).abs().max() <= 1.01e-6, name  # the table has six decimals
    assert [path.name for path in (project / "models").iterdir() if path.name != "pretrained"] == ["stage1"]
    detector, card = load_detector(MODELS / "stage1")
    assert card.settings["processes"] == 2 and card.settings["effective_batch"] == 4
    before = load_detector(MODELS / "pretrained")[0].network.state_dict()
    moved = {name: float((tensor - before[name]).abs().max()) for name, tensor in weights.items() if name in LEARNT}
    assert min(moved.values()) > 1e-3
    for name, tensor in detector.network.state_dict().items():
        if name in LEARNT:
            assert (tensor - weights[name]).abs().max() < 1e-4 * moved[name], name
        elif "running" in name:  # the second has seen 90 of the 210 micro-batches
            assert (tensor - weights[name]).abs().max() < 0.97**90, name


def test_two_hosts_train_as_one_run(project: Path):
    """Both are this one: each is started on its own and told its rank."""
    port = 20000 + os.getpid() % 20000
    compute = {"devices": 1, "hosts": ["127.0.0.1", "second"], "port": port}
    write_params(project, STAGE | {"stage1.epochs": 1, "stage1.validate_every": 1, "compute": compute})
    both = [_start(project, SKYWARD_HOST_RANK=str(rank), LOCAL_RANK="0", RANK="0") for rank in (0, 1)]  # as under SLURM
    for process in both:
        _finish(process)
    assert load_detector(MODELS / "stage1")[1].settings["processes"] == 2
