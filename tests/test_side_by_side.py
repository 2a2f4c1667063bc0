"""`python -m stages.side_by_side A B`: two runs over the same frames, or one line that says why not."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from filmed_project import LENGTH, lay_out_films, walkers, write_sequence

from stages.errors import InputError
from stages.sequences.annotations import format_gt
from stages.side_by_side import main


@pytest.fixture
def runs(tmp_path, monkeypatch) -> Path:
    """A second tracker, `ocsort`, that finds nothing."""
    monkeypatch.chdir(tmp_path)
    lay_out_films()
    for source, name in (("street", "s1"), ("street", "s2"), ("air", "a1")):
        path = Path("data/tracks/stage1/ocsort", source, f"{name}.txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    return tmp_path


def filmed(path: str) -> list[np.ndarray]:
    with av.open(path) as container:
        return [frame.to_ndarray(format="bgr24").astype(int) for frame in container.decode(video=0)]


def test_tracks_of_the_first_test_sequence(runs, capsys):
    main("stage1/bytetrack", "stage1/ocsort")
    path = "tracked/stage1-bytetrack-and-stage1-ocsort.street.s1.mp4"
    assert capsys.readouterr().out == f"{path}: 30 frames of street/s1, stage1/bytetrack and stage1/ocsort\n"
    images = filmed(path)
    assert len(images) == LENGTH
    assert images[0].shape == (384, 640 + 4 + 640, 3)
    left, right = images[5][40:340, :640], images[5][40:340, 644:]
    assert (np.abs(left - right).max(axis=2) > 60).sum() > 500  # boxes on one side alone
    again = Path(path).read_bytes()
    main("stage1/bytetrack", "stage1/ocsort")
    assert Path(path).read_bytes() == again


def test_diagnosis_of_the_sequence_that_is_named(runs, capsys):
    main("stage1/bytetrack", "stage1/ocsort", source="air", sequence="a1", view="diagnosis", out="new/one.mp4")
    assert capsys.readouterr().out.startswith("new/one.mp4: 30 frames of air/a1, ")
    images = filmed("new/one.mp4")
    (left, right), (left_later, right_later) = (
        np.split(images[n][40:340, np.r_[:640, 644:1284]], 2, axis=1) for n in (0, 25)
    )
    differs = np.abs(left - right).max(axis=2) > 60
    blue = (right[..., 0] - right[..., 2] > 120) & differs
    assert blue.sum() > 300  # missed on the right alone
    assert (np.abs(left_later - right_later).max(axis=2) > 60).sum() < 50  # on both


def test_post_processed_tracks(runs, capsys):
    path = Path("data/tracks/stage1/ocsort/street.post/s1.txt")
    path.parent.mkdir()
    path.write_text(format_gt(walkers()))
    main("stage1/ocsort", "stage1/ocsort.post", out="a.mp4")
    main("stage1/ocsort.post", "stage1/bytetrack", out="b.mp4")
    one, same = filmed("a.mp4")[5][40:340], filmed("b.mp4")[5][40:340]
    assert (np.abs(one[:, :640] - one[:, 644:]).max(axis=2) > 60).sum() > 500
    assert (np.abs(same[:, :640] - same[:, 644:]).max(axis=2) > 60).sum() < 50


A, B = "stage1/bytetrack", "stage1/ocsort"


@pytest.mark.parametrize(
    ("names", "options", "line"),
    [
        (("stage9/bytetrack", B), {}, "stage9/bytetrack: no tracks of stage9 in data/tracks/: give one of stage1"),
        (
            (A, "stage1/sort"),
            {},
            "stage1/sort: no tracks of sort in data/tracks/stage1/: give one of bytetrack, ocsort",
        ),
        ((A, "stage1"), {}, "stage1: not a run: give CHECKPOINT/TRACKER"),
        ((A, "stage1/ocsort/street"), {}, "stage1/ocsort/street: not a run: "),
        ((A, "../tracks"), {}, "../tracks: no tracks of .. in "),
        ((A, "stage1/.."), {}, "stage1/..: no tracks of .. in "),
        ((A, B), {"source": "sea"}, "sea: no such source: params.yaml has street, air"),
        ((A, B), {"sequence": "s9"}, "--sequence s9: no such test sequence: there are street/s1, street/s2, air/a1"),
        (
            (A, B),
            {"source": "air", "sequence": "s1"},
            "--source air --sequence s1: no such test sequence: there are air/a1",
        ),
        ((A, B), {"view": "boxes"}, "--view boxes: no such view: give one of tracks, diagnosis"),
        ((A, B), {"out": "data"}, "--out data: a folder: "),
        ((A, B), {"out": "params.yaml"}, "--out params.yaml: not the name of an MP4 file: "),
        ((A, B), {"out": "params.yaml/one.mp4"}, "--out params.yaml/one.mp4: no folder to write to (file exists): "),
        ((A, B + ".post"), {}, "data/tracks/stage1/ocsort/street.post/s1.txt: no such tracks: "),
        ((A, B), {"source": "air", "view": "diagnosis"}, "air/a1: not scored: it has no ground truth: "),
    ],
)
def test_what_cannot_be_filmed(runs, names, options, line):
    if "not scored" in line:
        write_sequence("air", "a1", np.zeros((0, 9)), fps=20)
    with pytest.raises(InputError) as caught:
        main(*names, **options)
    assert str(caught.value).startswith(line)
    assert not list(Path().rglob("*.mp4"))


def test_no_tracks_at_all(runs):
    Path("data/tracks").rename("elsewhere")
    with pytest.raises(InputError, match=r"^stage1/bytetrack: no tracks of stage1 in data/tracks/: run `dvc repro`"):
        main(A, B)
