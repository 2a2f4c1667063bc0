"""What a run leaves: the weights that `select` chose, and what was in effect."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from stages.detectors import Detector
from stages.params import Stage
from stages.training.gradients import Gradients
from stages.training.optimizing import describe
from stages.training.state import Progress, RunState, Tensors


@dataclass
class Outcome:
    """The tensors that `select` chose, how they were chosen, what was in effect, and the run's progress at its end."""

    tensors: Tensors
    selected: dict
    settings: dict
    progress: Progress

    @property
    def history(self) -> list[dict]:
        """A row for each epoch."""
        return self.progress.history


def make_outcome(stage: Stage, state: RunState, gradients: Gradients, processes: int) -> Outcome:
    """The outcome of a finished run."""
    progress, last = state.progress, state.progress.history[-1]
    selected = {"select": stage.select, "weights": "ema" if stage.ema else "network", "metric": stage.metric}
    if stage.select == "best":
        tensors, chosen = state.best, {"epoch": progress.best["epoch"], "score": progress.best["score"]}
    else:
        tensors, chosen = state.average(), {"epoch": last["epoch"], "score": last[stage.metric]}
    return Outcome(tensors, selected | chosen, _settings(stage, state, gradients, processes), progress)


def cost(outcome: Outcome, seconds: float) -> dict:
    """What the run took, for metrics that nothing depends on; ``seconds`` are this process's, all in all.

    To them is added what earlier processes trained for that were killed, as far as it was saved.
    """
    progress = outcome.progress
    on_gpu = torch.cuda.is_available()
    return {
        "seconds": round(progress.earlier_seconds + seconds, 1),
        "training_seconds": round(progress.training_seconds, 1),
        "waiting_share": round(progress.waiting_seconds / max(1e-9, progress.training_seconds), 4),
        "saving_share": round(progress.saving_seconds / max(1e-9, progress.training_seconds), 4),
        "steps": progress.step,
        "skipped_steps": progress.skipped,
        "images": progress.images,
        "resumed_at_steps": progress.resumed_at,
        "oom_events": progress.oom_events,
        "rung": outcome.settings["rung"],
        "peak_memory_mb": round(progress.peak_memory_mb),
        "objects_left_out": progress.left_out,
        "processes": outcome.settings["processes"],
        "device": torch.cuda.get_device_name() if on_gpu else "cpu",
        "torch": torch.__version__,
    }


def _settings(stage: Stage, state: RunState, gradients: Gradients, processes: int) -> dict:
    """What was in effect, as the optimizer and the loader saw it."""
    memory, progress = stage.memory, state.progress
    return {
        "optimizer": type(state.optimizer).__name__,
        "groups": describe(state.optimizer),
        "steps": progress.step,
        "epochs": len(progress.history),
        "ended_early": progress.ended,
        "lr_by_epoch": [row["lr"] for row in progress.history],
        "schedule": stage.schedule,
        "warmup": stage.warmup,
        "clip_norm": stage.clip_norm,
        "ema": stage.ema,
        "freeze": {"parts": list(stage.freeze), "thawed_after_epoch": stage.thaw},
        "effective_batch": memory.batch * memory.accumulate * processes,
        "processes": processes,
        "image_sizes": list(memory.image_sizes),
        "precision": memory.precision,
        "augment": stage.augment.model_dump(mode="json"),
        "compile": stage.compile,
        "rung": gradients.rung.settings(memory),
        "rungs_given_up": [{key: event[key] for key in ("step", "before", "after")} for event in progress.oom_events],
        "batchnorm": _batchnorm(state.detector, stage, gradients.rung.batch),
        "parameters_trained": sum(p.numel() for group in state.optimizer.param_groups for p in group["params"]),
        # Every key, with its default where params.yaml is silent; but the number of loader workers changes nothing.
        "params": stage.model_dump(mode="json", exclude={"memory": {"workers"}}),
    }


def _batchnorm(detector: Detector, stage: Stage, batch: int) -> str:
    """What BatchNorm did on the rung on which the run ended."""
    if not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in detector.modules()):
        return "none in this network"
    if stage.freeze_batchnorm:
        return "frozen: the parent's statistics normalise and stay"
    until = f" until epoch {stage.thaw}" if stage.thaw else ""
    frozen = f"; frozen in {', '.join(stage.freeze)}{until}" if stage.freeze else ""
    return f"training: normalises by each micro-batch of {batch} frames, statistics follow{frozen}"
