"""Which sequences share identities."""

from __future__ import annotations

from pathlib import Path

from stages.appearance.selecting import FIRST_HALF, SECOND_HALF, Crop, give_cameras
from stages.appearance.views import View, views_of
from stages.sequences.index import write_index
from tests.rectangles import CLASSES, write_params

WORLD = {"format": "world", "seed": 3, "sequences": {"train": 1, "test": 4}, "frames": 4, "classes": {}}
NAMES = {"person": "person", "car": "car", "hidden": "distractor"}
MTMMC = {"format": "mtmmc", "path": "nowhere", "classes": {"person": "person"}, "splits": {"test": 1.0}}
CUT = {"whole": {"early": {"frames": [1, 5], "split": "train"}, "dusk": {"frames": [8, 9], "split": "test"}}}
FILES = {"format": "motchallenge", "path": "nowhere", "classes": CLASSES, "splits": {"test": 1.0}}


def views(tmp_path: Path, sources: dict, sequences: dict[str, list[str]]) -> list[View]:
    params = write_params(tmp_path, {f"sources.{name}": block for name, block in sources.items()})
    for name, found in sequences.items():
        rows = [dict.fromkeys(("frames", "fps", "width", "height", "boxes", "ids"), 1) for _ in found]
        rows = [row | {"sequence": each, "split": "test", "sha256": ""} for row, each in zip(rows, found, strict=True)]
        write_index(tmp_path / name, rows, {})
    return views_of(params, tuple(sequences), tmp_path)


def groups(found: list[View]) -> list[list[str]]:
    """Sequences that share identities."""
    named: dict[str, list[str]] = {}
    for view in found:
        named.setdefault(view.group, []).append(view.sequence)
    return list(named.values())


def test_the_worlds_cameras_and_its_drone_see_the_same_scene(tmp_path: Path):
    street, air = WORLD | {"view": "street", "classes": NAMES}, WORLD | {"view": "air", "classes": NAMES}
    four = [f"street-test-0{number}" for number in (1, 2, 3, 4)]
    found = views(tmp_path, {"street": street, "air": air}, {"street": four, "air": ["air-test-01", "air-test-02"]})
    assert groups(found) == [[*four[:2], "air-test-01"], [*four[2:], "air-test-02"]]
    assert [view.camera for view in found] == ["street 1", "street 2", "street 1", "street 2", "air 1", "air 1"]


def test_another_world_is_full_of_others(tmp_path: Path):
    street, air = WORLD | {"view": "street", "classes": NAMES}, WORLD | {"view": "air", "classes": NAMES, "people": 5}
    found = views(tmp_path, {"street": street, "air": air}, {"street": ["street-test-01"], "air": ["air-test-01"]})
    assert groups(found) == [["street-test-01"], ["air-test-01"]]


def test_mtmmcs_cameras_share_their_scenes_people(tmp_path: Path):
    found = views(tmp_path, {"street": MTMMC}, {"street": ["s01-c01", "s01-c02", "s02-c01"]})
    assert groups(found) == [["s01-c01", "s01-c02"], ["s02-c01"]]
    assert [view.camera for view in found] == ["street c01", "street c02", "street c01"]


def test_ranges_are_of_one_sequence_and_other_sequences_share_nobody(tmp_path: Path):
    found = views(tmp_path, {"street": FILES | {"ranges": CUT}}, {"street": ["other", "whole-dusk", "whole-early"]})
    assert groups(found) == [["other"], ["whole-early", "whole-dusk"]]


def test_ranges_are_of_one_camera_in_which_times_are_told_apart(tmp_path: Path):
    found = views(tmp_path, {"street": FILES | {"ranges": CUT}}, {"street": ["whole-dusk", "whole-early"]})
    crops = [Crop(view, 1, (view.group, 0, 7), view.camera, (0, 0, 1, 1)) for view in found]
    assert [view.sequence for view in found] == ["whole-early", "whole-dusk"]  # first and second half, as in the video
    assert [crop.camera for crop in crops] == ["street whole"] * 2
    assert [crop.camera for crop in give_cameras(crops)] == [f"street {FIRST_HALF}", f"street {SECOND_HALF}"]
