"""`python -m stages.track`: what it writes, from which boxes and features, and bad input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from stored_project import LENGTH, TABLE, content, run, write_params, write_project

from stages import track as stage
from stages.errors import InputError
from stages.params import load_params
from stages.sequences.detections import write_detections
from stages.sequences.features import embeddings_path, warps_path, write_embeddings, write_warps
from stages.track import write_tracks
from stages.tracking.stored import Tracking
from tests.params_read import declared, read

STREET = Path("data/detections/stage1/street/one.parquet")
REID = {"looks": {"path": "model.onnx", "sha256": "0" * 64}}


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """The default params, one test sequence a source, and one object in each."""
    monkeypatch.chdir(tmp_path)
    write_project()
    return tmp_path


def track(tracker: str, folder: str = "out") -> dict[str, bytes]:
    write_tracks(load_params(), "stage1", tracker, Path(folder))
    return content(folder)


def test_writes_tracks_and_options(project):
    done = run("track", "stage1", "bytetrack")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    folder = project / "data/tracks/stage1/bytetrack"
    assert sorted(content(folder)) == ["air/one.txt", "street/one.txt", "tracker.json"]
    lines = (folder / "street/one.txt").read_text().splitlines()
    assert lines[0] == "1,1,41.00,50.00,20.00,40.00,0.9000,2,-1"
    assert [line.split(",")[0] for line in lines] == [str(frame) for frame in range(1, 13)]
    said = json.loads((folder / "tracker.json").read_text())
    assert {fps: values["track_buffer"] for fps, values in said["options_by_fps"].items()} == {"10": 20, "20": 40}


def test_a_second_run_gives_the_same_bytes(project):
    assert track("ocsort", "first") == track("ocsort", "second")


def test_post_processed_tracks_stand_beside_the_raw_ones(project):
    write_params(trackers={"filled": {"type": "bytetrack", "postprocess": {"max_gap": 1.0}}})
    seen = TABLE[~np.isin(TABLE[:, 0], (6, 7))]
    write_detections(STREET, seen)
    files = track("filled")
    assert sorted(files) == ["air.post/one.txt", "air/one.txt", "street.post/one.txt", "street/one.txt", "tracker.json"]
    frames = {name: [int(line.split(b",")[0]) for line in files[name].splitlines()] for name in files if "txt" in name}
    assert frames["street/one.txt"] == [1, 2, 3, 4, 5, 8, 9, 10, 11, 12]
    assert frames["street.post/one.txt"] == list(range(1, 13))


def test_no_detections_no_tracks(project):
    write_detections(STREET, np.empty((0, 7)))
    assert track("bytetrack")["street/one.txt"] == b""


def test_ground_truth_boxes(project):
    write_params(evaluation={"boxes": "ground_truth"})
    STREET.unlink()
    given = Tracking(load_params(), "stage1", "bytetrack").read("street", "one")
    assert given.detections.tolist() == [[1, 0, 0, 10, 10, 1, 0]]
    assert track("bytetrack")["street/one.txt"] == b"1,1,0.00,0.00,10.00,10.00,1.0000,1,-1\n"


def test_a_box_without_a_look_is_stored_and_tracked(project):
    write_params(reid=REID, trackers={"looking": {"type": "strongsort", "reid": "looks"}})
    looks, still = np.eye(LENGTH, 16), np.tile(np.eye(2, 3), (LENGTH, 1, 1))
    looks[3:5] = 0
    camera = load_params().trackers["looking"].camera_motion
    for source in ("street", "air"):
        write_embeddings(embeddings_path("stage1", "looks", source, "one"), TABLE[:, 0], looks)
        write_warps(warps_path("stage1", camera, source, "one"), still)
    frames = [int(line.split(b",")[0]) for line in track("looking")["air/one.txt"].splitlines()]
    assert {4, 5} <= set(frames)


def test_the_tracker_is_given_what_it_uses(project):
    write_params(reid=REID, trackers={"looking": {"type": "botsort", "reid": "looks", "cmc_method": "ecc"}})
    looks = np.eye(LENGTH, 16)
    warps = np.tile([[1.0, 0, 3], [0, 1, -2]], (LENGTH, 1, 1))
    for source in ("street", "air"):
        write_embeddings(embeddings_path("stage1", "looks", source, "one"), TABLE[:, 0], looks)
        write_warps(warps_path("stage1", "ecc", source, "one"), warps)
    given = Tracking(load_params(), "stage1", "looking").read("air", "one")
    assert (given.fps, given.width, given.height, given.length) == (20, 320, 192, LENGTH)
    assert np.array_equal(given.detections, TABLE.astype(np.float32))
    assert np.array_equal(given.embeddings, looks)
    assert np.array_equal(given.warps, warps)
    assert len(track("looking")["air/one.txt"].splitlines()) >= LENGTH - 2


def test_missing_features_are_named(project):
    write_params(reid=REID, trackers={"looking": {"type": "botsort", "reid": "looks"}})
    missing = r"data/features/stage1/looks/street/one\.parquet: no such embeddings: run `dvc repro features@stage1`"
    with pytest.raises(InputError, match=missing):
        track("looking")


def test_missing_detections_leave_nothing_behind(project):
    (project / "data/detections/stage1/air/one.parquet").unlink()
    done = run("track", "stage1", "bytetrack")
    assert done.returncode == 1
    assert done.stderr == (
        "error: data/detections/stage1/air/one.parquet: no such detections: run `dvc repro detect@stage1`\n"
    )
    assert list((project / "data/tracks/stage1").iterdir()) == []


@pytest.mark.parametrize(
    "arguments,said",
    [
        (("stage1",), "error: stage1: usage: python -m stages.track CHECKPOINT TRACKER\n"),
        (
            ("stage1", "sort"),
            "error: sort: no such tracker: params.yaml has bytetrack, ocsort: did you mean `ocsort`?\n",
        ),
        (
            ("stage9", "bytetrack"),
            "error: stage9: no such checkpoint: params.yaml has stage1, stage2: did you mean `stage2`?\n",
        ),
    ],
)
def test_wrong_arguments(project, arguments, said):
    done = run("track", *arguments)
    assert (done.returncode, done.stderr) == (1, said)


def test_corrupt_detections(project):
    STREET.write_bytes(STREET.read_bytes()[:100])
    with pytest.raises(InputError, match=r"one\.parquet: not a table of detections"):
        track("bytetrack")


def test_detections_for_a_frame_that_does_not_exist(project):
    write_detections(STREET, TABLE + np.eye(1, 7))
    with pytest.raises(InputError, match=r"street/one\.parquet: frame 13 lies outside 1 to 12"):
        track("bytetrack")


def test_dvc_knows_the_params_that_are_read(project):
    assert read(stage, lambda: stage.main("stage1", "bytetrack")) == declared("track")
