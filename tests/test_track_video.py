"""`python -m stages.track_video`: a video in, a video and MOT text out, or one line that says why not."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import weakref
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from stages import track_video
from stages.detectors.card import Card
from stages.errors import InputError
from stages.params.trackers import ByteTrack
from stages.sequences.annotations import corners
from stages.sequences.tracks import format_tracks, read_tracks
from stages.tracking.inputs import TrackingInput
from stages.tracking.sequence import track_sequence
from stages.video.file import VideoFile
from tests.conftest import ROOT
from tests.films import SIZE, Rectangles, boxes, picture, spoil, write_film
from tests.stub_detector import ARCHITECTURE


@pytest.fixture
def project(tmp_path, monkeypatch) -> Rectangles:
    """A folder with a checkpoint `models/stub`, whose detector finds rectangles by their colour."""
    monkeypatch.chdir(tmp_path)
    card = Card(ARCHITECTURE, image_size=160)
    (tmp_path / "models/stub").mkdir(parents=True)
    (tmp_path / "models/stub/card.json").write_text(json.dumps(asdict(card)))
    detector = Rectangles()
    monkeypatch.setattr("stages.detectors.checkpoint.load_detector", lambda folder, device: (detector, card))
    return detector


def run(video: Path | str, tracker: str = "bytetrack", **options: str) -> None:
    track_video.main(str(video), checkpoint="models/stub", tracker=tracker, **options)


def names(folder: str = "tracked") -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir()) if Path(folder).exists() else []


def shown(path: str) -> tuple[list[np.ndarray], av.VideoStream]:
    with av.open(path) as container:
        stream = container.streams.video[0]
        return [frame.to_ndarray(format="bgr24") for frame in container.decode(stream)], stream


def test_video_and_text(project, capsys):
    run(write_film(Path("walk.mkv"), sound=True))
    assert names() == ["walk.mp4", "walk.txt"]
    tracks = read_tracks("tracked/walk.txt", length=20, classes=2)
    assert np.array_equal(np.unique(np.stack([tracks.ids, tracks.classes]), axis=1), [[1, 2], [0, 1]])
    for number in range(1, 20):
        found = corners(tracks.boxes)[tracks.frames == number + 1]
        assert np.abs(found - boxes(number)).max() < 4  # pixels: lossy edges, and ByteTrack's filter
    images, stream = shown("tracked/walk.mp4")
    assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
    assert (float(stream.average_rate), len(images), images[0].shape) == (10, 20, (192, 320, 3))  # at twice its size
    output = capsys.readouterr()
    assert output.out.startswith("tracked/walk.mp4: 20 frames, 2 tracks; detecting ")
    assert output.err == ""


def test_frames_are_shown_when_they_were(project):
    """A phone's video: turned, of an odd size, and unevenly timed."""
    times = [40 * number + (500 if number > 9 else 0) for number in range(20)]
    run(write_film(Path("phone.mkv"), "ffv1", pixels="bgr0", size=(161, 97), times=times, turned=(90, False, False)))
    with av.open("tracked/phone.mp4") as container:
        frames = list(container.decode(video=0))
    assert [frame.time for frame in frames] == pytest.approx([time / 1000 for time in times], abs=1e-3)
    assert (frames[0].width, frames[0].height) == (194, 322)
    tracks = read_tracks("tracked/phone.txt", length=20, classes=2)
    first = tracks.boxes[(tracks.frames == 1) & (tracks.ids == 1)]
    assert first == pytest.approx(np.array([[16, 161 - 40, 48, 24]]), abs=0.6)  # a turn against the clock


def test_equals_what_the_pipeline_tracks(project):
    Path("walk").mkdir()
    for number in range(20):
        cv2.imwrite(f"walk/{number:03d}.png", picture(number))
    run("walk", fps="10")
    rows = [[number + 1, *box, 0.9, label] for number in range(20) for label, box in enumerate(boxes(number))]
    given = TrackingInput(10.0, *SIZE, 20, np.array(rows, np.float32).astype(float))
    expected = format_tracks(track_sequence(given, ByteTrack(type="bytetrack"), 2))
    assert Path("tracked/walk.txt").read_text() == expected


def test_appearance_and_camera_motion_come_from_the_frames(project, monkeypatch, tmp_path):
    """StrongSORT wants both: embeddings of each frame's boxes, and the camera's motion."""
    embedded = []

    def embed(frame: np.ndarray, found: np.ndarray) -> np.ndarray:
        embedded.append((frame.shape, found.round().astype(int).tolist()))
        return np.eye(4, dtype=np.float32)[: len(found)]

    write_params(tmp_path, "strong: {type: strongsort, reid: looks, postprocess: {smoothing: 0.3}}")
    loaded = []
    monkeypatch.setattr("stages.appearance.embedding.load_embedder", lambda *given: loaded.append(given) or embed)
    run(write_film(Path("walk.mkv"), "ffv1", pixels="bgr0"), "strong", out="out")
    assert loaded == [(Path("models/reid/looks"), "cpu")]
    assert [shape for shape, _ in embedded] == [(96, 160, 3)] * 20
    assert embedded[3][1] == boxes(3)[1:].tolist()
    tracks = read_tracks("out/walk.txt", length=20, classes=1)
    assert np.unique(tracks.ids).tolist() == [1]


def write_params(folder: Path, tracker: str, classes: str = "[car]", people: str = "drop") -> None:
    """A params.yaml with a tracker; its pipeline tracks cars alone unless ``people`` are a class of their own."""
    (folder / "params.yaml").write_text(
        f"""seed: 0
classes: {classes}
sources: {{street: {{format: world, view: street, classes: {{car: car, person: {people}, hidden: drop}},
  sequences: {{train: 2, test: 1}}, frames: 4}}}}
detector: {{family: yolo, model: yolov8-pico}}
weights: {{path: scratch}}
curriculum: {{stage1: {{after: pretrained}}}}
stage1:
  mixture: {{sources: {{street: {{frames: 4}}}}}}
  epochs: 1
  lr: 0.001
  memory: {{batch: 2, image_size: 64}}
evaluation: {{checkpoints: [stage1], detection: {{}}}}
reid: {{looks: {{sources: [street]}}}}
trackers:
  {tracker}
"""
    )


def test_params_choose_classes_and_options(project, tmp_path):
    write_params(tmp_path, "mine: {type: ocsort, min_hits: 1}", "[car, person]", "person")
    run(write_film(Path("walk.mp4")), "mine")
    tracks = read_tracks("tracked/walk.txt", length=20, classes=2)
    cars = tracks.classes == 0  # by its number in params.yaml; the checkpoint's is 1
    assert np.abs(corners(tracks.boxes)[cars] - boxes(0)[1]).max() < 2
    assert tracks.frames[cars].tolist() == list(range(1, 21))


def test_nothing_in_sight(project):
    Path("grey").mkdir()
    for number in range(3):
        cv2.imwrite(f"grey/{number}.png", np.full((96, 160, 3), 128, np.uint8))
    run("grey", fps="5")
    assert Path("tracked/grey.txt").read_text() == ""
    assert len(shown("tracked/grey.mp4")[0]) == 3


def test_damage_is_said_and_the_rest_tracked(project, capsys):
    path = write_film(Path("walk.mp4"), frames=60, codec_options={"g": "10"})
    run(spoil(path, (0.3, 0.45), 60))
    assert "left out" in capsys.readouterr().err
    assert 20 <= len(shown("tracked/walk.mp4")[0]) < 60


def test_no_more_than_a_batch_of_frames_is_held(project, monkeypatch):
    """The eight that the detector saw last, the eight that are read next, and one on the way."""
    alive: list[weakref.ref] = []
    most = 0
    read = VideoFile._read

    def counted(self: VideoFile) -> Iterator:
        nonlocal most
        for frame in read(self):
            alive.append(weakref.ref(frame.image))
            alive[:] = [each for each in alive if each() is not None]
            most = max(most, len(alive))
            yield frame
            del frame

    monkeypatch.setattr(VideoFile, "_read", counted)
    gc.collect()
    run(write_film(Path("walk.mkv"), frames=60))
    assert most <= 8 + 8 + 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_leaves_nothing(project, monkeypatch, number):
    Path("tracked").mkdir()
    Path("tracked/walk.mp4").write_text("of before")
    before = signal.getsignal(signal.SIGTERM)
    calls = []
    monkeypatch.setattr(
        "stages.drawing.video.Writer.write",
        lambda *_: calls.append(1) or (len(calls) == 5 and os.kill(os.getpid(), number)),
    )
    with pytest.raises(InputError, match=r"walk\.mkv: stopped, nothing was written: run it again"):
        run(write_film(Path("walk.mkv")))
    assert names() == ["walk.mp4"]
    assert Path("tracked/walk.mp4").read_text() == "of before"
    with pytest.raises(InputError, match="stopped"):
        calls.clear()
        run(Path("walk.mkv"), out="new")
    assert not Path("new").exists()
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize(
    "video,options,what",
    [
        ("none.mp4", {}, "none.mp4: no such file"),
        ("walk.mp4", {"tracker": "bytetrak"}, "--tracker bytetrak: no such tracker: did you mean `bytetrack`"),
        ("walk.mp4", {"tracker": "xyz"}, "--tracker xyz: no such tracker: there are boosttrack, botsort, bytetrack"),
        (
            "walk.mp4",
            {"tracker": "strongsort"},
            "--tracker strongsort: tracks by appearance, and no model is named: describe",
        ),
        ("walk.mp4", {"checkpoint": "models/none"}, "models/none/card.json: no such checkpoint"),
        ("walk.mp4", {"out": "walk.mp4"}, r"walk.mp4: no folder to write to .*: give another one with --out"),
        ("walk.mp4", {"out": "walk.mp4/in"}, "walk.mp4/in: no folder to write to"),
        ("walk.mp4", {"out": "models/.."}, "models/..: the video's own folder"),
        ("models", {}, "models: no images in it"),
        ("walk.mp4", {"fps": "x"}, "--fps x: not a frame rate"),
    ],
)
def test_what_cannot_be_done_is_said_before_the_work(project, video, options, what):
    write_film(Path("walk.mp4"))
    with pytest.raises(InputError, match=what):
        track_video.main(video, **{"checkpoint": "models/stub", "tracker": "bytetrack"} | options)
    assert project.script.validated == []
    assert names() == []


def test_no_frame_at_all(project):
    path = spoil(write_film(Path("walk.avi"), "mjpeg", pixels="yuvj420p", frames=1), (0.6, 0.61), 1)
    content = path.read_bytes()
    start = content.index(b"\xff\xd8\xff")
    path.write_bytes(content[:start] + bytes(len(content) - start))
    with pytest.raises(InputError, match=r"walk\.avi: no frame can be decoded"):
        run(path)
    assert names() == []


def test_the_command_fails_in_one_line_and_at_once(tmp_path):
    """Before the libraries are loaded that the work takes."""
    words = ["walk.mp4", "--checkpoint", "models/none", "--tracker=bytetrack"]
    command = [sys.executable, "-X", "importtime", "-m", "stages.track_video", *words]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    said = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
    assert said == ["error: walk.mp4: no such file: give a video or a folder of images"]
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "numpy" in loaded and not loaded & {"torch", "cv2", "av", "boxmot", "matplotlib"}


def test_people_in_real_footage(real_data: Path, tmp_path: Path, monkeypatch):
    """The first frames of PETS 2009 with COCO's YOLOv8n: nearly all annotated people are tracked, each once."""
    from stages.detectors.checkpoint import save_checkpoint
    from stages.detectors.pretrained import read_pretrained

    tensors, card = read_pretrained(real_data / "weights/yolov8n.pt", "yolo", "yolov8n")
    save_checkpoint(tmp_path / "models/coco", tensors, Card(card.architecture, 384))
    monkeypatch.chdir(tmp_path)
    Path("people").mkdir()
    for number, frame in enumerate(islice(VideoFile(real_data / "pets09-s2l1/PETS09-S2L1.avi").frames(), 9)):
        cv2.imwrite(f"people/{number}.png", frame.image)
    track_video.main("people", checkpoint="models/coco", tracker="bytetrack", fps="10")
    tracks = read_tracks("tracked/people.txt", length=9, classes=80)
    gt = np.loadtxt(real_data / "pets09-s2l1/gt/gt.txt", delimiter=",")
    found = [_found(gt[gt[:, 0] == number], tracks.boxes[tracks.frames == number]) for number in range(2, 10)]
    assert np.concatenate(found).mean() > 0.85
    assert len(np.unique(tracks.ids[tracks.classes == 0])) <= 8


def _found(people: np.ndarray, tracked: np.ndarray) -> np.ndarray:
    """Which annotated people's centres lie within a quarter of their height of a track's centre."""
    centres, theirs = (each[:, :2] + each[:, 2:4] / 2 for each in (people[:, 2:6], tracked))
    apart = np.linalg.norm(centres[:, None] - theirs[None], axis=2)
    return apart.min(axis=1) < people[:, 5] / 4
