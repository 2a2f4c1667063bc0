"""`python -m stages.track CHECKPOINT TRACKER`: link the test sequences' boxes into tracks.

Reads data/sources/SOURCE/, the boxes that `evaluation.boxes` says (data/detections/CHECKPOINT/SOURCE/NAME.parquet, or
the ground truth's) and what the tracker uses of data/features/CHECKPOINT/. Writes data/tracks/CHECKPOINT/TRACKER/ with
SOURCE/NAME.txt for every test sequence; SOURCE.post/NAME.txt, post-processed, where the tracker asks for that; and
tracker.json, which names every option that was in effect. Runs where `evaluation.engine` says, see stages/fanout.
"""

from __future__ import annotations

from pathlib import Path

from stages.errors import choose, run_stage
from stages.fanout import Engine, fan_out
from stages.files import replacing, write_json, write_text
from stages.params import Params, load_params
from stages.sequences.index import open_sequence, test_sequences
from stages.sequences.tracks import TRACKS, format_tracks
from stages.tracking.stored import Tracking


def main(checkpoint: str, tracker: str) -> None:
    """Track with one tracker over one checkpoint's detections."""
    params = load_params()
    choose(dict.fromkeys(params.evaluation.checkpoints), checkpoint, "checkpoint")
    choose(params.trackers, tracker, "tracker")
    with replacing(TRACKS / checkpoint / tracker) as folder:
        write_tracks(params, checkpoint, tracker, folder)


def write_tracks(params: Params, checkpoint: str, name: str, folder: Path) -> None:
    """Track every test sequence of every source with tracker ``name`` into ``folder``."""
    from stages.tracking.options import describe

    jobs = test_sequences(params)
    engine = Engine.of(params.evaluation, network=False)
    names = ["/".join(job) for job in jobs]
    tracking = Tracking(params, checkpoint, name)
    results = fan_out(tracking, jobs, engine, names=names, label=f"track {checkpoint} {name}")
    for (source, sequence), (tracks, processed) in zip(jobs, results, strict=True):
        write_text(folder / source / f"{sequence}.txt", format_tracks(tracks))
        if processed is not None:
            write_text(folder / f"{source}.post" / f"{sequence}.txt", format_tracks(processed))
    rates = {open_sequence(*job).info.fps for job in jobs}
    write_json(folder / "tracker.json", describe(params.trackers[name], rates))


if __name__ == "__main__":
    run_stage(main)
