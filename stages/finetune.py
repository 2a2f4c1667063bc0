"""The stage `finetune@STAGE`: trains a stage of the curriculum from the checkpoint before it.

Reads data/mixtures/STAGE/, the archives that it names, and models/AFTER/; writes models/STAGE/,
plots/training/STAGE.csv and metrics/runs/STAGE.json. Run as `python -m stages.finetune STAGE`.
"""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

import pandas as pd
import torch

from stages.detectors import Architecture, Detector, build
from stages.detectors.checkpoint import MODELS, Card, load_card, load_tensors, save_checkpoint
from stages.errors import choose, run_stage
from stages.files import write_json, write_text
from stages.mixtures.clips import ClipReader
from stages.mixtures.mixture import MIXTURES, read_clips, read_manifest
from stages.params import Params, load_params
from stages.sequences.seeds import derive_seed
from stages.training.handoff import HandoffReport, hand_over, require_share
from stages.training.loader import ClipSamples, RunOrder
from stages.training.loop import Outcome, Trainer
from stages.training.validation import Validator

_COLUMNS = ["epoch", "lr", "loss", "loss_box", "loss_cls", "loss_dfl", "mAP", "mAP50"]


def main(stage: str) -> None:
    """Train one stage and write its checkpoint, curves and run report."""
    name, started = stage, time.perf_counter()
    params = load_params()
    parent = choose(params.curriculum, name, "stage").after
    _prepare_torch()
    detector, handoff, parent_card = _inherit(params, name, parent)
    outcome = _train(params, name, detector)
    card = Card(
        architecture=detector.architecture,
        image_size=params.stages[name].memory.image_size,
        parent={"name": parent, "sha256": parent_card.sha256},
        handoff=handoff.card(),
        selected=outcome.selected,
        settings=outcome.settings,
    )
    save_checkpoint(MODELS / name, outcome.tensors, card)
    _write_history(name, outcome)
    write_json(Path("metrics/runs") / f"{name}.json", _cost(outcome, started))


def _prepare_torch() -> None:
    """All cores that this process may use, and algorithms that give the same bytes again."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_deterministic_debug_mode("warn")


def _inherit(params: Params, name: str, parent: str) -> tuple[Detector, HandoffReport, Card]:
    """The stage's network with its parent's weights."""
    card = load_card(MODELS / parent)
    torch.manual_seed(derive_seed(params.seed, name, "fresh weights"))
    family, model = params.detector.family, params.detector.model
    same = (card.architecture.family, card.architecture.model) == (family, model)
    base = card.architecture.base_classes if same else len(params.classes)
    detector = build(Architecture(family, model, params.classes, base))
    report = hand_over(detector, load_tensors(MODELS / parent, card), card.architecture.classes)
    require_share(report, params.stages[name].min_loaded, f"{name}: models/{parent}")
    return detector, report, card


def _train(params: Params, name: str, detector: Detector) -> Outcome:
    stage, folder = params.stages[name], MIXTURES / name
    memory, augment, seed = stage.memory, stage.augment, derive_seed(params.seed, name, "training")
    reader = ClipReader(read_manifest(folder))
    reader.verify()
    clips = read_clips(folder, "train")
    samples = ClipSamples(reader, clips, memory.image_size, augment, seed)
    order = RunOrder(len(clips), memory.batch // stage.mixture.clip_length, stage.epochs, seed)
    validator = Validator(reader, read_clips(folder, "val"), params.classes, memory.image_size, memory.batch)
    torch.manual_seed(seed)
    return Trainer(name, detector, stage, samples, order, validator, _print_row).run()


def _print_row(row: dict) -> None:
    print("  ".join(f"{key} {value:.4g}" for key, value in row.items()), flush=True)


def _write_history(name: str, outcome: Outcome) -> None:
    table = pd.DataFrame(outcome.history).reindex(columns=_COLUMNS)
    write_text(Path("plots/training") / f"{name}.csv", table.to_csv(index=False, lineterminator="\n"))


def _cost(outcome: Outcome, started: float) -> dict:
    peak = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None
    return {
        "seconds": round(time.perf_counter() - started, 1),
        "steps": outcome.settings["steps"],
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "peak_gpu_memory_mb": peak and peak // 2**20,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "torch": torch.__version__,
    }


if __name__ == "__main__":
    run_stage(main)
