"""Made-up ground truth and tracks for scoring tests, and TrackEval's own data sets over them as files.

Coordinates are quarters of a pixel: sums and differences are exact, and so are overlaps on a threshold.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from stages.sequences.tracks import Tracks

LENGTH = 40


class Case(NamedTuple):
    """One sequence of `LENGTH` frames."""

    gt: np.ndarray  # (N, 9)
    codes: np.ndarray  # (N, 2) KITTI's truncation and occlusion
    tracks: np.ndarray  # (T, 9) as text files hold them; the class in column 7 is one of `gt`'s


def make(rng: np.random.Generator, natives: list[int], regions: list[int], tracked_as: Mapping[int, int]) -> Case:
    """Objects of the classes ``natives``, dense enough that all overlap, and areas of the classes ``regions``.

    An object of class c is tracked as ``tracked_as[c]`` and else as a class drawn from those that are tracked.
    """
    objects = 36
    start, speed = rng.uniform(0, 260, (objects, 2)), rng.normal(0, 2, (objects, 2))
    size = np.stack([rng.integers(80, 240, objects), rng.integers(80, 160, objects)], axis=1) / 4  # heights from 20
    size[::5, 1] = 25
    for one, other in zip(range(5, objects, 3), range(6, objects, 3), strict=False):  # some pairs nearly coincide,
        start[other] = start[one] + (one % 2) * rng.uniform(-5, 5, 2)  # and some do
        speed[other], size[other] = speed[one], size[one]
    native = rng.choice(natives, objects)
    rows, codes, areas = [], [], []
    for frame in range(1, LENGTH + 1):
        for number in np.flatnonzero(rng.random(objects) < 0.9):
            place = quarters(start[number] + frame * speed[number])
            confidence = int(rng.random() < 0.95)
            rows.append([frame, number + 1, *place, *size[number], confidence, native[number], 1])
            codes.append([rng.choice([0, 0, 0, 1, 2]), rng.choice([0, 0, 1, 2, 3])])
        for place in range(3 if regions else 0):
            corner = quarters(rng.uniform(0, 260, 2))
            rows.append([frame, 900 + place, *corner, *rng.integers(40, 120, 2), 1, rng.choice(regions), 1])
            codes.append([0, 0])
            areas.append([frame, 0, *(corner + 3), *rng.integers(20, 90, 2), 1, 0, 1])
    gt, codes = np.array(rows, float), np.array(codes)
    known = sorted(set(tracked_as.values()))
    seen = np.concatenate([gt[~np.isin(gt[:, 7], regions)], np.array(areas, float).reshape(-1, 9)])
    return Case(gt, codes, _tracks(rng, seen, tracked_as, known))


def quarters(values: np.ndarray) -> np.ndarray:
    """Rounded to a quarter of a pixel."""
    return np.round(4 * np.asarray(values)) / 4


def _tracks(rng: np.random.Generator, seen: np.ndarray, tracked_as: Mapping[int, int], known: list[int]) -> np.ndarray:
    """``seen`` moved, partly missed, with broken and swapped ids, another class now and then, and false alarms."""
    tracks = seen[rng.random(len(seen)) > 0.15].copy()
    tracks[:, 2:4] = quarters(tracks[:, 2:4] + rng.normal(0, 0.07, (len(tracks), 2)) * tracks[:, 4:6])
    tracks[:, 7] = [tracked_as.get(int(label), rng.choice(known)) for label in tracks[:, 7]]
    lost = rng.random(len(tracks)) < 0.05
    tracks[lost, 7] = rng.choice(known, lost.sum())
    tracks[(tracks[:, 1] % 3 == 0) & (tracks[:, 0] > LENGTH / 2), 1] += 1_000
    swapped = np.isin(tracks[:, 1], (1, 2)) & (tracks[:, 0] % 4 == 0)
    tracks[swapped, 1] = 3 - tracks[swapped, 1]
    false = tracks[rng.random(len(tracks)) < 0.3]
    false[:, 1] += 2_000
    false[:, 2:4] = quarters(false[:, 2:4] + rng.normal(0, 20, (len(false), 2)))
    false[::4, 5] = 25
    unknown = tracks[:, 1] == 0  # in regions: ids of their own
    tracks[unknown, 1] = 5_000 + np.arange(unknown.sum()) % 40
    tracks = np.concatenate([tracks, false])
    _, first = np.unique(tracks[:, :2], axis=0, return_index=True)
    tracks = tracks[rng.permutation(np.sort(first))]
    tracks[:, 6] = rng.integers(30, 100, len(tracks)) / 100
    return tracks[np.argsort(tracks[:, 0], kind="stable")]


def as_tracks(rows: np.ndarray, numbers: Mapping[int, int]) -> Tracks:
    """Rows of tracks, whose classes stand for ``numbers`` (from 0)."""
    whole = rows.astype(np.int64)
    return Tracks(whole[:, 0], whole[:, 1], rows[:, 2:6], np.array([numbers[label] for label in whole[:, 7]]))


def evaluate(dataset: object) -> dict:
    """TrackEval's results of the tracker `ours`: sequence or COMBINED_SEQ to class to metric to field."""
    import trackeval

    quiet, kinds = {"PRINT_CONFIG": False}, trackeval.metrics
    switches = ("PRINT_RESULTS", "OUTPUT_SUMMARY", "OUTPUT_DETAILED", "PLOT_CURVES", "TIME_PROGRESS")
    with contextlib.redirect_stdout(io.StringIO()):
        evaluator = trackeval.Evaluator(quiet | dict.fromkeys(switches, False) | {"LOG_ON_ERROR": None})
        results, _ = evaluator.evaluate([dataset], [kinds.HOTA(), kinds.CLEAR(quiet), kinds.Identity(quiet)])
    return next(iter(results.values()))["ours"]


def kitti(folder: Path, cases: Mapping[str, Case], names: Mapping[int, str]) -> object:
    """TrackEval's KITTI data set over ``cases``, written as its text files; ``names`` are the classes' types."""
    import trackeval

    labels, found = folder / "gt" / "label_02", folder / "trackers" / "ours" / "data"
    for path in (labels, found):
        path.mkdir(parents=True)
    for name, case in cases.items():
        lines = []
        for row, (truncated, occluded) in zip(case.gt, case.codes, strict=True):
            kind = names[int(row[7])]
            seen = f"{truncated} {occluded}" if kind != "DontCare" else "-1 -1"
            lines.append(_kitti_line(row, kind, seen, -1 if kind == "DontCare" else int(row[1])))
        (labels / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))
        lines = [_kitti_line(row, names[int(row[7])], "-1 -1", int(row[1])) + f" {row[6]:g}" for row in case.tracks]
        (found / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))
    rows = [f"{name} empty 000000 {LENGTH:06d}\n" for name in cases]
    (folder / "gt" / "evaluate_tracking.seqmap.training").write_text("".join(rows))
    places = {"GT_FOLDER": str(folder / "gt"), "TRACKERS_FOLDER": str(folder / "trackers")}
    with contextlib.redirect_stdout(io.StringIO()):
        return trackeval.datasets.Kitti2DBox(places | {"PRINT_CONFIG": False})


def _kitti_line(row: np.ndarray, kind: str, seen: str, identity: int) -> str:
    left, top, width, height = row[2:6]
    box = " ".join(f"{value:.2f}" for value in (left, top, left + width, top + height))
    return f"{row[0] - 1:.0f} {identity} {kind} {seen} -10 {box} -1 -1 -1 -1000 -1000 -1000 -10"


def bdd100k(folder: Path, cases: Mapping[str, Case], names: Mapping[int, str], crowd: str) -> object:
    """TrackEval's BDD100K data set over ``cases``; the class ``crowd`` becomes a car's attribute."""
    import trackeval

    for name, case in cases.items():
        for place, rows in ((folder / "gt", case.gt), (folder / "trackers" / "ours" / "data", case.tracks)):
            place.mkdir(parents=True, exist_ok=True)
            frames = [
                {"index": index, "labels": [_scalabel(row, names, crowd) for row in rows[rows[:, 0] == index + 1]]}
                for index in range(LENGTH)
            ]
            (place / f"{name}.json").write_text(json.dumps(frames))
    places = {"GT_FOLDER": str(folder / "gt"), "TRACKERS_FOLDER": str(folder / "trackers")}
    with contextlib.redirect_stdout(io.StringIO()):
        return trackeval.datasets.BDD100K(places | {"PRINT_CONFIG": False})


def _scalabel(row: np.ndarray, names: Mapping[int, str], crowd: str) -> dict:
    name, (left, top, width, height) = names[int(row[7])], row[2:6].tolist()
    box = {"x1": left, "y1": top, "x2": left + width, "y2": top + height}
    category = "car" if name == crowd else name
    return {"id": int(row[1]), "category": category, "box2d": box, "attributes": {"Crowd": name == crowd}}


def motchallenge(folder: Path, cases: Mapping[str, Case], benchmark: str) -> object:
    """TrackEval's data set of MOTChallenge's benchmarks over ``cases``."""
    import trackeval

    from stages.sequences.annotations import format_gt

    for name, case in cases.items():
        for path, rows in (
            (folder / "gt" / name / "gt" / "gt.txt", case.gt),
            (folder / "trackers" / "ours" / "data" / f"{name}.txt", case.tracks),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(format_gt(rows))
    config = {"GT_FOLDER": str(folder / "gt"), "TRACKERS_FOLDER": str(folder / "trackers"), "BENCHMARK": benchmark}
    config |= {"SKIP_SPLIT_FOL": True, "SEQ_INFO": dict.fromkeys(cases, LENGTH), "PRINT_CONFIG": False}
    with contextlib.redirect_stdout(io.StringIO()):
        return trackeval.datasets.MotChallenge2DBox(config)
