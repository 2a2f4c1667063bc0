"""Every key of a stage acts: one row each, from params.yaml through the mixture into the loop."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.state import AcceleratorState
from pydantic import BaseModel

from stages import finetune, mixture
from stages.detectors import Batch
from stages.detectors.checkpoint import MODELS, Card, save_checkpoint
from stages.errors import InputError
from stages.mixtures import targets
from stages.mixtures.mixture import MIXTURES, Manifest, read_clips, write_mixture
from stages.params import Stage
from stages.training.loop import Outcome, Trainer
from tests.rectangles import write_params, write_source
from tests.stub_detector import ARCHITECTURE, Script, StubDetector

SEQUENCES = {"a": ("train", 20, 10.0), "b": ("val", 8, 10.0)}
STILL = {"augment.flip": 0.0, "augment.scale": 0.0, "augment.translate": 0.0, "augment.colour": 0.0}
PLAIN = {
    "optimizer": "sgd",
    "momentum": 0.0,
    "weight_decay": 0.0,
    "clip_norm": None,
    "schedule": "constant",
    "ema": 0.0,
}


@dataclass
class Run:
    """A finished run: what it left, what its optimizer was, and what was there after every step."""

    outcome: Outcome
    trainer: Trainer
    script: Script
    before: dict[str, torch.Tensor]
    after: dict[str, torch.Tensor]
    states: list[dict[str, torch.Tensor]]
    rates: list[list[float]]

    def changed(self) -> set[str]:
        """Names of tensors that training changed, BatchNorm's step counter aside."""
        names = [name for name in self.before if not name.endswith("num_batches_tracked")]
        return {name for name in names if not torch.equal(self.before[name], self.after[name])}

    def group(self, part: str, decays: bool) -> dict:
        """The optimizer's group of a part's weights (``decays``) or its biases and BatchNorm."""
        return next(
            g for g in self.trainer.optimizer.param_groups if g["part"] == part and (g["params"][0].ndim > 1) == decays
        )


def _state(detector: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in detector.network.state_dict().items()}


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)
    monkeypatch.setattr(finetune, "build", StubDetector)
    for source in ("street", "air"):
        write_source(tmp_path, source, SEQUENCES)
    write_mixture(MIXTURES / "pretrained", Manifest((), (), 0.0, {}), [])

    def run(stage: str = "stage1", script: Script | None = None, **changes: Any) -> Run:
        params = write_params(tmp_path, {f"{stage}.{key}": value for key, value in changes.items()})
        for name in (*params.lineage(stage), stage):
            mixture.main(name)
        AcceleratorState._reset_state()  # a process settles on one precision; here it has many runs
        torch.manual_seed(1)
        detector = StubDetector(script=script)
        kept: list[Trainer] = []
        states: list[dict] = []
        rates: list[list[float]] = []

        class Spy(Trainer):
            def _step(self, window: list[Batch]) -> dict[str, torch.Tensor]:
                kept.append(self)
                sums = super()._step(window)
                states.append(_state(self.detector))
                rates.append([group["lr"] for group in self.optimizer.param_groups])
                return sums

        monkeypatch.setattr(finetune, "Trainer", Spy)
        before = _state(detector)
        outcome = finetune._train(params, stage, detector)
        return Run(outcome, kept[0], detector.script, before, _state(detector), states, rates)

    return run


Train = Callable[..., Run]
WEIGHTS = {f"{layer}.{kind}" for layer in range(4) for kind in ("weight", "bias")}
STATISTICS = {"1.running_mean", "1.running_var"}


def epochs(train: Train) -> None:
    run = train(epochs=3)
    assert [row["epoch"] for row in run.outcome.history] == [1, 2, 3]
    assert len(run.states) == run.outcome.settings["steps"] == 6  # 8 frames in batches of 4
    assert run.script.epochs_ended == 3


def lr(train: Train) -> None:
    run = train(lr=0.25, schedule="constant")
    assert {group["lr"] for group in run.trainer.optimizer.param_groups} == {0.25}
    assert run.outcome.settings["lr_by_epoch"] == [0.25, 0.25]


def lr_backbone(train: Train) -> None:
    run = train(lr=0.25, lr_backbone=0.0, schedule="constant", freeze_batchnorm=True, **{"weight_decay": 0.0})
    assert run.group("backbone", True)["lr"] == run.group("backbone", False)["lr"] == 0.0
    assert run.group("neck", True)["lr"] == run.group("head", False)["lr"] == 0.25
    assert run.changed() == {name for name in WEIGHTS if name[0] in "23"}
    assert train(lr=0.25, lr_backbone=0.5, schedule="constant").group("backbone", True)["lr"] == 0.5


def schedule(train: Train) -> None:
    assert [rates[0] for rates in train(schedule="constant", lr=0.1).rates] == [0.1] * 4
    # 2 epochs of 2 steps: progress 0, 1/4, 1/2, 3/4 of a half cosine from 1 to 0.01.
    cosine = [0.1 * (0.01 + 0.99 * (1 + math.cos(math.pi * t / 4)) / 2) for t in range(4)]
    assert [rates[0] for rates in train(schedule="cosine", lr=0.1).rates] == pytest.approx(cosine, rel=1e-12)


def lr_drop(train: Train) -> None:
    run = train(schedule="step", lr_drop=2, epochs=3, lr=0.1, lr_backbone=0.2)
    assert [rates[-1] for rates in run.rates] == pytest.approx([0.1] * 4 + [0.01] * 2, rel=1e-12)
    assert [rates[0] for rates in run.rates] == pytest.approx([0.2] * 4 + [0.02] * 2, rel=1e-12)


def warmup(train: Train) -> None:
    run = train(warmup=1.5, schedule="constant", lr=0.3)  # three steps
    assert [rates[0] for rates in run.rates] == pytest.approx([0.1, 0.2, 0.3, 0.3], rel=1e-12)


def optimizer(train: Train) -> None:
    assert type(train(optimizer="adamw").trainer.optimizer.optimizer) is torch.optim.AdamW
    run = train(optimizer="sgd")
    assert type(run.trainer.optimizer.optimizer) is torch.optim.SGD and run.group("head", True)["nesterov"]


def momentum(train: Train) -> None:
    assert train(optimizer="sgd", momentum=0.7).group("head", True)["momentum"] == 0.7
    assert train(optimizer="adamw", momentum=0.7).group("head", True)["betas"] == (0.7, 0.999)
    assert not train(optimizer="sgd", momentum=0.0).group("head", True)["nesterov"]


def weight_decay(train: Train) -> None:
    run = train(weight_decay=0.125)
    for part in ("backbone", "neck", "head"):
        assert run.group(part, True)["weight_decay"] == 0.125 and run.group(part, False)["weight_decay"] == 0.0


def clip_norm(train: Train) -> None:
    run = train(**PLAIN | {"clip_norm": 0.01, "lr": 0.5})
    squares = [(run.states[0][name] - run.before[name]).square().sum() for name in WEIGHTS]
    assert math.sqrt(sum(squares)) == pytest.approx(0.5 * 0.01, rel=1e-3)  # the first step, of a gradient cut to 0.01
    free = train(**PLAIN | {"lr": 0.5})
    assert math.sqrt(sum((free.states[0][name] - free.before[name]).square().sum() for name in WEIGHTS)) > 0.05


def ema(train: Train) -> None:
    run = train(ema=0.2, select="last", lr=0.1)
    average = run.before["3.weight"]
    for step, state in enumerate(run.states, 1):
        decay = min(0.2, (1 + step) / (10 + step))  # 2/11 at the first step, then 0.2
        average = decay * average + (1 - decay) * state["3.weight"]
    assert torch.allclose(run.outcome.tensors["3.weight"], average, rtol=0, atol=1e-6)
    assert run.outcome.selected["weights"] == "ema"
    without = train(ema=0.0, select="last", lr=0.1)
    assert all(torch.equal(without.outcome.tensors[name], without.after[name]) for name in without.after)
    assert without.outcome.selected["weights"] == "network"
    assert not torch.equal(run.outcome.tensors["3.weight"], without.outcome.tensors["3.weight"])


def freeze(train: Train) -> None:
    assert train().changed() == WEIGHTS | STATISTICS
    assert train(freeze=["backbone"]).changed() == {name for name in WEIGHTS if name[0] in "23"}
    run = train(freeze=["neck", "head"])
    assert run.changed() == {name for name in WEIGHTS if name[0] in "01"} | STATISTICS
    assert run.outcome.settings["parameters_trained"] == 3 * 4 * 16 + 4 + 8


def freeze_batchnorm(train: Train) -> None:
    run = train(freeze_batchnorm=True)
    assert run.changed() == WEIGHTS and run.after["1.num_batches_tracked"] == 0
    assert run.outcome.settings["batchnorm"].startswith("frozen")
    assert train().outcome.settings["batchnorm"].startswith("training: normalises by each micro-batch of 4 frames")


def _first(run: Run) -> Batch:
    return run.script.batches[0]


def flip(train: Train) -> None:
    plain, flipped = _first(train(**STILL)), _first(train(**STILL | {"augment.flip": 1.0}))
    assert torch.equal(flipped.images, plain.images.flip(-1))
    assert torch.equal(
        flipped.boxes,
        torch.stack([64 - plain.boxes[:, 2], plain.boxes[:, 1], 64 - plain.boxes[:, 0], plain.boxes[:, 3]], 1),
    )


def scale(train: Train) -> None:
    plain, zoomed = _first(train(**STILL)), _first(train(**STILL | {"augment.scale": 0.4}))
    assert not torch.equal(plain.images, zoomed.images)
    sides = {round(float(side), 3) for side in (zoomed.boxes[:, 2] - zoomed.boxes[:, 0])}
    assert not sides & {12.0, 20.0}


def translate(train: Train) -> None:
    plain, shifted = _first(train(**STILL)), _first(train(**STILL | {"augment.translate": 0.05}))
    assert not torch.equal(plain.images, shifted.images)
    assert len(plain.boxes) == len(shifted.boxes)
    moved = (shifted.boxes - plain.boxes).abs()
    assert moved.max() <= 0.05 * 64 + 1e-4 and moved.min(0).values.max() > 0


def colour(train: Train) -> None:
    plain, other = _first(train(**STILL)), _first(train(**STILL | {"augment.colour": 0.5}))
    assert torch.equal(plain.boxes, other.boxes) and not torch.equal(plain.images, other.images)
    again = _first(train(**STILL))
    assert torch.equal(plain.images, again.images)


def validate_every(train: Train) -> None:
    run = train(validate_every=2, epochs=3)
    assert ["mAP" in row for row in run.outcome.history] == [False, True, True]
    assert len(run.script.validated) == 2


def select(train: Train) -> None:
    best, last = (
        train(select=kind, epochs=3, lr=0.1, script=Script([(3, 3), (0, 0), (3, 3)])) for kind in ("best", "last")
    )
    assert (best.outcome.selected["epoch"], best.outcome.selected["score"]) == (2, 1.0)
    # Shifted by 3, boxes 12 and 20 wide have IoU 9/15 and 17/23: over COCO's thresholds, 0.3 and 0.5.
    assert (last.outcome.selected["epoch"], last.outcome.selected["score"]) == (3, pytest.approx(0.4, abs=1e-6))
    weights = best.outcome.tensors["3.weight"], last.outcome.tensors["3.weight"]
    assert not torch.equal(*weights)
    assert torch.equal(last.outcome.tensors["3.weight"], last.trainer.ema.detector.network.state_dict()["3.weight"])
    assert train(select="best", epochs=3).outcome.selected["epoch"] == 1  # of equal scores, the earliest
    two = train(select="last", epochs=3, lr=0.1).states  # the same run: validation changes nothing
    assert torch.equal(two[-1]["3.weight"], best.after["3.weight"])


def metric(train: Train) -> None:
    # First all boxes roughly right (mAP 0.4, mAP50 1), then persons alone and exactly (mAP and mAP50 0.5).
    shifts = [(3, 3), (0, None)]
    by_map, by_map50 = (train(metric=name, script=Script(shifts)) for name in ("mAP", "mAP50"))
    assert (by_map.outcome.selected["epoch"], by_map.outcome.selected["score"]) == (2, 0.5)
    assert (by_map50.outcome.selected["epoch"], by_map50.outcome.selected["score"]) == (1, 1.0)
    assert by_map50.outcome.selected["metric"] == "mAP50"


def min_loaded(train: Train) -> None:
    torch.manual_seed(0)
    parent = replace(ARCHITECTURE, classes=("person",))
    save_checkpoint(MODELS / "pretrained", StubDetector(parent).network.state_dict(), Card(parent, 64))
    # The car's class row, 4 weights and a bias, is fresh.
    total = sum(t.numel() for t in StubDetector().network.state_dict().values())
    share = (total - 5) / total
    changes = {"stage1.min_loaded": round(share - 0.001, 4)}
    _, report, _ = finetune._inherit(write_params(Path.cwd(), changes), "stage1", "pretrained")
    assert report.share == pytest.approx(share, abs=1e-6) and report.new_classes == ["car"]
    with pytest.raises(InputError, match=r"^stage1: models/pretrained: the parent gave 97\.9% of the weights, 99% are"):
        finetune._inherit(write_params(Path.cwd(), {"stage1.min_loaded": 0.99}), "stage1", "pretrained")


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
    assert (alone.trainer.loader.num_workers, helped.trainer.loader.num_workers) == (0, 2)
    assert all(torch.equal(alone.outcome.tensors[name], tensor) for name, tensor in helped.outcome.tensors.items())
    assert alone.outcome.history == helped.outcome.history


def sources(train: Train) -> None:
    run = train(**{"mixture.sources": {"air": {"frames": 5}, "street": {"frames": 3}}})
    clips = read_clips(MIXTURES / "stage1", "train")
    assert [clip.source for clip in clips] == ["air"] * 5 + ["street"] * 3
    assert [len(seen) for seen in run.script.batches] == [4, 4, 4, 4]


def frames(train: Train) -> None:
    shares = {"air": {"share": 0.25}, "street": {"share": 0.75}}
    run = train(**{"mixture.sources": shares, "mixture.frames": 8})
    assert [clip.source for clip in read_clips(MIXTURES / "stage1", "train")] == ["air"] * 2 + ["street"] * 6
    assert sum(len(seen) for seen in run.script.batches) == 2 * 8


def _more_cars(train: Train, key: str) -> None:
    """Where every sixth of 60 frames shows a car, balance finds more of them for the same 12 frames."""
    write_source(Path.cwd(), "street", {"a": ("train", 60, 10.0), "b": ("val", 8, 10.0)}, second_every=6)

    def cars(strength: float) -> int:
        run = train(**STILL | {"mixture.sources": {"street": {"frames": 12}}, key: strength})
        return sum(int((seen.classes == 1).sum()) for seen in run.script.batches[:3])

    assert 0 < cars(0.0) < cars(1.0)


def balance_classes(train: Train) -> None:
    _more_cars(train, "mixture.balance.classes")


def balance_sizes(train: Train) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(targets, "_AREAS", [284.0, 1000.0])  # between cars (20x14) and people (12x24)
        _more_cars(train, "mixture.balance.sizes")


def replay(train: Train) -> None:
    run = train("stage2", **{"mixture.replay": 0.5})
    assert [clip.source for clip in read_clips(MIXTURES / "stage2", "train")] == ["air"] * 6 + ["street"] * 6
    assert sum(len(seen) for seen in run.script.batches) == 2 * 12


def lacks(train: Train) -> None:
    with pytest.raises(InputError, match=r"stage1\.mixture\.lacks: training frames do show a `car`"):
        train(**{"mixture.lacks": ["car"]})
    write_source(Path.cwd(), "street", SEQUENCES, classes=(1,))
    with pytest.raises(InputError, match="no training frame shows a `car`"):
        train()
    run = train(**{"mixture.lacks": ["car"]})
    assert {number for seen in run.script.batches for number in seen.classes.tolist()} == {0}


def clip_length(train: Train) -> None:
    run = train(**STILL | {"mixture.clip_length": 4, "mixture.intervals": [0.1]})
    assert [len(clip.frames) for clip in read_clips(MIXTURES / "stage1", "train")] == [4, 4]
    left = _first(run).boxes[::2, 0]  # the person of four successive frames of one clip, 3 pixels on each time
    assert set(left.diff().tolist()) <= {3.0, -37.0}


def intervals(train: Train) -> None:
    train(**{"mixture.clip_length": 2, "mixture.intervals": [0.4]})
    assert {clip.frames[1] - clip.frames[0] for clip in read_clips(MIXTURES / "stage1", "train")} == {4}


def validation_frames(train: Train) -> None:
    run = train(**{"mixture.validation_frames": 3})
    assert [shape[0] for shape in run.script.validated] == [3, 3]


def min_visibility(train: Train) -> None:
    def cars(run: Run) -> int:
        return sum(int((seen.classes == 1).sum()) for seen in run.script.batches[:2])

    hidden = sum(clip.frames[0] % 2 == 0 for clip in (train(**STILL) and read_clips(MIXTURES / "stage1", "train")))
    assert 0 < hidden < 8
    assert cars(train(**STILL)) == 8
    assert cars(train(**STILL | {"mixture.min_visibility": 0.6})) == 8 - hidden


ROWS: dict[str, Callable[[Train], None]] = {
    "epochs": epochs,
    "lr": lr,
    "lr_backbone": lr_backbone,
    "schedule": schedule,
    "lr_drop": lr_drop,
    "warmup": warmup,
    "optimizer": optimizer,
    "momentum": momentum,
    "weight_decay": weight_decay,
    "clip_norm": clip_norm,
    "ema": ema,
    "freeze": freeze,
    "freeze_batchnorm": freeze_batchnorm,
    "augment.flip": flip,
    "augment.scale": scale,
    "augment.translate": translate,
    "augment.colour": colour,
    "validate_every": validate_every,
    "select": select,
    "metric": metric,
    "min_loaded": min_loaded,
    "memory.batch": batch,
    "memory.accumulate": accumulate,
    "memory.image_size": image_size,
    "memory.precision": precision,
    "memory.workers": workers,
    "mixture.sources": sources,
    "mixture.frames": frames,
    "mixture.balance.classes": balance_classes,
    "mixture.balance.sizes": balance_sizes,
    "mixture.replay": replay,
    "mixture.lacks": lacks,
    "mixture.clip_length": clip_length,
    "mixture.intervals": intervals,
    "mixture.validation_frames": validation_frames,
    "mixture.min_visibility": min_visibility,
}


def _keys(model: type[BaseModel], prefix: str = "") -> set[str]:
    keys: set[str] = set()
    for name, field in model.model_fields.items():
        block = isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        keys |= _keys(field.annotation, f"{prefix}{name}.") if block else {f"{prefix}{name}"}
    return keys


def test_every_key_of_a_stage_has_a_row():
    assert set(ROWS) == _keys(Stage)


@pytest.mark.parametrize("key", ROWS)
def test_the_key_acts(key: str, train: Train):
    ROWS[key](train)


@pytest.mark.parametrize(("batch", "accumulate"), [(4, 2), (2, 4), (1, 8)])
def test_a_window_cut_smaller_gives_the_same_step(train: Train, batch: int, accumulate: int):
    changes = PLAIN | {"freeze_batchnorm": True, "lr": 0.1, "mixture.sources": {"street": {"frames": 13}}}
    whole = train(**changes | {"memory.batch": 8})
    cut = train(**changes | {"memory.batch": batch, "memory.accumulate": accumulate})
    assert len(whole.states) == len(cut.states) == 4  # windows of 8 and 5 frames, two epochs
    for one, other in zip(whole.states, cut.states, strict=True):
        for name in WEIGHTS:
            assert torch.allclose(one[name], other[name], rtol=1e-5, atol=1e-6), name
    for one, other in zip(whole.outcome.history, cut.outcome.history, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-5)


def _loss(weights: dict[str, torch.Tensor], batch: Batch) -> dict[str, float]:
    detector = StubDetector()
    detector.network.load_state_dict(weights)
    return {part: float(value.detach()) for part, value in detector.eval()(batch).items()}


def test_the_history_holds_means_over_frames(train: Train):
    run = train(**PLAIN | {"lr": 1e-12, "epochs": 1, "freeze_batchnorm": True, "memory.batch": 6})
    six, two = (_loss(run.before, seen) for seen in run.script.batches[:2])
    row = run.outcome.history[0]
    assert row["loss_box"] == pytest.approx((6 * six["loss_box"] + 2 * two["loss_box"]) / 8, rel=1e-5)
    assert row["loss"] == pytest.approx(row["loss_box"] + row["loss_cls"], abs=2e-8)


def test_a_loss_that_is_no_number_stops_with_one_line(train: Train):
    with pytest.raises(
        InputError, match=r"^stage1: epoch 2: the loss is nan and `0\.weight` is not finite: lower stage1\.lr"
    ):
        train(**PLAIN | {"lr": 1e38, "epochs": 3, "memory.batch": 8})


def test_weights_that_are_no_number_stop_even_after_the_last_step(train: Train):
    with pytest.raises(InputError, match=r"^stage1: epoch 2: the loss is \d\.\d+ and `0\.weight` is not finite: lower"):
        train(script=Script(break_at=4))
