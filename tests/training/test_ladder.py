"""Running out of memory changes how a step is computed, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from stages.detectors import Architecture, Batch, Detector
from stages.detectors.yolo import Yolo
from stages.errors import InputError
from stages.params import Stage
from stages.training.ladder import Rung, ladder, shrunk
from stages.training.limits import LiveBytes
from stages.training.loop import Trainer
from stages.training.recompute import set_recompute
from tests import runs

FITS = {"lr": 0.01, "epochs": 2, "memory.batch": 4}


class Hungry(Yolo):
    """Runs out of memory when ``too_much`` says so of a batch: half-way through the forward or the backward pass."""

    def __init__(self, too_much: Callable[[Detector, Batch], bool], place: str = "forward"):
        torch.manual_seed(1)
        super().__init__(Architecture("yolo", "tiny.yaml", ("person", "car"), 2))
        self.too_much, self.place, self.seen = too_much, place, []

    def __deepcopy__(self, memo: dict) -> Yolo:
        copy = Hungry(self.too_much, "nowhere")
        copy.network.load_state_dict(self.network.state_dict())
        return copy

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        self.seen.append((batch.names, tuple(batch.images.shape)))
        if self.place == "forward" and self.too_much(self, batch):
            self.network.model[0](batch.images.float())  # BatchNorm's statistics have changed
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        parts = super().forward(batch)
        if self.place == "backward" and self.too_much(self, batch):
            parts["loss_box"].register_hook(_out_of_memory)
        return parts


def _out_of_memory(gradient: torch.Tensor) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")


def never(detector: Detector, batch: Batch) -> bool:
    return False


def without_recompute(detector: Detector, batch: Batch) -> bool:
    return "forward" not in vars(detector.blocks()[0])


def more_than(frames: int) -> Callable[[Detector, Batch], bool]:
    return lambda detector, batch: len(batch) > frames


def in_call(number: int) -> Callable[[Detector, Batch], bool]:
    return lambda detector, batch: len(detector.seen) == number


def _same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def _run(project: Path, too_much: Callable = never, place: str = "forward", **changes: object):
    runs.forget()
    params = runs.prepare(project, "stage1", FITS | changes)
    detector = Hungry(too_much, place)
    return runs.run(params, detector=detector), detector


def _rungs(**memory: object) -> list[tuple]:
    stage = {"mixture": {"sources": {"a": {"frames": 8}}, "clip_length": memory.pop("clip", 1)}, "epochs": 1, "lr": 1.0}
    rungs = ladder(Stage.model_validate(stage | {"memory": {"batch": 8, "image_size": 64} | memory}))
    return [(rung.batch, rung.gradient_checkpointing, rung.scale) for rung in rungs]


def test_rungs_in_their_order():
    assert _rungs() == [(8, False, 1), (8, True, 1), (4, True, 1), (2, True, 1), (1, True, 1)]
    assert _rungs(batch=6, on_oom=("split",)) == [(6, False, 1), (3, False, 1), (2, False, 1), (1, False, 1)]
    assert _rungs(batch=5, on_oom=("split",)) == [(5, False, 1), (1, False, 1)]  # in equal parts
    assert _rungs(batch=9, on_oom=("split",)) == [(9, False, 1), (3, False, 1), (1, False, 1)]
    assert _rungs(clip=4) == [(8, False, 1), (8, True, 1), (4, True, 1)]  # clips stay whole
    assert _rungs(batch=18, clip=2, on_oom=("split",)) == [(18, False, 1), (6, False, 1), (2, False, 1)]
    assert _rungs(on_oom=()) == [(8, False, 1)]
    assert _rungs(gradient_checkpointing=True, on_oom=("gradient_checkpointing",)) == [(8, True, 1)]
    shrinking = _rungs(batch=1, on_oom=("image_size", "gradient_checkpointing"))
    assert shrinking == [(1, False, 1), *((1, True, scale) for scale in (1, 0.875, 0.75, 0.625, 0.5))]


@pytest.mark.parametrize("place", ["forward", "backward"])
@pytest.mark.parametrize("call", [1, 2, 3, 7])
def test_gradient_checkpointing_changes_no_bit(project: Path, call: int, place: str):
    """Running out at one step, in a window's first or second micro-batch; BatchNorm counts every batch once."""
    changes = {"memory.batch": 2, "memory.accumulate": 2}
    whole, _ = _run(project, **changes)
    fallen, detector = _run(project, in_call(call), place, **changes)
    assert _same(fallen.tensors, whole.tensors) and fallen.history == whole.history
    assert detector.network.model[0].bn.num_batches_tracked == 8
    step = (call - 1) // 2
    [event] = fallen.progress.oom_events
    assert event["step"] == step and event["after"] == event["before"] | {"gradient_checkpointing": True}
    names = [name for name, _ in detector.seen]
    assert names[2 * step :][: call - 2 * step] == names[call:][: call - 2 * step]  # the window was computed again
    assert fallen.settings["rungs_given_up"] == fallen.progress.oom_events


@pytest.mark.parametrize("place", ["forward", "backward"])
def test_splitting_is_a_run_with_smaller_micro_batches(project: Path, place: str):
    changes = {"memory.on_oom": ["split"], "mixture.sources": {"street": {"frames": 14}}}
    small, small_detector = _run(project, **changes | {"memory.batch": 2, "memory.accumulate": 2})
    fallen, detector = _run(project, more_than(2), place, **changes)
    assert _same(fallen.tensors, small.tensors) and fallen.history == small.history
    assert detector.seen[1:] == small_detector.seen  # but for the one that failed
    assert fallen.settings["effective_batch"] == 4
    assert fallen.settings["rung"] == {
        "batch": 2,
        "accumulate": 2,
        "gradient_checkpointing": False,
        "image_size": 64,
    }
    assert fallen.settings["batchnorm"].startswith("training: normalises by each micro-batch of 2 frames")


@pytest.mark.parametrize(("batch", "fits"), [(5, 4), (6, 5), (6, 2)])
def test_a_run_that_begins_with_the_rungs_keys_is_the_same(project: Path, batch: int, fits: int):
    """Also where the batch is no power of two: its parts are equal, and the effective batch stays."""
    changes = {"memory.on_oom": ["split"], "mixture.sources": {"street": {"frames": 14}}, "memory.batch": batch}
    fallen, detector = _run(project, more_than(fits), **changes)
    rung = fallen.settings["rung"]
    begun, begun_detector = _run(project, **changes | {f"memory.{key}": rung[key] for key in ("batch", "accumulate")})
    assert rung["batch"] * rung["accumulate"] == begun.settings["effective_batch"] == batch
    assert detector.seen[-len(begun_detector.seen) :] == begun_detector.seen
    assert _same(fallen.tensors, begun.tensors) and fallen.history == begun.history


def test_it_goes_on_as_a_run_that_begins_there_on_that_rung(project: Path):
    """The other run is saved before the step, and put on the rung by hand."""
    params = runs.prepare(project, "stage1", FITS | {"memory.on_oom": ["split"]})
    fallen = runs.run(params, detector=Hungry(in_call(3)))
    runs.forget()
    with pytest.raises(runs.KilledError):
        runs.run(params, detector=Hungry(never), trainer=runs.killed_after(2))

    class Lower(Trainer):
        def _begin(self, saved: tuple) -> None:
            super()._begin(saved)
            self.gradients.go_on(1, ())

    begun = runs.run(params, detector=Hungry(never), trainer=Lower)
    assert _same(begun.tensors, fallen.tensors) and begun.history == fallen.history


def test_the_rung_outlives_a_kill(project: Path):
    params = runs.prepare(project, "stage1", FITS | {"memory.on_oom": ["split"]})
    whole = runs.run(params, detector=Hungry(in_call(1)))
    runs.forget()
    with pytest.raises(runs.KilledError):
        runs.run(params, detector=Hungry(in_call(1)), trainer=runs.killed_after(2))
    detector = Hungry(never)
    assert _same(runs.run(params, detector=detector).tensors, whole.tensors)
    assert {len(names) for names, _ in detector.seen} == {2}


def test_images_become_smaller_only_if_allowed(project: Path):
    small = lambda detector, batch: batch.images.shape[-1] > 48  # noqa: E731
    with pytest.raises(InputError, match=r"^stage1\.memory: out of memory in step 1, with micro-batches of 1 .*on_oom"):
        _run(project, small)
    fallen, detector = _run(project, small, **{"memory.on_oom": ["image_size"]})
    assert [shape[2:] for _, shape in detector.seen[1:]] == [(32, 32)] * 4  # 56 is no multiple of 32
    assert fallen.settings["rung"]["image_size"] == 32


def test_a_shrunk_batch():
    batch = Batch(
        torch.zeros(2, 3, 64, 128, dtype=torch.uint8), torch.tensor([[0.0, 8, 64, 16]]), *[torch.zeros(1)] * 2
    )
    smaller = shrunk(batch, 0.5, 32)
    assert smaller.images.shape == (2, 3, 32, 64) and smaller.boxes.tolist() == [[0, 4, 32, 8]]
    assert smaller.images.dtype == torch.uint8 and shrunk(batch, 1.0, 32) is batch


@pytest.mark.parametrize("error", [RuntimeError("shape mismatch"), ValueError("x")])
def test_another_error_is_none_of_the_ladders(project: Path, error: Exception):
    def fail(detector: Detector, batch: Batch) -> bool:
        raise error

    with pytest.raises(type(error), match=str(error)):
        _run(project, fail)


def _budget(peak_gb: float, share: float) -> dict:
    return {"memory.budget_gb": round(peak_gb * share, 6)}


def test_the_trial_leaves_no_trace_and_finds_the_rung(project: Path):
    """A budget counts live bytes: the whole fits where there is room, and the trial falls as far as it must."""
    size = {"memory.image_size": 128}
    without, _ = _run(project, **size)
    with_room, detector = _run(project, **size, **{"memory.budget_gb": 1.0})
    assert _same(with_room.tensors, without.tensors) and with_room.history == without.history
    assert len(detector.seen) == 1 + 4 and detector.seen[0][1][0] == 4  # the trial, and four steps
    assert with_room.progress.oom_events == []
    peak = with_room.progress.peak_memory_mb * 2**20 / 1e9
    split, detector = _run(project, **size, **{"memory.on_oom": ["split"]} | _budget(peak, 0.75))
    assert split.settings["rung"]["batch"] == 2 and [e["step"] for e in split.progress.oom_events] == [None]
    small, _ = _run(project, **size, **{"memory.batch": 2, "memory.accumulate": 2})
    assert _same(split.tensors, small.tensors)
    with pytest.raises(InputError, match=r"^stage1\.memory: out of memory before the first step"):
        _run(project, **size, **{"memory.on_oom": ["split"]} | _budget(peak, 0.05))


def test_recomputing_saves_memory(project: Path):
    """Of ten layers, what is kept is what goes from one to the next."""
    deep = Yolo(Architecture("yolo", "yolov8-pico", ("person", "car"), 2)).train()
    batch = Batch(
        torch.zeros(2, 3, 128, 128, dtype=torch.uint8), torch.zeros(0, 4), torch.zeros(0).long(), torch.zeros(0)
    )
    peaks = []
    for on in (False, True):
        set_recompute(deep, on)
        with LiveBytes(10**12) as counter:
            sum(deep(batch).values()).backward()
        deep.zero_grad()
        peaks.append(counter.peak)
    assert peaks[1] < 0.7 * peaks[0]


def test_a_rung_says_with_which_keys_to_begin_there():
    memory = Stage.model_validate(
        {
            "mixture": {"sources": {"a": {"frames": 8}}},
            "epochs": 1,
            "lr": 1.0,
            "memory": {"batch": 6, "accumulate": 2, "image_size": 64},
        }
    ).memory
    rung = replace(Rung(6, False), batch=2)
    keys = {"batch": 2, "accumulate": 6, "gradient_checkpointing": False, "image_size": 64}
    assert rung.settings(memory) == keys
    assert replace(rung, scale=0.875).settings(memory) == keys | {"image_size": 32}
    several = memory.model_copy(update={"image_size": (64, 128)})
    assert replace(rung, scale=0.75).settings(several)["image_size"] == [32, 96]


def test_validation_goes_on_in_smaller_batches(project: Path, monkeypatch: pytest.MonkeyPatch):
    whole, _ = _run(project)
    sizes, predict = [], Yolo.predict

    def hungry(self: Yolo, images: torch.Tensor, *limits: float) -> list[torch.Tensor]:
        sizes.append(len(images))
        if len(images) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return predict(self, images, *limits)

    monkeypatch.setattr(Yolo, "predict", hungry)
    fallen, _ = _run(project)
    assert sizes == [4, 2, 2, 2, 2] and fallen.history == whole.history
