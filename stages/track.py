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

TRACKS = Path("data/tracks")


def main(checkpoint: str, tracker: str) -> None:
    """Track with one tracker over one checkpoint's detections."""
    params = load_params()
    choose(params.trackers, tracker, "tracker")
    with replacing(TRACKS / checkpoint / tracker) as folder:
        write_tracks(params, tracker, DETECTIONS / checkpoint, folder)


def write_tracks(params: Params, name: str, detections: Path, folder: Path) -> None:
    """Track every test sequence of every source with tracker ``name`` into ``folder``."""
    from stages.tracking.options import describe
    from stages.tracking.sequence import format_tracks, track_sequence

    tracker, classes = params.trackers[name], len(params.classes)
    rates: set[float] = set()
    for source, sequence_name in test_sequences(params):
        sequence = open_sequence(source, sequence_name)
        table = read_detections(detections / source / f"{sequence_name}.parquet", sequence.info.length, classes)
        tracks = track_sequence(sequence, table, tracker, classes)
        write_text(folder / source / f"{sequence_name}.txt", format_tracks(tracks))
        rates.add(sequence.info.fps)
        sequence.close()
    write_json(folder / "tracker.json", describe(tracker, rates))


if __name__ == "__main__":
    run_stage(main)
