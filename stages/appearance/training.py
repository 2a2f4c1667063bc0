"""Trains an OSNet on an entry's crops: AdamW, a short warm-up and a cosine, and goes on where a kill stopped it.

Reads data/crops/NAME/bounding_box_train. What is needed to go on is in .skyward/runs/, as for a stage of the
curriculum; an entry that has been trained before with the same params, crops and code is taken from there.
BoxMOT's own trainer seeds every generator of the process and switches cuDNN for all of it, saves pickles, starts git,
and draws its bars wherever it runs: it cannot be driven from inside a stage.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import torch
from torch import nn

from stages.appearance.batches import Batches
from stages.appearance.card import SAFETENSORS, ReidCard
from stages.appearance.losses import AppearanceLoss
from stages.appearance.market import TRAIN, read_shots
from stages.appearance.osnet import DIMENSION, build_network, without_classifier
from stages.files import sha256_of
from stages.params.reid import Reid
from stages.sequences.seeds import derive_seed
from stages.tensors import write_safetensors
from stages.training.pace import Pace
from stages.training.saving import Saves
from stages.training.scratch import Scratch
from stages.training.state import Progress, Tensors
from stages.watching import Step, Watcher

_WARMUP = 0.05  # of a run's steps
_FINAL = 0.01  # of the learning rate, at the end
_LIBRARIES = ("boxmot", "numpy", "opencv-python", "torch")
_NOT_TRAINED_BY = {"path", "sha256", "endpoint_url", "anonymous"}


class _Alone:
    """The one process that trains, as `Saves` asks for it."""

    rank = 0

    def worst(self, status: int) -> int:
        """Its own."""
        return status


class _Run:
    """A run's network, optimizer and progress: what it is saved as, and goes on from."""

    def __init__(self, reid: Reid, identities: int, seed: int, device: str):
        torch.manual_seed(derive_seed(seed, "fresh weights"))
        # Channels last: almost twice as fast on the CPU, where OSNet's convolutions are many and thin.
        self.network = build_network(reid.model, identities).to(device, memory_format=torch.channels_last)
        weights = list(self.network.parameters())
        decaying, others = ([each for each in weights if (each.ndim > 1) == decays] for decays in (True, False))
        groups = [{"params": decaying}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=reid.lr, weight_decay=reid.weight_decay, fused=True)
        self.progress = Progress()

    def tensors(self) -> Tensors:
        """All of them, under names that `take_back` knows."""
        kept = self.optimizer.state_dict()["state"]
        moments = {f"optimizer.{i}.{key}": value for i, item in kept.items() for key, value in item.items()}
        return {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()} | moments

    def up_to_date(self) -> Progress:
        """The progress."""
        return self.progress

    def take_back(self, tensors: Tensors, progress: Progress) -> None:
        """Be what was saved."""
        split = [(*name.split(".", 1), tensor) for name, tensor in tensors.items()]
        self.network.load_state_dict({name: tensor for kind, name, tensor in split if kind == "network"})
        weights = [weight for group in self.optimizer.param_groups for weight in group["params"]]
        for kind, name, tensor in split:
            if kind == "optimizer":
                number, key = name.split(".")
                weight = weights[int(number)]
                place = weight if weight.shape == tensor.shape else tensor  # moments are laid out as their weights are
                like = torch.empty_like(place, dtype=tensor.dtype, device=weight.device, requires_grad=False)
                self.optimizer.state[weight][key] = like.copy_(tensor)
        self.progress = progress


def train(
    name: str,
    reid: Reid,
    folder: Path,
    seed: int,
    watch: Watcher,
    device: str = "cpu",
    root: Path | None = None,
    between: Callable[[int], None] = lambda step: None,
) -> tuple[Tensors, list[dict]]:
    """Train the entry ``name`` on the crops in ``folder``: the network's tensors, and losses by epoch.

    The same params, crops, code and machine give the same bytes. ``root`` is where `.skyward` lies; ``between`` is
    called with the number of steps done, before each. Raises `Stopped` where the run is told to stop.
    """
    shots, seed = read_shots(folder / TRAIN), derive_seed(seed, "reid", name)
    batches = Batches(shots, reid, seed)
    run = _Run(reid, batches.identities, seed, device)
    scratch = Scratch(f"reid-{name}", _fingerprint(reid, [shot.path for shot in shots], seed, device), root)
    with scratch.held():
        saved = scratch.load()
        if saved:
            run.take_back(*saved)
        watch.begin(name, reid.model_dump(mode="json"), run.progress.step)
        for text in scratch.said(saved is not None):
            watch.note(text)
        scratch.prune()
        _train(run, batches, Saves(name, scratch, _Alone()), watch, between)
    return run.network.state_dict(), run.progress.history


def make_model(
    name: str, reid: Reid, crops: Path, folder: Path, seed: int, watch: Watcher, device: str = "cpu"
) -> ReidCard:
    """`train`, and write the weights that an embedding needs into ``folder``; returns their card."""
    tensors, history = train(name, reid, crops, seed, watch, device)
    write_safetensors(folder / SAFETENSORS, without_classifier(tensors))
    settings = {"seed": seed} | reid.model_dump(mode="json", exclude=_NOT_TRAINED_BY)
    return ReidCard(SAFETENSORS, reid.model, reid.image_size, DIMENSION, settings=settings, history=history)


def _train(run: _Run, batches: Batches, saves: Saves, watch: Watcher, between: Callable[[int], None]) -> None:
    loss, pace, progress = AppearanceLoss(batches.reid.margin), Pace(), run.progress
    device = next(run.network.parameters()).device
    run.network.train()
    for images, identities in batches.after(progress.step):
        between(progress.step)
        torch.manual_seed(derive_seed(batches.seed, "step", progress.step))
        rate = batches.reid.lr * _factor(progress.step, batches.steps)
        shown = torch.from_numpy(images).to(device, memory_format=torch.channels_last)
        parts = _step(run, loss, shown, torch.from_numpy(identities).to(device), rate)
        progress.step += 1
        progress.sums = {key: progress.sums.get(key, 0.0) + value for key, value in parts.items()}
        pace.stepped(batches.size)
        watch.step(_told(progress, batches, parts, rate, pace))
        if progress.step % batches.steps_per_epoch == 0:
            _end_epoch(progress, batches, rate, watch)
        saves.between_steps(run, progress.step == batches.steps)


def _end_epoch(progress: Progress, batches: Batches, rate: float, watch: Watcher) -> None:
    row = {key: value / batches.steps_per_epoch for key, value in progress.sums.items()}
    progress.history.append({"epoch": progress.step // batches.steps_per_epoch, "lr": rate} | row)
    progress.sums = {}
    watch.epoch(progress.history[-1])


def _step(run: _Run, loss: nn.Module, images: torch.Tensor, identities: torch.Tensor, rate: float) -> dict[str, float]:
    """One step of the optimizer; the losses."""
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    run.optimizer.zero_grad(set_to_none=True)
    parts = loss(*run.network(images), identities)
    parts["loss"].backward()
    run.optimizer.step()
    return {key: float(value.detach()) for key, value in parts.items()}


def _factor(step: int, steps: int) -> float:
    """What the learning rate is multiplied by at a step (from 0)."""
    warm = min(1.0, (step + 1) / max(1, round(_WARMUP * steps)))
    return warm * (_FINAL + (1 - _FINAL) * (1 + math.cos(math.pi * step / steps)) / 2)


def _told(progress: Progress, batches: Batches, parts: dict[str, float], rate: float, pace: Pace) -> Step:
    return Step(
        epoch=1 + (progress.step - 1) // batches.steps_per_epoch,
        epochs=batches.reid.epochs,
        step=progress.step,
        steps=batches.steps,
        losses=parts,
        rates={"network": rate},
        images_per_second=pace.images_per_second,
        memory_mb=_peak_mb(),
        waited=0.0,
        seconds=pace.seconds(progress),
        seconds_left=pace.seconds_left(batches.steps - progress.step),
    )


def _peak_mb() -> float:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _fingerprint(reid: Reid, crops: list[Path], seed: int, device: str) -> dict[str, str]:
    """A value for each part that decides on the weights which come out."""
    block = reid.model_dump(mode="json", exclude=_NOT_TRAINED_BY)
    code = sorted(Path(__file__).parent.glob("*.py"))
    return {f"reid.{key}": str(value) for key, value in block.items()} | {
        "seed": str(seed),
        "crops": _digest(f"{path.name} {sha256_of(path)}" for path in crops),
        "code": _digest(f"{path.name} {sha256_of(path)}" for path in code),
        "libraries": " ".join(f"{library} {version(library)}" for library in _LIBRARIES),
        "threads": str(torch.get_num_threads()),
        "device": torch.cuda.get_device_name() if device != "cpu" else "cpu",
    }


def _digest(lines: object) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
