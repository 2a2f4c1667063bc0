"""The stage `detect@CHECKPOINT`: what a checkpoint finds in the test sequences of every source.

Reads models/CHECKPOINT/ and data/sources/; writes data/detections/CHECKPOINT/SOURCE/NAME.parquet. Runs where
`evaluation.engine` says, see stages/fanout. Run as `python -m stages.detect CHECKPOINT`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np

from stages.detectors.card import MODELS, load_card
from stages.detectors.recording import ClassMap, Detecting, pieces
from stages.errors import choose, run_stage
from stages.fanout import Engine, fan_out
from stages.files import replacing
from stages.params import Params, load_params
from stages.sequences.detections import DETECTIONS, write_detections
from stages.sequences.index import open_sequence, require_whole_split, test_sequences, test_sources


def main(checkpoint: str) -> None:
    """Run one checkpoint over all test sequences."""
    params = load_params()
    choose(dict.fromkeys(params.evaluation.checkpoints), checkpoint, "checkpoint")
    for source in test_sources(params):
        require_whole_split(source, "test")
    folder = MODELS / checkpoint
    ClassMap(load_card(folder).architecture.classes, params.classes, str(folder))  # or an error, before all work
    with replacing(DETECTIONS / checkpoint) as partial:
        for source, name, table in _tables(params, checkpoint):
            write_detections(partial / source / f"{name}.parquet", table)


def _tables(params: Params, checkpoint: str) -> Iterator[tuple[str, str, np.ndarray]]:
    """Source, name and detections of every test sequence."""
    settings = params.evaluation.detection
    cut = [(s, name, pieces(s, open_sequence(s, name), settings.batch)) for s, name in test_sequences(params)]
    jobs = [piece for _, _, parts in cut for piece in parts]
    detecting = Detecting(MODELS / checkpoint, params.classes, settings)
    engine = Engine.of(params.evaluation, network=True)
    found = fan_out(detecting, jobs, engine, names=[str(job) for job in jobs], label=f"detect {checkpoint}")
    for source, name, parts in cut:
        yield source, name, np.concatenate(list(islice(found, len(parts))))


if __name__ == "__main__":
    run_stage(main)
