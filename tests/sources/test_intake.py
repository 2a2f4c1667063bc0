from __future__ import annotations

import errno
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from stages.errors import InputError
from stages.params import load_params
from stages.sequences.archive import Sequence
from stages.sequences.index import read_index
from stages.sources import intake
from tests.footage import Project, write_sequence


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    write_sequence(tmp_path / "in/walk", frames=20)
    return Project(tmp_path)


def build(project: Project, **source: object) -> None:
    project.write_params(footage={"path": "in", **source})
    intake.build_source("footage", load_params())


def ranges(**pieces: list[int]) -> dict:
    return {"walk": {name: {"frames": frames, "split": "test"} for name, frames in pieces.items()}}


def test_ranges_are_in_the_sequences_own_frames_then_thinned_and_cut_short(project: Project):
    build(project, ranges=ranges(a=[1, 4], b=[8, 20]), take={"stride": 3, "frames": 4})
    assert project.index()[1:] == ["walk-a,test,2,3.33333,64,48,4,2", "walk-b,test,4,3.33333,64,48,8,2"]
    piece = Sequence("data/sources/footage/walk-b.zip")
    assert (piece.info.name, piece.info.length, piece.info.fps) == ("walk-b", 4, 3.33333)
    walker = piece.gt()[piece.gt()[:, 1] == 1]
    assert walker[:, 0].tolist() == [1, 2, 3, 4]
    assert walker[:, 2].tolist() == [5 + frame for frame in (8, 11, 14, 17)]
    originals = [Path(f"in/walk/img1/{frame:06d}.jpg").read_bytes() for frame in (8, 11, 14, 17)]
    assert [piece.encoded(frame) for frame in (1, 2, 3, 4)] == originals


def test_growing_take_changes_no_frame(project: Project):
    build(project, take={"frames": 5})
    few = Sequence("data/sources/footage/walk.zip")
    build(project)
    assert [few.encoded(n) for n in range(1, 6)] == [
        Sequence("data/sources/footage/walk.zip").encoded(n) for n in range(1, 6)
    ]


def test_boxes_and_ids_are_those_of_targets(project: Project):
    gt = Path("in/walk/gt/gt.txt")
    gt.write_text(gt.read_text() + "3,7,20,20,5,5,0,1,1\n3,8,20,20,5,5,1,1,1\n3,9,20,20,5,5,1,8,1\n")
    gt.write_text(gt.read_text() + "4,9,20,20,5,5,1,9,1\n")
    build(project, classes={"pedestrian": "person", "car": "car", "distractor": "distractor", "occluder": "drop"})
    assert project.index()[1:] == ["walk,test,20,10.0,64,48,41,3"]


def test_sequences_that_are_not_taken_may_be_broken(project: Project):
    write_sequence(project.folder / "in/wreck")
    (project.folder / "in/wreck/gt/gt.txt").write_text("")
    build(project, take={"sequences": ["walk"]})
    assert len(project.index()) == 2


def _hide(project: Project) -> None:
    """Add a sequence to the folder `test` whose ground truth its makers keep."""
    shutil.rmtree(write_sequence(project.folder / "in/test/secret", frames=4, first=101) / "gt")


def test_a_test_sequence_may_come_without_ground_truth(project: Project):
    _hide(project)
    build(project, splits={"train": ["walk"], "test": ["secret"]})
    assert project.index()[1:] == ["secret,test,4,10.0,64,48,0,0", "walk,train,20,10.0,64,48,40,2"]
    assert Sequence("data/sources/footage/secret.zip").gt().shape == (0, 9)


def test_what_has_no_ground_truth_trains_nothing(project: Project):
    _hide(project)
    with pytest.raises(InputError, match=r"secret/gt/gt\.txt: no ground truth, and secret is in the split `val`"):
        build(project, splits={"train": ["walk"], "val": ["secret"]})


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"ranges": ranges(a=[1, 21])}, "sources.footage.ranges.walk.a.frames: ends at frame 21, walk has 20: end it"),
        ({"ranges": ranges(a=[9, 9])}, "in/walk/gt/gt.txt: no boxes in frames 9 to 9 of walk: take more frames"),
        ({"splits": {"train": ["walk"], "test": ["copy"]}}, "`copy` (test) and `walk` (train) hold the same frames"),
    ],
)
def test_what_cannot_be_cut(project: Project, source: dict, words: str):
    gt = Path("in/walk/gt/gt.txt")
    gt.write_text("".join(line for line in gt.read_text().splitlines(keepends=True) if not line.startswith("9,")))
    if "splits" in source:
        write_sequence(project.folder / "in/copy", frames=20)
    with pytest.raises(InputError) as caught:
        build(project, **source)
    assert words in str(caught.value)
    assert list(Path("data/sources").iterdir()) == []


def test_full_disk_leaves_what_was_there(project: Project, monkeypatch: pytest.MonkeyPatch):
    build(project)
    before = Path("data/sources/footage/index.csv").read_bytes()

    def full(path: Path, *_: object) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(intake, "write_archive", full)
    with pytest.raises(InputError, match=r"^data/sources/footage: no space left on device: free some space"):
        build(project, take={"frames": 3})
    assert Path("data/sources/footage/index.csv").read_bytes() == before
    assert [path.name for path in Path("data/sources").iterdir()] == ["footage"]


def test_errors_come_back_from_worker_processes():
    error = pickle.loads(pickle.dumps(InputError("gt.txt:3", "no box", "add one")))
    assert (str(error), error.remedy) == ("gt.txt:3: no box: add one", "add one")


def test_world_is_rendered_into_archives(project: Project):
    from stages.world import world_sequences

    source = {
        "format": "world",
        "view": "street",
        "sequences": {"train": 1, "test": 1},
        "frames": 3,
        "width": 96,
        "height": 64,
        "classes": {"person": "person", "car": "car", "hidden": "distractor"},
    }
    project.write_params(footage={"path": "in"}, town=source)
    params = load_params()
    intake.build_source("town", params)
    index = read_index("town")
    items = sorted(world_sequences(params.sources["town"]), key=lambda item: item.name)
    assert list(index["sequence"]) == [item.name for item in items]
    assert list(index["split"]) == [item.split for item in items]
    for item in items:
        frames, gt = item.render()
        archive = Sequence(f"data/sources/town/{item.name}.zip")
        assert archive.info == item.info
        assert [archive.encoded(n) for n in range(1, 4)] == frames
        assert np.allclose(archive.gt(), gt, atol=1e-6)
        targets = gt[np.isin(gt[:, 7], (1, 2)) & (gt[:, 6] > 0)]
        row = index.set_index("sequence").loc[item.name]
        assert (row["boxes"], row["ids"]) == (len(targets), len(set(targets[:, 1])))
