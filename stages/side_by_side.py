"""Films two runs over the same frames, side by side: ``python -m stages.side_by_side A B``.

A and B are CHECKPOINT/TRACKER, two checkpoints or two trackers; TRACKER.post is what its post-processing made.
``--source`` and ``--sequence`` choose a test sequence, the first if they are not given; ``--view diagnosis`` shows what
became of every box instead of the tracks; ``--out FILE.mp4`` says where to.

Reads params.yaml, data/sources/ and data/tracks/; writes the video, tracked/A-and-B.SOURCE.SEQUENCE.mp4 if no other is
named, in one step.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stages.errors import InputError, choose, run_stage
from stages.params import Params, load_params
from stages.scoring.heldout import load
from stages.scoring.scored import POST
from stages.sequences.index import open_sequence, test_names
from stages.sequences.tracks import TRACKS, read_tracks

if TYPE_CHECKING:
    from stages.drawing.views import SideBySide

FOLDER = Path("tracked")
VIEWS = ("tracks", "diagnosis")
_WIDEST = 960  # pixels of either picture


@dataclass(frozen=True)
class Run:
    """One of the two."""

    name: str  # CHECKPOINT/TRACKER
    folder: Path  # its tracks, source by source
    ending: str  # of the folder of a source


def main(a: str, b: str, *, source: str = "", sequence: str = "", view: str = "tracks", out: str = "") -> None:
    """Film runs ``a`` and ``b``."""
    from stages.drawing.video import film

    params = load_params()
    if view not in VIEWS:
        raise InputError(f"--view {view}", "no such view", f"give one of {', '.join(VIEWS)}")
    runs = find_run(a), find_run(b)
    source, name = find_sequence(params, source, sequence)
    path = find_place(out, runs, source, name)
    with closing(open_sequence(source, name)) as archive:
        film(archive, {path: pictures(params, runs, source, name, view)}, archive.info.length)
        print(f"{path}: {archive.info.length} frames of {source}/{name}, {a} and {b}")


def find_run(name: str) -> Run:
    """The run that CHECKPOINT/TRACKER names; `InputError` says what there is instead."""
    checkpoint, _, tracker = name.partition("/")
    if not checkpoint or not tracker or "/" in tracker:
        raise InputError(name, "not a run", "give CHECKPOINT/TRACKER")
    folder = TRACKS / checkpoint / tracker.removesuffix(POST)
    for path in (folder.parent, folder):
        if path.name in (".", "..") or not path.is_dir():
            there = sorted(each.name for each in path.parent.iterdir() if each.is_dir()) if path.parent.is_dir() else []
            what = f"no tracks of {path.name} in {path.parent}/"
            raise InputError(
                name, what, f"give one of {', '.join(there)}" if there else "run `dvc repro` or `dvc pull`"
            )
    return Run(name, folder, POST if tracker.endswith(POST) else "")


def find_sequence(params: Params, source: str, sequence: str) -> tuple[str, str]:
    """The source and the name of the test sequence that is asked for, or the first."""
    names = test_names(params)
    if source:
        choose(params.sources, source, "source")
        names = {source: names.get(source, [])}
    found = [(each, name) for each, held in names.items() for name in held if sequence in ("", name)]
    if not found:
        there = ", ".join(f"{each}/{name}" for each, held in names.items() for name in held[:4])
        where = " ".join(filter(None, [source and f"--source {source}", sequence and f"--sequence {sequence}"]))
        raise InputError(where, "no such test sequence", f"there are {there}" if there else "choose another source")
    return found[0]


def find_place(out: str, runs: tuple[Run, Run], source: str, name: str) -> Path:
    """Where the video is written."""
    from stages.drawing.names import Names

    if not out:
        titles = "-and-".join(run.name.replace("/", "-") for run in runs)
        return FOLDER / Names().of(titles, source, name, ending=".mp4")
    path = Path(out)
    if path.is_dir() or path.suffix != ".mp4":
        what = "a folder" if path.is_dir() else "not the name of an MP4 file"
        raise InputError(f"--out {out}", what, "give a file name that ends in .mp4")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"no folder to write to ({error.strerror.lower()})"
        raise InputError(f"--out {out}", what, "give another one") from None
    return path


def pictures(params: Params, runs: tuple[Run, Run], source: str, name: str, view: str) -> SideBySide:
    """Both runs' views, each under the name of its run."""
    from stages.drawing.views import DiagnosisView, SideBySide, TracksView
    from stages.scoring.judging import Judgement

    each = load(params, source, name)
    if view == "diagnosis" and not each.annotated:
        raise InputError(f"{source}/{name}", "not scored: it has no ground truth", "leave `--view diagnosis` away")
    with closing(open_sequence(source, name)) as archive:
        info = archive.info
    views = []
    for run in runs:
        path = run.folder / (source + run.ending) / f"{name}.txt"
        tracks, title = read_tracks(path, each.length, len(params.classes)), f"{run.name}   {source}/{name}"
        if view == "tracks":
            views.append(TracksView(info, tracks, params.classes, title, _WIDEST))
        else:
            views.append(DiagnosisView(info, Judgement(each, tracks, params.classes), title, _WIDEST))
    return SideBySide(*views)


if __name__ == "__main__":
    run_stage(main)
