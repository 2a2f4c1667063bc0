"""The stage `reid`: appearance models for trackers, trained on the sources' identities or brought from elsewhere.

Reads data/sources/, or what `reid.NAME.path` names. Writes for every entry of `reid` crops in the layout of Market-1501
to data/crops/NAME/, the model to models/reid/NAME/, ranking pictures to plots/reid/NAME/, and for all of them
metrics/reid.json. Crops, pictures and scores need `sources`: a model from `path` without any is only brought in. What
is needed to go on after a kill is in .skyward/runs/. Run as `python -m stages.reid`.
"""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

from stages.appearance.card import REID_MODELS
from stages.errors import run_stage
from stages.files import replacing, write_json
from stages.params import Params, load_params

CROPS, PICTURES = Path("data/crops"), Path("plots/reid")
METRICS = Path("metrics/reid.json")


def main() -> None:
    """Make every entry's model."""
    params = load_params()
    if params.reid:
        _prepare_torch()
    drawn = _draw_all(params)
    with replacing(REID_MODELS) as folder:
        folder.mkdir()
        # What comes from elsewhere first: a mistake there shows before hours of training.
        for name in sorted(params.reid, key=lambda name: params.reid[name].path is None):
            (folder / name).mkdir()
            _make_model(params, name, folder / name, drawn.get(name))
    with replacing(PICTURES) as folder:
        folder.mkdir()
        scores = {name: _score(name, folder / name) for name in drawn}
    for name, values in scores.items():
        values["seen"] = drawn[name]["seen"]
    write_json(METRICS, scores)


def _prepare_torch() -> None:
    """All cores that this process may use, and algorithms that give the same bytes again."""
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_deterministic_debug_mode("warn")


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _draw_all(params: Params) -> dict[str, dict]:
    """The crops of every entry that has sources, all before any training; how many there are."""
    with replacing(CROPS) as folder:
        folder.mkdir()
        if not params.reid:
            return {}
        from stages.appearance.crops import draw_crops

        named = [name for name, reid in params.reid.items() if reid.sources]
        return {name: asdict(draw_crops(params, name, folder / name)) for name in named}


def _make_model(params: Params, name: str, folder: Path, drawn: dict | None) -> None:
    """Train, or bring, one model into ``folder``."""
    from stages.appearance.card import write_card
    from stages.appearance.weights import bring

    reid = params.reid[name]
    card = bring(name, reid, folder) if reid.path else _trained(params, name, folder)
    write_card(folder, card, {"drawn": drawn} if drawn else {})


def _trained(params: Params, name: str, folder: Path):
    from stages.appearance.training import make_model
    from stages.watching import Bar

    watch = Bar()
    with watch.ending():
        card = make_model(name, params.reid[name], CROPS / name, folder, params.seed, watch, _device())
        watch.end(REID_MODELS / name, card.history[-1])
    return card


def _score(name: str, folder: Path) -> dict:
    """Score one model, and draw what it finds."""
    from stages.appearance.embedding import load_embedder
    from stages.appearance.pictures import draw_rankings
    from stages.appearance.scoring import score_embedder

    scored = score_embedder(load_embedder(REID_MODELS / name, _device()), CROPS / name)
    draw_rankings(folder, name, scored)
    return scored.scores


if __name__ == "__main__":
    run_stage(main)
