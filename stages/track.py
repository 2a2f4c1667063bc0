"""`python -m stages.track CHECKPOINT TRACKER`: link the test sequences' detections into tracks.

Reads data/sources/SOURCE/ and data/detections/CHECKPOINT/SOURCE/NAME.parquet; writes data/tracks/CHECKPOINT/TRACKER/
with SOURCE/NAME.txt for every test sequence and tracker.json, which names every option that was in effect.
"""

from __future__ import annotations

from pathlib import Path

from stages.errors import choose, run_stage
from stages.files import replacing, write_json, write_text
from stages.params import Params, load_params
from stages.sequences.detections import DETECTIONS, read_detections
from stages.sequences.index import open_sequence, test_sequences
from stages.sequences.tracks import TRACKS, format_tracks


def main(checkpoint: str, tracker: str) -> None:
    """Track with one tracker over one checkpoint's detections."""
    params = load_params()
    choose(params.trackers, tracker, "tracker")
    with replacing(TRACKS / checkpoint / tracker) as folder:
        write_tracks(params, tracker, DETECTIONS / checkpoint, folder)


def write_tracks(params: Params, name: str, detections: Path, folder: Path) -> None:
    """Track every test sequence of every source with tracker ``name`` into ``folder``."""
    from stages.tracking.options import describe
    from stages.tracking.sequence import track_sequences

    names = test_sequences(params)
    sequences = [open_sequence(source, sequence) for source, sequence in names]
    tables = [
        read_detections(
            detections / source / f"{sequence.path.stem}.parquet", sequence.info.length, len(params.classes)
        )
        for (source, _), sequence in zip(names, sequences, strict=True)
    ]
    jobs = list(zip(sequences, tables, strict=True))
    tracked = track_sequences(jobs, params.trackers[name], len(params.classes))
    for (source, sequence), tracks in zip(names, tracked, strict=True):
        write_text(folder / source / f"{sequence}.txt", format_tracks(tracks))
    write_json(folder / "tracker.json", describe(params.trackers[name], {each.info.fps for each in sequences}))


if __name__ == "__main__":
    run_stage(main)
