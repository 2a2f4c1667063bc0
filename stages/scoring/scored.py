"""Scores the tracks of all test sequences, raw and post-processed, in as many processes as there are cores.

Reads data/sources/ (test splits) and a tracker's folder: SOURCE/, and SOURCE.post/ where tracks were post-processed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from stages.fanout import Engine, fan_out
from stages.params import Params
from stages.scoring.adapter import frames_of
from stages.scoring.heldout import HeldOut, load
from stages.scoring.metrics import Result, score_frames
from stages.scoring.mistakes import Scene, mistakes
from stages.scoring.report import SourceResults
from stages.sequences.index import test_names
from stages.sequences.tracks import Tracks, read_tracks

POST = ".post"  # what the folder of a source's post-processed tracks ends in


class Job(NamedTuple):
    """One sequence's tracks; ``folder`` is SOURCE or SOURCE.post."""

    source: str
    folder: str
    sequence: str


class SequenceScores(NamedTuple):
    """What a sequence scored, by class, and the rows of its mistakes, see `mistakes`."""

    results: dict[str, Result]
    mistakes: list[dict]


# SOURCE or SOURCE.post to sequence to scores; None for a sequence without ground truth.
Scored = Mapping[str, Mapping[str, SequenceScores | None]]


def score(params: Params, tracks: Path, *, with_mistakes: bool = True) -> Scored:
    """Score all test sequences; ``tracks`` holds the sources' folders."""
    jobs = list(_jobs(params, tracks))
    names = [f"{job.folder}/{job.sequence}" for job in jobs]
    run = partial(_score, params, tracks, with_mistakes)
    scored: dict[str, dict] = {job.folder: {} for job in jobs}
    for job, scores in zip(jobs, fan_out(run, jobs, Engine(), names=names, label="score"), strict=True):
        scored[job.folder][job.sequence] = scores
        if scores is None and job.folder == job.source:
            print(f"note: {job.source}: {job.sequence} has no ground truth: tracked, not scored", file=sys.stderr)
    return scored


def results_of(scored: Scored, folder: str) -> SourceResults:
    """What those of a folder's sequences came to that were scored."""
    return {name: scores.results for name, scores in scored[folder].items() if scores is not None}


def raw_folders(scored: Scored) -> list[str]:
    """The folders of tracks that were not post-processed: the sources."""
    return [folder for folder in scored if not folder.endswith(POST)]


def mistake_rows(scored: Scored) -> Iterator[dict]:
    """The mistakes of raw tracks, each with its source and sequence."""
    for source in raw_folders(scored):
        for sequence, scores in scored[source].items():
            for row in scores.mistakes if scores else ():
                yield {"source": source, "sequence": sequence, **row}


def _jobs(params: Params, tracks: Path) -> Iterator[Job]:
    """All tracks to score, source by source, raw before post-processed ones."""
    for source, sequences in test_names(params).items():
        for folder in (source, source + POST):
            if folder == source or (tracks / folder).is_dir():
                yield from (Job(source, folder, sequence) for sequence in sequences)


def _score(params: Params, tracks: Path, with_mistakes: bool, job: Job) -> SequenceScores | None:
    each = load(params, job.source, job.sequence)
    found = read_tracks(tracks / job.folder / f"{each.name}.txt", each.length, len(params.classes))
    if not each.annotated:
        return None
    frames = frames_of(each.gt, each.roles, found, each.length, each.where, each.rules, each.size)
    results = score_frames(frames, params.classes, each.rules)
    rows = _mistakes(params, each, found, frames) if with_mistakes and job.folder == job.source else []
    return SequenceScores(results, rows)


def _mistakes(params: Params, each: HeldOut, tracks: Tracks, frames: list) -> list[dict]:
    scene = Scene(each.gt, tracks, params.classes, *each.size, each.fps)
    return [row for number in range(len(params.classes)) for row in mistakes(frames, scene, number)]
