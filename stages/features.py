"""The stage `features@CHECKPOINT`: what trackers use of the test sequences besides boxes, computed once for all.

Reads data/features.json (which appearance models and which ways of estimating camera motion are used, and the boxes
that are tracked), data/sources/, data/detections/CHECKPOINT/ and models/reid/NAME/. Writes
data/features/CHECKPOINT/NAME/SOURCE/SEQUENCE.parquet with an embedding for each box, and camera-METHOD/ likewise with
the camera's motion. Every frame is decoded once. Where nothing is used, the folder is there and empty. Runs where
`evaluation.engine` says, see stages/fanout. Run as `python -m stages.features CHECKPOINT`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from stages.errors import InputError, choose, run_stage
from stages.files import replacing
from stages.params import Params, load_params
from stages.sequences.detections import DETECTIONS
from stages.sequences.features import FEATURES, embeddings_path, warps_path, write_embeddings, write_warps
from stages.sequences.index import test_sequences

NEEDED = Path("data/features.json")


@dataclass(frozen=True)
class Needed:
    """What data/features.json says."""

    boxes: str
    embeddings: tuple[str, ...]
    camera_motion: tuple[str, ...]


def main(checkpoint: str) -> None:
    """Compute what the trackers use over one checkpoint's boxes."""
    params = load_params()
    choose(dict.fromkeys(params.evaluation.checkpoints), checkpoint, "checkpoint")
    needed = read_needed()
    with replacing(FEATURES / checkpoint) as folder:
        folder.mkdir(parents=True)
        if needed.embeddings or needed.camera_motion:
            write_features(params, checkpoint, needed, folder)


def read_needed(path: Path = NEEDED) -> Needed:
    """Read data/features.json, which the stage `check` writes."""
    try:
        value = json.loads(path.read_text())
        return Needed(value["boxes"], tuple(value["embeddings"]), tuple(value["camera_motion"]))
    except FileNotFoundError:
        raise InputError(str(path), "no such file", "run `dvc repro check`") from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(str(path), f"does not say what is needed ({error})", "run `dvc repro --force check`") from None


def write_features(params: Params, checkpoint: str, needed: Needed, folder: Path) -> None:
    """Describe every test sequence of every source into ``folder``."""
    from stages.appearance.card import REID_MODELS
    from stages.appearance.embedding import load_embedder
    from stages.fanout import Engine, fan_out
    from stages.sequences.describing import Describing
    from stages.tracking.camera import estimate_motion

    embedders = {name: partial(load_embedder, REID_MODELS / name) for name in needed.embeddings}
    estimators = {method: partial(estimate_motion, method=method) for method in needed.camera_motion}
    params = params.model_copy(update={"evaluation": params.evaluation.model_copy(update={"boxes": needed.boxes})})
    describing = Describing(params, DETECTIONS / checkpoint, embedders, estimators)
    jobs = test_sequences(params)
    engine = Engine.of(params.evaluation, network=bool(embedders))
    names = ["/".join(job) for job in jobs]
    results = fan_out(describing, jobs, engine, names=names, label=f"features {checkpoint}")
    for (source, name), described in zip(jobs, results, strict=True):
        for reid, embeddings in described.embeddings.items():
            path = folder / embeddings_path(checkpoint, reid, source, name).relative_to(FEATURES / checkpoint)
            write_embeddings(path, described.frames, embeddings)
        for method, warps in described.warps.items():
            path = folder / warps_path(checkpoint, method, source, name).relative_to(FEATURES / checkpoint)
            write_warps(path, warps)


if __name__ == "__main__":
    run_stage(main)
