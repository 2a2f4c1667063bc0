"""`python -m stages.draw_videos CHECKPOINT`: a checkpoint's tracks by the first tracker as videos.

Reads data/sources/ (test splits) and data/tracks/CHECKPOINT/TRACKER/; writes plots/videos/CHECKPOINT/ in one step:

- SOURCE.mp4 and SOURCE.diagnosis.mp4, the first test sequence's tracks and what became of every box; of further ones
  SOURCE.SEQUENCE.mp4 and SOURCE.SEQUENCE.diagnosis.mp4; beside each a .jpg that stands for it; videos.csv lists them;
- worst.mp4, the worst moments of all test sequences (see `scoring.moments`); worst.csv lists them, and worst/ has a
  picture of each.

A sequence without ground truth has its tracks shown, and no moments. Without a tracker or a test sequence the two
tables are empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from stages.errors import choose, run_stage
from stages.fanout import Engine, fan_out
from stages.files import replacing, write_table
from stages.params import Params, load_params
from stages.scoring.heldout import held_out, load
from stages.scoring.judging import Judgement
from stages.scoring.moments import Counts, Moment, worst_moments
from stages.sequences.index import SOURCES, open_sequence
from stages.sequences.tracks import TRACKS, Tracks, read_tracks

if TYPE_CHECKING:
    from stages.drawing.reel import Stretch

VIDEOS = Path("plots/videos")
VIDEO_COLUMNS = ("source", "sequence", "view", "file", "poster", "frames", "fps", "seconds")
WORST_COLUMNS = (
    "rank",
    "source",
    "sequence",
    "first",  # frames, from 1
    "last",
    "start",  # seconds into worst.mp4
    "misses",
    "false_alarms",
    "switches",
    "thumbnail",
)


class Run(NamedTuple):
    """Whose tracks are drawn."""

    params: Params
    checkpoint: str
    tracker: str

    def tracks(self, source: str, name: str, length: int) -> Tracks:
        """The tracks of a sequence."""
        path = TRACKS / self.checkpoint / self.tracker / source / f"{name}.txt"
        return read_tracks(path, length, len(self.params.classes))

    def judged(self, source: str, name: str) -> Judgement | None:
        """What became of a sequence's boxes; None without ground truth."""
        each = load(self.params, source, name)
        tracks = self.tracks(source, name, each.length)
        return Judgement(each, tracks, self.params.classes) if each.annotated else None

    def title(self, source: str, name: str) -> str:
        """What a caption says of a sequence."""
        return f"{source}/{name}   {self.checkpoint}, {self.tracker}"


def main(checkpoint: str) -> None:
    """Draw one checkpoint's videos."""
    params = load_params()
    choose(dict.fromkeys(params.evaluation.checkpoints), checkpoint, "checkpoint")
    names = [(source, each.name) for source in params.sources for each in held_out(params, source)]
    run = Run(params, checkpoint, params.first_tracker or "")
    with replacing(VIDEOS / checkpoint) as folder:
        folder.mkdir()
        names = names if params.trackers else []
        moments = find_moments(run, names)
        write_table(folder / "videos.csv", VIDEO_COLUMNS, list(film_first(run, names, folder)))
        write_table(folder / "worst.csv", WORST_COLUMNS, list(film_worst(run, moments, folder)))


def find_moments(run: Run, names: list[tuple[str, str]]) -> list[Moment]:
    """The worst moments of all sequences."""
    job = partial(_counts, run)
    labels = ["/".join(name) for name in names]
    counts = dict(zip(names, fan_out(job, names, Engine(), names=labels, label="judge"), strict=True))
    known = {name: each for name, each in counts.items() if each is not None}
    return worst_moments(known, run.params.videos.moments)


def _counts(run: Run, name: tuple[str, str]) -> Counts | None:
    judged = run.judged(*name)
    return judged and judged.counts()


def film_first(run: Run, names: list[tuple[str, str]], folder: Path) -> Iterator[dict]:
    """Film the first sequences of every source into ``folder``; yields the rows of videos.csv."""
    from stages.drawing.names import Names
    from stages.drawing.thumbnails import write_poster
    from stages.drawing.video import film, frames_within
    from stages.drawing.views import DiagnosisView, TracksView

    files, videos = Names("worst.mp4"), run.params.videos
    for source, name, number in _first(names, videos.sequences):
        with closing(open_sequence(source, name)) as sequence:
            info, judged, title = sequence.info, run.judged(source, name), run.title(source, name)
            tracks = run.tracks(source, name, info.length)
            views = {"tracks": TracksView(info, tracks, run.params.classes, title)}
            if judged:
                views["diagnosis"] = DiagnosisView(info, judged, title)
            parts = (source, name) if number else (source,)
            paths = {
                view: folder / files.of(*parts, ending=".mp4" if view == "tracks" else f".{view}.mp4") for view in views
            }
            length = frames_within(sequence, videos.seconds)
            film(sequence, {paths[view]: views[view] for view in views}, length)
        row = {"source": source, "sequence": name, "frames": length, "fps": info.fps, "seconds": length / info.fps}
        for view, path in paths.items():
            poster = path.with_suffix(".jpg")
            write_poster(path, poster)
            yield row | {"view": view, "file": path.name, "poster": poster.name}


def _first(names: list[tuple[str, str]], most: int) -> Iterator[tuple[str, str, int]]:
    """The first ``most`` sequences of every source, with their number among them, from 0."""
    seen: dict[str, int] = {}
    for source, name in names:
        number = seen.get(source, 0)
        seen[source] = number + 1
        if number < most:
            yield source, name, number


def film_worst(run: Run, moments: list[Moment], folder: Path) -> Iterator[dict]:
    """Film the moments into ``folder``; yields the rows of worst.csv."""
    if not moments:
        return
    from stages.drawing.reel import write_reel

    starts = write_reel(folder / "worst.mp4", stretches(run, moments), folder / "worst")
    for rank, (moment, start) in enumerate(zip(moments, starts, strict=True), 1):
        yield vars(moment) | {"rank": rank, "start": start, "thumbnail": f"worst/{rank:02d}.jpg"}


def stretches(run: Run, moments: list[Moment]) -> list[Stretch]:
    """What is drawn of every moment; each sequence is judged once."""
    from stages.drawing.reel import Stretch

    found = {}
    for name in dict.fromkeys((moment.source, moment.sequence) for moment in moments):
        judged = run.judged(*name)
        for rank, moment in enumerate(moments, 1):
            if (moment.source, moment.sequence) == name:
                frames = range(moment.first, moment.last + 1)
                title = f"{rank}: {run.title(*name)}"
                verdicts, scores = [judged.verdicts(n) for n in frames], [judged.scores(n) for n in frames]
                archive = SOURCES / moment.source / f"{moment.sequence}.zip"
                found[rank] = Stretch(archive, title, moment.first, moment.worst, verdicts, scores)
    return [found[rank] for rank in sorted(found)]


if __name__ == "__main__":
    run_stage(main)
