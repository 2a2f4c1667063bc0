"""`python -m stages.draw_videos CHECKPOINT` over a small tree of sources and tracks."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import yaml
from filmed_project import LENGTH, TRACKS, change, lay_out_films, walkers, write_sequence, write_tracks

from stages import score
from stages.draw_videos import main
from stages.errors import InputError
from stages.params.labels import WORLD_LABELS
from stages.sequences.archive import Sequence
from stages.sequences.index import write_index

FOLDER = Path("plots/videos/stage1")


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """See `lay_out_films`."""
    monkeypatch.chdir(tmp_path)
    lay_out_films()
    return tmp_path


def rows(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(newline="") as file:
        return list(csv.DictReader(file))


def outputs() -> dict[str, bytes]:
    return {str(path.relative_to(FOLDER)): path.read_bytes() for path in sorted(FOLDER.rglob("*.*"))}


def test_videos_and_moments(project):
    main("stage1")
    assert set(outputs()) == {
        "videos.csv", "street.mp4", "street.diagnosis.mp4", "air.mp4", "air.diagnosis.mp4",
        "street.jpg", "street.diagnosis.jpg", "air.jpg", "air.diagnosis.jpg",
        "worst.csv", "worst.mp4", "worst/01.jpg", "worst/02.jpg",
    }  # fmt: skip
    videos = rows("videos.csv")
    assert list(videos[0]) == ["source", "sequence", "view", "file", "poster", "frames", "fps", "seconds"]
    assert [list(row.values()) for row in videos] == [
        ["street", "s1", "tracks", "street.mp4", "street.jpg", "20", "10", "2"],
        ["street", "s1", "diagnosis", "street.diagnosis.mp4", "street.diagnosis.jpg", "20", "10", "2"],
        ["air", "a1", "tracks", "air.mp4", "air.jpg", "30", "20", "1.5"],
        ["air", "a1", "diagnosis", "air.diagnosis.mp4", "air.diagnosis.jpg", "30", "20", "1.5"],
    ]
    for row in videos:
        with av.open(str(FOLDER / row["file"])) as container:
            stream = container.streams.video[0]
            assert (stream.codec_context.name, stream.frames) == ("h264", int(row["frames"]))
            shown = list(container.decode(stream))[stream.frames // 2].to_ndarray(
                format="bgr24", src_colorspace="ITU709"
            )
        poster = cv2.imread(str(FOLDER / row["poster"]))
        small = cv2.resize(shown, poster.shape[1::-1], interpolation=cv2.INTER_AREA)
        assert poster.shape[1] == 320 and np.abs(poster.astype(int) - small).mean() < 4  # what JPEG leaves out
    worst = rows("worst.csv")
    assert [list(row.values()) for row in worst] == [
        ["1", "air", "a1", "1", "30", "0", "40", "0", "0", "worst/01.jpg"],
        ["2", "street", "s2", "1", "20", "1.5", "0", "0", "1", "worst/02.jpg"],
    ]
    assert cv2.imread(str(FOLDER / "worst/01.jpg")).shape == (192, 320, 3)


def test_the_mistakes_are_those_of_the_scores(project):
    """All of them lie in these moments."""
    main("stage1")
    score.main("stage1", "bytetrack")
    with Path("plots/scores/stage1/bytetrack/mistakes.csv").open(newline="") as file:
        kinds = [row["kind"] for row in csv.DictReader(file)]
    worst = rows("worst.csv")
    for column, kind in (("misses", "miss"), ("false_alarms", "false alarm"), ("switches", "switch")):
        assert sum(int(row[column]) for row in worst) == kinds.count(kind)


def test_the_same_bytes_with_any_number_of_cores(project, monkeypatch):
    found = []
    for cores in (1, 3):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, cores=cores: set(range(cores)))
        main("stage1")
        found.append(outputs())
    assert found[0] == found[1]


def test_further_sequences_are_named(project):
    change(videos={"sequences": 2, "seconds": 0.5, "moments": 0})
    main("stage1")
    files = [row["file"] for row in rows("videos.csv")]
    assert files[:4] == ["street.mp4", "street.diagnosis.mp4", "street.s2.mp4", "street.s2.diagnosis.mp4"]
    assert {row["frames"] for row in rows("videos.csv")} == {"5", "10"}
    assert (FOLDER / "worst.csv").read_text().startswith("rank,source,sequence,first,last,start,")
    assert set(outputs()) == {*files, *(row["poster"] for row in rows("videos.csv")), "videos.csv", "worst.csv"}


def test_odd_names(project):
    """Of a sequence called as a view is, and of others that no address takes."""
    odd = ["diagnosis", 'a "quoted" one', "it's 通り"]
    index = [write_sequence("street", name, walkers()) for name in ("0", *odd)]
    for name in ("0", *odd):
        write_tracks("street", name, walkers())
    write_index(Path("data/sources/street"), index, WORLD_LABELS)
    change(videos={"sequences": 9, "seconds": 0.2, "moments": 1})
    main("stage1")
    street = [(row["sequence"], row["file"]) for row in rows("videos.csv") if row["source"] == "street"]
    assert len({file for _, file in street}) == len(street) == 8
    assert {name for name, _ in street} == {"0", *odd}
    assert all((FOLDER / file).exists() and file.isascii() and " " not in file for _, file in street)


def test_a_sequence_without_ground_truth_has_its_tracks_shown(project):
    write_sequence("air", "a1", np.zeros((0, 9)), fps=20)
    main("stage1")
    assert [row["view"] for row in rows("videos.csv")] == ["tracks", "diagnosis", "tracks"]
    assert [row["source"] for row in rows("worst.csv")] == ["street"]


@pytest.mark.parametrize("empty", ["no test sequence", "no tracker"])
def test_nothing_to_film(project, empty):
    if empty == "no tracker":
        change(trackers={})
    else:
        for path in Path("data/sources").glob("*/index.csv"):
            path.write_text(path.read_text().replace(",test,", ",val,"))
    main("stage1")
    assert rows("videos.csv") == rows("worst.csv") == []
    assert set(outputs()) == {"videos.csv", "worst.csv"}


def test_no_tracks_and_one_class(project):
    document = yaml.safe_load(Path("params.yaml").read_text())
    sources = {
        name: block | {"classes": {"person": "person", "car": "drop", "hidden": "drop"}}
        for name, block in document["sources"].items()
    }
    change(classes=["person"], sources=sources)
    for path in TRACKS.glob("*/*.txt"):
        path.write_text("")
    main("stage1")
    assert len(rows("videos.csv")) == 4
    assert [row["misses"] for row in rows("worst.csv")] == ["40", "40", "60"]  # of 4, 4 and 3 box-seconds


def test_frames_are_decoded_once_for_both_views(project, monkeypatch):
    change(videos={"sequences": 1, "seconds": 60.0, "moments": 0})
    asked, frame = [], Sequence.frame
    monkeypatch.setattr(Sequence, "frame", lambda self, n: asked.append((self.path.stem, n)) or frame(self, n))
    main("stage1")
    assert sorted(asked) == sorted((name, n) for name in ("s1", "a1") for n in range(1, LENGTH + 1))


def break_tracks():
    (TRACKS / "air/a1.txt").write_text("1,2\n")
    return r"data/tracks/stage1/bytetrack/air/a1\.txt:1: 2 columns, not 9"


def lose_tracks():
    (TRACKS / "street/s2.txt").unlink()
    return r"data/tracks/stage1/bytetrack/street/s2\.txt: no such tracks"


def lose_an_archive():
    Path("data/sources/street/s1.zip").unlink()
    return r"data/sources/street/s1\.zip: no such sequence archive"


def cut_an_archive():
    path = Path("data/sources/street/s1.zip")
    archive = Sequence(path)
    start = archive._zip.getinfo("img1/000009.png").header_offset + 60
    archive.close()
    content = bytearray(path.read_bytes())
    content[start : start + 400] = bytes(400)
    path.write_bytes(content)
    return r"data/sources/street/s1\.zip: img1/000009\.png: unreadable image"


def lose_an_index():
    Path("data/sources/air/index.csv").unlink()
    return r"data/sources/air/index\.csv: no such index"


@pytest.mark.parametrize("harm", [break_tracks, lose_tracks, lose_an_archive, cut_an_archive, lose_an_index])
def test_bad_input_is_one_error_and_leaves_the_old_videos(project, harm):
    change(videos={"sequences": 1, "seconds": 1.0, "moments": 1})
    main("stage1")
    before = outputs()
    with pytest.raises(InputError, match=f"^{harm()}"):
        main("stage1")
    assert outputs() == before
    assert [path.name for path in Path("plots/videos").iterdir()] == ["stage1"]


def test_an_unknown_checkpoint(project):
    with pytest.raises(InputError, match=r"^stage9: no such checkpoint: params\.yaml has pretrained, stage1"):
        main("stage9")
    assert not Path("plots/videos").exists()
