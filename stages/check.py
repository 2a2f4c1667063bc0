"""The stage `check`: params.yaml is valid, or nothing runs.

Every root stage depends on its output, which is always the same bytes: an edit of params.yaml runs the check again
and triggers nothing behind it. It also writes the mixture from which a curriculum starts, no source seen yet, and
data/features.json: what trackers use besides boxes, which changes with that alone and not with a tracker's options.
Two folders on which stages depend get a file, since no tracker may be there to fill them.
Run as `python -m stages.check`.
"""

from __future__ import annotations

from pathlib import Path

from stages.errors import InputError, run_stage
from stages.files import write_json, write_text
from stages.mixtures.mixture import MIXTURES, Manifest, write_mixture
from stages.params import Params, load_params, where
from stages.params.model import NETWORKS, PRETRAINED

FEATURES_NEEDED = Path("data/features.json")
_NAMED = ("compute", "reid", "protocols", "gates", "videos", "explain", "report")  # by dvc.yaml: DVC knows no default
_FOLDERS = {
    Path("data/tracks/here.txt"): "The tracks of every checkpoint and tracker lie here.\n",
    Path("plots/scores/here.txt"): "The scores of every checkpoint and tracker lie here, sequence by sequence.\n",
}


def main() -> None:
    """Check params.yaml."""
    params = load_params()
    for key in _NAMED:
        if key not in params.model_fields_set:
            raise InputError(where(key), "missing", f"add `{key}: {{}}`")
    if "boxes" not in params.evaluation.model_fields_set:
        raise InputError(where("evaluation", "boxes"), "missing", "add `boxes: detections`")
    _require_in_networks(params.detector.model)
    write_json(FEATURES_NEEDED, needed(params))
    write_text(Path("data/params.ok"), "params.yaml is valid\n")
    for path, text in _FOLDERS.items():
        write_text(path, text)
    write_mixture(MIXTURES / PRETRAINED, Manifest(classes=(), seen=(), min_visibility=0.0, sources={}), [])


def _require_in_networks(model: str) -> None:
    """Raise `InputError` for the description of a network that DVC does not look at: an edit would change nothing."""
    path = Path(model)
    inside = path.resolve().is_relative_to(Path(NETWORKS).resolve())
    if path.suffix == ".yaml" and path.is_file() and not inside:
        what = f"the file lies outside of {NETWORKS}/, where DVC would not see an edit of it"
        raise InputError(where("detector", "model"), what, f"move it there: {NETWORKS}/{path.name}")


def needed(params: Params) -> dict[str, object]:
    """The boxes that are tracked, and what is computed of them for any of the trackers, by name."""
    trackers = params.trackers.values()
    return {
        "boxes": params.evaluation.boxes,
        "embeddings": sorted({tracker.reid for tracker in trackers} - {None}),
        "camera_motion": sorted({tracker.camera_motion for tracker in trackers} - {None}),
    }


if __name__ == "__main__":
    run_stage(main)
