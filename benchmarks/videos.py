"""Videos of tracks, frames a second: ``python -m benchmarks.videos``.

One sequence of 1,500 frames of 640 x 384 with some 20 boxes each: the embedded world from the air, 100 frames of it
shown to and fro, JPEG as stored. Its tracks are the ground truth, shaken, with holes, broken ids and false alarms.
Decoding, drawing and H.264 are timed together, as whole videos, the median of three runs in turns:

- each view, and two side by side; judging the tracks comes once, and is told apart;
- against supervision (box, label and trace annotators) on the same frames and boxes: with its own `VideoSink`, whose
  MPEG-4 Part 2 browsers do not play, and with H.264 by PyAV and our settings in its place;
- the peak memory of a process that judges and films 300 frames, and 1,500.

About four minutes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from statistics import median

import av
import numpy as np

from stages.drawing.video import film
from stages.drawing.views import DiagnosisView, SideBySide, TracksView, View
from stages.errors import run_stage
from stages.params.sources import WORLD_LABELS, WorldSource
from stages.scoring.heldout import HeldOut
from stages.scoring.judging import Judgement
from stages.scoring.protocols import SKYWARD
from stages.sequences.annotations import FRAME, ID, LEFT, corners, purposes
from stages.sequences.annotations import HEIGHT as HEIGHT_OF
from stages.sequences.archive import Sequence, SequenceInfo, write_archive
from stages.sequences.tracks import Tracks
from stages.world import world_sequences

WIDTH, HEIGHT, RENDERED, SHORT, LONG, RUNS = 640, 384, 100, 300, 1500, 3
CLASSES = ("person", "car")
ROLES = {"person": "person", "car": "car", "hidden": "distractor"}
LEAST = 100  # frames a second

Scene = tuple[Sequence, HeldOut, Tracks]


def main(*, length: str = "", folder: str = "") -> None:
    """Measure and print; with options, film once, in this process, and print its peak memory in MB."""
    if length:
        film_both(stored(Path(folder), int(length)), Path(folder))
        print(high_water())
        return
    with tempfile.TemporaryDirectory() as name:
        for frames in (SHORT, LONG):
            write_scene(Path(name), frames)
        scene = stored(Path(name), LONG)
        boxes, cores = len(scene[2].ids) / LONG, len(os.sched_getaffinity(0))
        print(f"{LONG} frames of {WIDTH} x {HEIGHT}, {boxes:.1f} track boxes in each; {cores} cores")
        compare(scene, Path(name))
        peaks = {frames: peak(frames, Path(name)) for frames in (SHORT, LONG)}
        print(f"peak memory, both views: {', '.join(f'{mb} MB for {frames} frames' for frames, mb in peaks.items())}")


def compare(scene: Scene, folder: Path) -> None:
    """Time all videos, in turns, and print them."""
    sequence, each, tracks = scene
    start = time.perf_counter()
    judged = Judgement(each, tracks, CLASSES)
    print(f"{'judging the tracks':<28}{time.perf_counter() - start:7.2f} s")
    ways: dict[str, Callable[[], object]] = {
        "tracks": lambda: film(sequence, {folder / "a.mp4": tracks_view(scene)}, LONG),
        "diagnosis": lambda: film(sequence, {folder / "b.mp4": diagnosis_view(scene, judged)}, LONG),
        "both at once": lambda: film_both(scene, folder),
        "side by side": lambda: film(sequence, {folder / "c.mp4": beside(scene)}, LONG),
        "supervision, MPEG-4": lambda: supervisions_loop(scene, own_sink(folder / "d.mp4")),
        "supervision, H.264": lambda: supervisions_loop(scene, h264_sink(folder / "g.mp4")),
    }
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(RUNS):
        for name, way in ways.items():
            start, busy = time.perf_counter(), time.process_time()
            way()
            runs[name].append((time.perf_counter() - start, time.process_time() - busy))
    rates = {}
    for name, each in runs.items():
        seconds, busy = (median(column) for column in zip(*each, strict=True))
        rates[name] = LONG / seconds
        used = f"{1000 * busy / LONG:5.1f} ms of processor each"
        print(f"{name:<28}{seconds:7.2f} s{rates[name]:7.0f} frames a second, {used}", flush=True)
    for codec in ("MPEG-4", "H.264"):
        print(f"tracks / supervision, {codec}: {rates['tracks'] / rates[f'supervision, {codec}']:.2f}")
    slowest = min(rates["tracks"], rates["diagnosis"])
    print(f"the slower of the two views: {slowest:.0f} frames a second (at least {LEAST})")


def tracks_view(scene: Scene) -> View:
    """Tracks with trails."""
    return TracksView(scene[0].info, scene[2], CLASSES, "air/long   ours")


def diagnosis_view(scene: Scene, judged: Judgement) -> View:
    """What became of every box."""
    return DiagnosisView(scene[0].info, judged, "air/long   ours")


def beside(scene: Scene) -> View:
    """The tracks twice."""
    return SideBySide(tracks_view(scene), tracks_view(scene))


def film_both(scene: Scene, folder: Path) -> None:
    """Judge, and film both views, as the stage does."""
    sequence, each, tracks = scene
    judged = Judgement(each, tracks, CLASSES)
    film(sequence, {folder / "e.mp4": tracks_view(scene), folder / "f.mp4": diagnosis_view(scene, judged)}, each.length)


@contextmanager
def own_sink(path: Path) -> Iterator[Callable[[np.ndarray], None]]:
    """What supervision writes frames with."""
    import supervision as sv

    info = sv.VideoInfo(width=WIDTH, height=HEIGHT, fps=20, total_frames=LONG)
    with sv.VideoSink(str(path), info) as sink:
        yield sink.write_frame


@contextmanager
def h264_sink(path: Path) -> Iterator[Callable[[np.ndarray], None]]:
    """H.264 as PyAV's documentation has it."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=20, options={"crf": "24", "preset": "superfast", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        yield lambda image: container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())


def supervisions_loop(scene: Scene, opened: AbstractContextManager[Callable[[np.ndarray], None]]) -> None:
    """Decode, annotate and encode frame by frame, as supervision's documentation has it."""
    import supervision as sv

    sequence, _, tracks = scene
    lookup = sv.ColorLookup.TRACK
    boxes, trace = sv.BoxAnnotator(color_lookup=lookup), sv.TraceAnnotator(color_lookup=lookup, trace_length=20)
    labels = sv.LabelAnnotator(color_lookup=lookup, text_scale=0.42, text_padding=2)
    bounds = np.searchsorted(tracks.frames, np.arange(1, LONG + 2))
    with opened as write:
        for number in range(1, LONG + 1):
            rows = slice(*bounds[number - 1 : number + 1])
            ids, kinds = tracks.ids[rows], tracks.classes[rows]
            found = sv.Detections(xyxy=corners(tracks.boxes[rows]), class_id=kinds, tracker_id=ids)
            names = [f"{CLASSES[kind]} {number}" for kind, number in zip(kinds, ids, strict=True)]
            image = trace.annotate(sequence.frame(number), found)
            write(labels.annotate(boxes.annotate(image, found), found, names))


def peak(frames: int, folder: Path) -> int:
    """The peak memory in MB of a process that films so many frames."""
    command = [sys.executable, "-m", "benchmarks.videos", "--length", str(frames), "--folder", str(folder)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def high_water() -> int:
    """The peak resident memory of this process in MB; `getrusage` would count the process that started it."""
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024


def write_scene(folder: Path, length: int) -> None:
    """Store a sequence of ``length`` frames and its tracks."""
    classes = dict.fromkeys(("person", "car", "hidden"), "person")
    source = WorldSource(
        format="world", view="air", sequences={"test": 1}, frames=RENDERED, width=WIDTH, height=HEIGHT, classes=classes
    )
    (item,) = world_sequences(source)
    frames, gt = item.render()
    shown = np.abs((np.arange(length) - (RENDERED - 1)) % (2 * RENDERED - 2) - (RENDERED - 1))  # 0 ... 99 ... 0 ...
    of_frame = np.split(gt, np.searchsorted(gt[:, 0], np.arange(2, RENDERED + 1)))
    rows = [of_frame[at].copy() for at in shown]
    for number, each in enumerate(rows, 1):
        each[:, FRAME] = number
    info = SequenceInfo("long", item.info.fps, WIDTH, HEIGHT, length)
    write_archive(folder / f"{length}.zip", info, (frames[at] for at in shown), np.concatenate(rows))


def stored(folder: Path, length: int) -> Scene:
    """The stored sequence of ``length`` frames, its ground truth and made-up tracks."""
    sequence = Sequence(folder / f"{length}.zip")
    gt = sequence.gt()
    roles = purposes(gt, WORLD_LABELS, ROLES, CLASSES)
    rng = np.random.default_rng(0)
    seen = (roles >= 0) & (rng.random(len(gt)) < 0.9)
    found, kinds = gt[seen], roles[seen]
    boxes = found[:, LEFT : HEIGHT_OF + 1] + rng.normal(0, 1.5, (len(found), 4))
    false = rng.random(len(found)) < 0.05
    boxes[false, :2] += 60
    ids = found[:, ID].astype(np.int64) + 1000 * (found[:, FRAME] // 150).astype(np.int64) + 500 * false
    tracks = Tracks(found[:, FRAME].astype(np.int64), ids, boxes, kinds)
    each = HeldOut("long", length, sequence.info.fps, (WIDTH, HEIGHT), gt, roles, SKYWARD, "gt")
    return sequence, each, tracks


if __name__ == "__main__":
    run_stage(main)
