"""The stage `explain@CHECKPOINT`: what the detector looked at where the first tracker was most wrong.

Reads models/CHECKPOINT/, data/sources/ (test splits), data/detections/CHECKPOINT/ and
plots/scores/CHECKPOINT/TRACKER/mistakes.csv; writes plots/explain/CHECKPOINT/: 01.jpg, 02.jpg, ..., a picture of each
mistake, and explain.csv, what they show. Which mistakes are the worst says stages/explaining/choosing.py. It runs on
the processor, where sums of gradients have one order. Run as `python -m stages.explain CHECKPOINT`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from stages.errors import choose, run_stage
from stages.explaining.mistakes import Mistake, read_mistakes
from stages.explaining.table import COLUMNS, file_name, row_of
from stages.files import replacing, write_table
from stages.params import Params, load_params
from stages.sequences.detections import DETECTIONS

EXPLAIN, SCORES = Path("plots/explain"), Path("plots/scores")


def main(checkpoint: str) -> None:
    """Explain the worst mistakes of one checkpoint."""
    params = load_params()
    choose(dict.fromkeys(params.evaluation.checkpoints), checkpoint, "checkpoint")
    mistakes = _mistakes(params, checkpoint, params.first_tracker) if params.first_tracker else []
    wanted = bool(mistakes) and params.explain.mistakes > 0  # if nothing is, no network is loaded
    with replacing(EXPLAIN / checkpoint) as folder:
        folder.mkdir()
        rows = list(_explained(params, checkpoint, mistakes, folder)) if wanted else []
        write_table(folder / "explain.csv", COLUMNS, rows)


def _mistakes(params: Params, checkpoint: str, tracker: str) -> list[Mistake]:
    table = SCORES / checkpoint / tracker / "mistakes.csv"
    return read_mistakes(table, params.classes, f"run `dvc repro score@{checkpoint}-{tracker}`")


def _explained(params: Params, checkpoint: str, mistakes: list[Mistake], folder: Path) -> Iterator[dict[str, object]]:
    """The rows of the chosen mistakes, whose pictures are written into ``folder``."""
    from stages.detectors.card import MODELS
    from stages.detectors.checkpoint import load_detector
    from stages.detectors.frames import prepared
    from stages.explaining.choosing import choose
    from stages.explaining.explainer import Detections, Explainer
    from stages.explaining.picture import write_picture
    from stages.explaining.wording import sentence

    detections = Detections(params, DETECTIONS / checkpoint)
    detector, card = load_detector(MODELS / checkpoint)
    image_size = params.evaluation.detection.image_size or card.image_size
    prepare = partial(prepared, image_size=image_size, stride=detector.stride)
    explainer = Explainer(params, detections, detector, card.architecture.classes, prepare)
    chosen = choose(mistakes, detections.of, params.sources, params.explain.mistakes)
    for number, mistake in enumerate(chosen, start=1):
        account, scene = explainer.explain(mistake)
        text = sentence(account, explainer.asked, params.evaluation.boxes == "ground_truth")
        name = file_name(number, len(chosen))
        write_picture(folder / name, account, scene, text)
        yield row_of(account, name, text)


if __name__ == "__main__":
    run_stage(main)
