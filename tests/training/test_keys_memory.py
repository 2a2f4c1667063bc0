"""Keys of `memory`, and `compile`: how a step is computed."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from stages.detectors import Batch
from stages.errors import InputError
from tests import runs
from tests.stub_detector import StubDetector
from tests.training_keys import STILL, Row, Run, Train


def _same(one: Run, other: Run) -> bool:
    tensors = other.outcome.tensors
    same = all(torch.equal(one.outcome.tensors[name], tensor) for name, tensor in tensors.items())
    return same and one.outcome.history == other.outcome.history


def batch(train: Train) -> None:
    run = train(**{"memory.batch": 2})
    assert {len(seen) for seen in run.script.batches} == {2} and len(run.states) == 8
    assert run.outcome.settings["effective_batch"] == 2
    assert [len(seen) for seen in train(**{"memory.batch": 6}).script.batches] == [6, 2, 6, 2]


def accumulate(train: Train) -> None:
    run = train(**{"memory.batch": 2, "memory.accumulate": 3})
    assert len(run.script.batches) == 8 and len(run.states) == 4  # windows of 3 and of the 1 that is left
    assert run.outcome.settings["effective_batch"] == 6


def image_size(train: Train) -> None:
    run = train(**{"memory.image_size": 96})
    assert {tuple(seen.images.shape) for seen in run.script.batches} == {(4, 3, 96, 96)}
    assert {shape[2:] for shape in run.script.validated} == {(96, 96)}
    run = train(**STILL | {"memory.image_size": [96, 32, 64], "memory.batch": 2, "memory.accumulate": 2, "epochs": 8})
    sides = [seen.images.shape[-1] for seen in run.script.batches]
    assert set(sides) == {32, 64, 96} and sides[::2] == sides[1::2]  # one side for a step's micro-batches
    widths = {
        (len(seen.boxes), seen.images.shape[-1]): seen.boxes[0, 3] - seen.boxes[0, 1] for seen in run.script.batches
    }
    assert {side: float(height) for (_, side), height in widths.items()} == {32: 12, 64: 24, 96: 36}  # the person's
    assert {shape[2:] for shape in run.script.validated} == {(96, 96)}
    assert run.outcome.settings["image_sizes"] == [32, 64, 96]


def precision(train: Train) -> None:
    assert set(train().script.autocast) == {None}
    run = train(**{"memory.precision": "bf16"})
    assert set(run.script.autocast) == {torch.bfloat16} and run.outcome.settings["precision"] == "bf16"
    assert all(tensor.dtype != torch.bfloat16 for tensor in run.outcome.tensors.values())
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match=r"stage1\.memory\.precision: fp16 needs a GPU .*: use fp32 or bf16"):
            train(**{"memory.precision": "fp16"})


def workers(train: Train) -> None:
    alone, helped = train(), train(**{"memory.workers": 2})
    assert _same(alone, helped)
    folders = {run.trainer.saves._scratch.folder for run in (alone, helped)}
    assert len(folders) == 1  # the same run, by its fingerprint


class Counted(nn.Conv2d):
    """Counts how often it computes."""

    count = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.count += 1
        return super().forward(images)


def gradient_checkpointing(train: Train) -> None:
    detectors = [runs.make_detector() for _ in range(2)]
    for detector in detectors:
        detector.network[0].__class__ = Counted
    once, twice = (
        train(detector=detector, **{"memory.gradient_checkpointing": on})
        for detector, on in zip(detectors, (False, True), strict=True)
    )
    assert [detector.network[0].count for detector in detectors] == [4, 8] and _same(once, twice)
    assert once.after["1.num_batches_tracked"] == twice.after["1.num_batches_tracked"] == 4
    assert twice.outcome.settings["rung"]["gradient_checkpointing"]


def max_objects(train: Train) -> None:
    run = train(**STILL | {"memory.max_objects": 1})
    for seen in run.script.batches:
        assert seen.frame.tolist() == [0, 1, 2, 3] and set(seen.classes.tolist()) == {0}  # 12 x 24 against 20 x 14
    assert run.outcome.progress.left_out == 2 * 8
    assert train(**STILL).outcome.progress.left_out == 0


class Hungry(StubDetector):
    """Runs out of memory with more than a number of frames, or an image wider than a number of pixels."""

    def __init__(self, frames: int = 99, side: int = 999):
        torch.manual_seed(1)
        super().__init__()
        self.limits = frames, side

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        if len(batch) > self.limits[0] or batch.images.shape[-1] > self.limits[1]:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return super().forward(batch)


def budget_gb(train: Train) -> None:
    free = train()
    roomy = train(**{"memory.budget_gb": 1.0})
    assert len(roomy.script.batches) == 1 + len(free.script.batches) and _same(free, roomy)  # the trial is one more
    with pytest.raises(InputError, match=r"^stage1\.memory: out of memory before the first step, .*of 1 and images"):
        train(**{"memory.budget_gb": 1e-5})


def on_oom(train: Train) -> None:
    with pytest.raises(InputError, match=r"^stage1\.memory: out of memory in step 1, with micro-batches of 4 and"):
        train(detector=Hungry(frames=2), **{"memory.on_oom": []})
    with pytest.raises(InputError, match=r"\(stage1\.memory\.on_oom allows nothing more\)$"):
        train(detector=Hungry(frames=2), **{"memory.on_oom": ["gradient_checkpointing"]})
    split = train(detector=Hungry(frames=2), **{"memory.on_oom": ["split"]})
    assert {len(seen) for seen in split.script.batches} == {2} and split.outcome.settings["effective_batch"] == 4
    smaller = train(detector=Hungry(side=48), **{"memory.on_oom": ["image_size"]})
    assert {seen.images.shape[-1] for seen in smaller.script.batches} == {32}
    assert smaller.outcome.settings["rung"]["image_size"] == 32 and len(smaller.outcome.progress.oom_events) == 1


def compile_(train: Train) -> None:
    """With a back end that makes no machine code, which takes longer than all rows together."""
    from torch._dynamo.utils import counters

    plain = train()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
        counters.clear()
        compiled = train(compile=True)
        assert counters["stats"]["unique_graphs"] == 1  # it holds the whole network
        with pytest.raises(
            InputError, match=r"stage1\.compile: memory\.budget_gb is a count .*: delete one of the two$"
        ):
            train(compile=True, **{"memory.budget_gb": 1.0})
    for one, other in zip(plain.outcome.history, compiled.outcome.history, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-4)
    assert compiled.outcome.tensors.keys() == plain.outcome.tensors.keys()
    assert compiled.outcome.settings["compile"] and not plain.outcome.settings["compile"]


ROWS: dict[str, Row] = {
    "memory.batch": batch,
    "memory.accumulate": accumulate,
    "memory.image_size": image_size,
    "memory.precision": precision,
    "memory.workers": workers,
    "memory.gradient_checkpointing": gradient_checkpointing,
    "memory.max_objects": max_objects,
    "memory.budget_gb": budget_gb,
    "memory.on_oom": on_oom,
    "compile": compile_,
}


@pytest.mark.parametrize("key", ROWS)
def test_the_key_acts(key: str, train: Train):
    ROWS[key](train)
