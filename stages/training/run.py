"""A stage's training put together from params.yaml, its mixture and its parent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from stages.detectors import Architecture, Detector, build
from stages.detectors.card import MODELS, Card, load_card
from stages.detectors.checkpoint import load_tensors
from stages.errors import InputError
from stages.mixtures.clips import ClipReader
from stages.mixtures.mixture import MIXTURES, read_clips, read_manifest
from stages.params import Params, Stage
from stages.sequences.seeds import derive_seed
from stages.training.fingerprint import fingerprint
from stages.training.handoff import HandoffReport, hand_over, require_share
from stages.training.loop import Trainer
from stages.training.order import RunOrder
from stages.training.outcome import Outcome
from stages.training.processes import Processes
from stages.training.samples import ClipSamples
from stages.training.saving import Saves
from stages.training.scratch import Scratch
from stages.training.state import RunState
from stages.training.validation import Validator
from stages.watching import Watcher


@dataclass
class Child:
    """A stage's network with its parent's weights, what became of these, and the parent's card."""

    detector: Detector
    handoff: HandoffReport
    parent: Card


def inherit(params: Params, name: str) -> Child:
    """Build the stage's network and load its parent into it; raises `InputError` where too little fits."""
    parent = params.curriculum[name].after
    card = load_card(MODELS / parent)
    torch.manual_seed(derive_seed(params.seed, name, "fresh weights"))
    family, model = params.detector.family, params.detector.model
    if card.architecture.family != family:
        what = f"holds a `{card.architecture.family}` network, and detector.family is `{family}`"
        raise InputError(f"{name}: models/{parent}", what, "set detector.family to it, or name other weights")
    if card.architecture.model == model:
        architecture = replace(card.architecture, classes=params.classes)
    else:
        architecture = Architecture(family, model, params.classes, len(params.classes))
    detector = build(architecture)
    report = hand_over(detector, load_tensors(MODELS / parent, card), card.architecture.classes)
    require_share(report, params.stages[name].min_loaded, f"{name}: models/{parent}")
    return Child(detector, report, card)


@contextmanager
def scratch_of(params: Params, name: str, parent: Card, accelerator: Accelerator) -> Iterator[Scratch]:
    """The run's scratch folder, held by the first process; raises `InputError` where another run has it."""
    scratch = Scratch(name, fingerprint(params, name, parent))
    with scratch.held() if accelerator.is_main_process else nullcontext():
        accelerator.wait_for_everyone()
        yield scratch


def train(
    params: Params,
    name: str,
    detector: Detector,
    scratch: Scratch,
    accelerator: Accelerator,
    watch: Watcher,
    trainer: Callable[..., Trainer] = Trainer,
) -> Outcome:
    """Train a stage, from where it was saved last."""
    stage, folder, seed = params.stages[name], MIXTURES / name, derive_seed(params.seed, name, "training")
    reader = ClipReader(read_manifest(folder))
    reader.verify()
    clips = read_clips(folder, "train")
    processes = Processes(accelerator)
    order = _order(name, stage, len(clips), seed, processes)
    validator = Validator(
        reader, read_clips(folder, "val"), params.classes, stage.memory.image_sizes[-1], stage.memory.batch
    )
    state = RunState(detector, stage, accelerator)
    saves = Saves(name, scratch, processes, watch.flush)
    samples = ClipSamples(reader, clips, stage, seed)
    [saved] = broadcast_object_list([scratch.load() if accelerator.is_main_process else None])
    settings = {name: stage.model_dump(mode="json"), "detector": params.detector.model_dump(), "seed": params.seed}
    watch.begin(name, settings | {"classes": list(params.classes)}, saved[1].step if saved else 0)
    if accelerator.is_main_process:  # the others would remove the same folders under its hands
        for text in scratch.said(saved is not None):
            watch.note(text)
        scratch.prune()
    run = trainer(name, stage, state, samples, order, validator, accelerator, saves, watch, seed)
    return run.run(saved)


def _order(name: str, stage: Stage, clips: int, seed: int, processes: Processes) -> RunOrder:
    memory, size = stage.memory, stage.memory.batch // stage.mixture.clip_length
    if -(-clips // size) < processes.count:
        what = f"{clips} clips are fewer than one micro-batch for each of {processes.count} processes"
        raise InputError(f"{name}.memory.batch", what, "lower it, or compute.devices")
    return RunOrder(
        clips, size, memory.accumulate, stage.epochs, seed, memory.image_sizes, processes.rank, processes.count
    )
