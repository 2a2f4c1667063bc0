"""Miniatures of public data sets, in their own layouts and at the paths that the presets name; and presets to match.

`write_miniatures` writes below the working directory what a preset's sources name. `shrunk` is the preset with smaller
numbers alone: every key, path, class, split, protocol and tracker stays as it is.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import yaml

from tests.footage import ROOT, pack

PRESETS = sorted((ROOT / "presets").glob("*.yaml"))
_WIDTH, _HEIGHT = 64, 48
_LENGTHS = {"bdd": 20, "visdrone": 90, "mot17": 64, "dancetrack": 48, "cameras": 64}  # frames of a sequence
_RATES = {"MOT17-05-FRCNN": 14, "MOT17-13-FRCNN": 25}
_SHORTER = 20  # times, than MOT17's sequences and their ranges are


def read_preset(path: Path) -> dict:
    """A preset as plain values."""
    return yaml.safe_load(path.read_text())


def shrunk(preset: dict) -> dict:
    """The preset for miniatures: budgets, what is taken, ranges, epochs, image sides and workers are smaller."""
    params = copy.deepcopy(preset)
    for source in params["sources"].values():
        _shrink_source(source)
    for name in params["curriculum"]:
        _shrink_stage(params[name])
    return params


def _shrink_source(source: dict) -> None:
    take = source.get("take", {})
    if isinstance(take.get("sequences"), int):
        take["sequences"] = 12
    if "frames" in take:
        take["frames"] //= _SHORTER
    for ranges in source.get("ranges", {}).values():
        for piece in ranges.values():
            first, last = piece["frames"]
            piece["frames"] = [(first - 1) // _SHORTER + 1, last // _SHORTER]
    if "gap" in source:
        source["gap"] //= _SHORTER


def _shrink_stage(stage: dict) -> None:
    mixture, memory = stage["mixture"], stage["memory"]
    mixture["validation_frames"] = 6
    if "frames" in mixture:
        mixture["frames"] = 80
    for budget in mixture["sources"].values():
        if "frames" in budget:
            budget["frames"] = 60
    stage |= {"epochs": 2, "warmup": 0.0} | ({"lr_drop": 1} if "lr_drop" in stage else {})
    if stage.get("augment", {}).get("close_mosaic"):
        stage["augment"]["close_mosaic"] = 1
    memory |= {"image_size": 64, "precision": "fp32", "workers": 0}


def write_miniatures(preset: dict) -> None:
    """Write a miniature of every source of ``preset``, below the working directory; no picture is like another."""
    pictures = (_picture(number) for number in count())
    for name in preset["sources"]:
        _WRITERS[name](pictures)


def _picture(number: int) -> bytes:
    """A JPEG of coarse noise, another one for every number."""
    cells = np.random.default_rng(number).integers(0, 256, (6, 8, 3), np.uint8)
    enlarged = cv2.resize(cells, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".jpg", enlarged)[1].tobytes()


def _write_frames(folder: Path, names: Iterator[str] | list[str], pictures: Iterator[bytes]) -> None:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_bytes(next(pictures))


def _write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _bdd100k(pictures: Iterator[bytes]) -> None:
    """`labels/box_track_20/SPLIT/VIDEO.json` and `images/track/SPLIT/VIDEO/VIDEO-0000001.jpg`: sixteen videos."""
    top = Path("data/raw/bdd100k")
    for number in range(16):
        split, video = "val" if number % 4 == 0 else "train", f"b{number:07d}-0000{number:04d}"
        names = [f"{video}-{frame:07d}.jpg" for frame in range(1, _LENGTHS["bdd"] + 1)]
        _write_frames(top / "images/track" / split / video, names, pictures)
        frames = [_bdd_frame(video, name, index) for index, name in enumerate(names)]
        _write_text(top / f"labels/box_track_20/{split}/{video}.json", json.dumps(frames))


def _bdd_frame(video: str, name: str, index: int) -> dict:
    labels = [
        _bdd_label("00000001", "pedestrian", (5 + index, 10, 12 + index, 25)),
        _bdd_label("00000002", "car", (30, 20, 49, 29)),
        _bdd_label("00000003", "rider", (20, 30, 27, 44)),
        _bdd_label("00000004", "truck", (50, 2, 63, 12)),
        _bdd_label("00000005", "other vehicle", (2, 36, 14, 46)),
        _bdd_label("00000006", "car", (30, 2, 45, 9), crowd=True),
    ]
    return {"name": name, "videoName": video, "frameIndex": index, "labels": labels}


def _bdd_label(identity: str, category: str, box: tuple[int, ...], crowd: bool = False) -> dict:
    attributes = {"occluded": False, "truncated": False, "crowd": crowd}
    corners = dict(zip(("x1", "y1", "x2", "y2"), box, strict=True))
    return {"id": identity, "category": category, "attributes": attributes, "box2d": corners}


_VISDRONE = {"train": 5, "val": 1, "test-dev": 2}  # clips of each split


def _visdrone(pictures: Iterator[bytes]) -> None:
    """`VisDrone2019-MOT-SPLIT/annotations/NAME.txt` and `.../sequences/NAME/0000001.jpg`."""
    for split, clips in _VISDRONE.items():
        top = Path(f"data/raw/visdrone/VisDrone2019-MOT-{split}")
        for clip in range(clips):
            name, length = f"uav00000{len(split)}{clip}_00000_v", _LENGTHS["visdrone"]
            _write_frames(top / "sequences" / name, [f"{frame:07d}.jpg" for frame in range(1, length + 1)], pictures)
            _write_text(top / f"annotations/{name}.txt", "".join(map(_visdrone_lines, range(1, length + 1))))


def _visdrone_lines(frame: int) -> str:
    left = 5 + frame // 4
    return (
        f"{frame},1,{left},10,8,16,1,1,0,0\n{frame},2,40,20,10,6,1,4,0,1\n{frame},3,20,30,6,12,1,2,0,2\n"
        f"{frame},4,44,34,14,8,1,5,0,0\n{frame},5,2,40,6,6,1,10,0,0\n{frame},0,0,0,20,8,0,0,0,0\n"
    )


def _mot17(pictures: Iterator[bytes]) -> None:
    """`MOT17.zip` with the training sequences of one detector, and one of the test, whose ground truth is withheld."""
    top = Path("data/raw/unpacked")
    for number in ("02", "04", "05", "09", "10", "11", "13"):
        _write_mot(top / f"MOT17/train/MOT17-{number}-FRCNN", _LENGTHS["mot17"], pictures, _mot17_lines)
    _write_mot(top / "MOT17/test/MOT17-01-FRCNN", 3, pictures, None)
    pack(top, Path("data/raw/MOT17.zip"))


def _mot17_lines(frame: int) -> str:
    """A walker, one almost hidden, a car, someone on a bicycle, a statue and an occluder."""
    return (
        f"{frame},1,{5 + frame // 2},10,8,16,1,1,1\n{frame},2,30,8,6,14,1,1,0.05\n{frame},3,40,20,10,6,0,3,1\n"
        f"{frame},4,20,30,6,12,0,2,1\n{frame},5,50,30,6,14,0,7,1\n{frame},6,2,36,10,10,0,9,1\n"
    )


def _write_mot(folder: Path, length: int, pictures: Iterator[bytes], lines: Callable[[int], str] | None) -> None:
    _write_frames(folder / "img1", [f"{frame:06d}.jpg" for frame in range(1, length + 1)], pictures)
    if lines:
        _write_text(folder / "gt/gt.txt", "".join(map(lines, range(1, length + 1))))
    _write_text(
        folder / "seqinfo.ini",
        f"[Sequence]\nname={folder.name}\nimDir=img1\nframeRate={_RATES.get(folder.name, 30)}\nseqLength={length}\n"
        f"imWidth={_WIDTH}\nimHeight={_HEIGHT}\nimExt=.jpg\n",
    )


def _dancetrack(pictures: Iterator[bytes]) -> None:
    """`train1.zip`, `train2.zip` and `val.zip`, with sequences that they do hold: a name decides on the split."""
    archives = {"train1": (1, 2, 6, 8, 12, 15, 16), "train2": (37, 39, 49, 52, 61), "val": (4, 5, 7, 14, 25, 63)}
    for archive, numbers in archives.items():
        top = Path("data/raw/unpacked") / archive
        for number in numbers:
            folder = top / archive / f"dancetrack{number:04d}"
            _write_mot(folder, _LENGTHS["dancetrack"], pictures, lambda frame: f"{frame},1,{5 + frame},10,8,16,1,1,1\n")
        Path("data/raw/dancetrack").mkdir(parents=True, exist_ok=True)
        pack(top, Path(f"data/raw/dancetrack/{archive}.zip"))


def _mtmmc(pictures: Iterator[bytes]) -> None:
    """`train/s01/c01/rgb/000000.jpg` and `.../gt/gt.txt`: eight scenes of two cameras."""
    for scene in range(1, 9):
        for camera in (1, 2):
            folder = Path(f"data/raw/MTMMC/{'val' if scene > 6 else 'train'}/s{scene:02d}/c{camera:02d}")
            length = _LENGTHS["cameras"]
            _write_frames(folder / "rgb", [f"{frame:06d}.jpg" for frame in range(length)], pictures)
            lines = [
                f"{frame:04d},063,{5 + frame // 2}.5,8.5,8,16\n{frame:04d},018,30,20,9,18\n" for frame in range(length)
            ]
            _write_text(folder / "gt/gt.txt", "".join(lines))


_WRITERS: dict[str, Callable[[Iterator[bytes]], None]] = {
    "bdd": _bdd100k,
    "visdrone": _visdrone,
    "mot17": _mot17,
    "dancetrack": _dancetrack,
    "cameras": _mtmmc,
}
