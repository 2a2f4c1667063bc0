"""The crops of one entry of `reid`: drawn from the sources' identities, checked, and written.

Reads data/sources/. Crops to train on come from the split `train`, queries and gallery from `test`: splits are locked.
Where a source cuts one sequence into `ranges`, an individual may be in both: those are counted as `seen`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stages.appearance import market, selecting
from stages.appearance.selecting import Crop
from stages.appearance.views import View, views_of
from stages.errors import InputError
from stages.params import Params, where
from stages.params.reid import Reid
from stages.sequences.annotations import mapped, purposes
from stages.sequences.index import SOURCES, open_sequence, read_index, read_labels, require_whole


@dataclass(frozen=True)
class Drawn:
    """How many there are; ``seen`` identities are asked for and also trained on."""

    train: int  # crops
    train_identities: int
    queries: int
    gallery: int
    identities: int  # asked for
    seen: int


def draw_crops(params: Params, name: str, folder: Path, root: Path = SOURCES) -> Drawn:
    """Write the crops of the entry ``name`` into ``folder``; raises `InputError` where they are not enough."""
    reid, parts = params.reid[name], {market.TRAIN: [], market.QUERY: [], market.GALLERY: []}
    views = views_of(params, reid.sources, root)
    if reid.path is None:
        parts[market.TRAIN] = selecting.repeated(_crops(params, name, [v for v in views if v.split == "train"], root))
        _require_identities(name, reid, parts[market.TRAIN])
    if not (tested := [view for view in views if view.split == "test"]):
        what = f"no test sequence in {', '.join(reid.sources)}"
        raise InputError(where("reid", name, "sources"), what, "give one a test split, or add a source that has one")
    found = selecting.give_cameras(_crops(params, name, tested, root))
    parts[market.QUERY], parts[market.GALLERY] = selecting.split_queries(found)
    if not parts[market.QUERY]:
        what = f"no identity of {_wanted(params, reid)} is seen twice in the test sequences"
        raise InputError(where("reid", name, "sources"), what, "lower min_size or min_visibility, or add sources")
    market.write_crops(folder, parts, params.classes, root)
    learned, asked = ({crop.identity for crop in parts[part]} for part in (market.TRAIN, market.QUERY))
    sizes = {part: len(crops) for part, crops in parts.items()}
    return Drawn(
        sizes[market.TRAIN], len(learned), sizes[market.QUERY], sizes[market.GALLERY], len(asked), len(asked & learned)
    )


def _crops(params: Params, name: str, views: list[View], root: Path) -> list[Crop]:
    """The crops of all ``views``."""
    reid, result = params.reid[name], []
    wanted = {number for number, label in enumerate(params.classes) if label in (reid.classes or params.classes)}
    for source in reid.sources:
        labels, mapping = read_labels(source, root), params.sources[source].classes
        hashes = read_index(source, root=root).set_index("sequence")["sha256"]
        for view in (view for view in views if view.source == source):
            require_whole(root / source / f"{view.sequence}.zip", hashes[view.sequence], source)
            sequence = open_sequence(source, view.sequence, root)
            gt = sequence.gt()
            with mapped(str(sequence.path), source):
                use = purposes(gt, labels, mapping, params.classes)
            result += selecting.choose(view, sequence.info, gt, use, reid, wanted)
            sequence.close()
    return result


def _require_identities(name: str, reid: Reid, crops: list[Crop]) -> None:
    """Enough individuals to fill a batch."""
    count, place = len({crop.identity for crop in crops}), where("reid", name, "sources")
    if not count:
        what = f"no identity in the train split of {', '.join(reid.sources)}"
        remedy = "name sources with identities, or lower min_size or min_visibility"
        raise InputError(place, what, remedy)
    if count < reid.identities:
        what = f"{count} identities in the train split are fewer than a batch has ({reid.identities})"
        raise InputError(where("reid", name, "identities"), what, "lower it, or add sources")


def _wanted(params: Params, reid: Reid) -> str:
    return " or ".join(reid.classes or params.classes)
