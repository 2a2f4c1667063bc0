"""stages/detectors/recording.py: a checkpoint over pieces of sequences, in any process."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from tracking_scenes import scene

from stages.detectors import build
from stages.detectors.base import Architecture
from stages.detectors.card import Card
from stages.detectors.checkpoint import save_checkpoint
from stages.detectors.recording import ClassMap, Detecting, Piece, detect_sequence, pieces
from stages.errors import InputError
from stages.params.model import Detection
from stages.sequences.archive import Sequence

SETTINGS = Detection(min_score=0.001, nms_iou=0.5, max_objects=20, batch=2)


@pytest.fixture
def detecting(tmp_path, monkeypatch) -> Detecting:
    """A checkpoint of random weights and a sequence of 40 frames, `street/one`."""
    monkeypatch.chdir(tmp_path)
    Path("data/sources/street").mkdir(parents=True)
    scene(Path("data/sources/street/one.zip"), length=40, pan=3)
    torch.manual_seed(0)
    architecture = Architecture("simple", "simple-tiny", ("person", "bus", "car"), 3)
    save_checkpoint(Path("models/stage1"), build(architecture).network.state_dict(), Card(architecture, 64))
    return Detecting(Path("models/stage1"), ("car", "person"), SETTINGS)


@pytest.mark.parametrize(
    ("batch", "spans"), [(2, [(1, 32), (33, 40)]), (1, [(1, 16), (17, 32), (33, 40)]), (8, [(1, 40)])]
)
def test_pieces_are_whole_batches(batch, spans, detecting):
    cut = pieces("street", Sequence("data/sources/street/one.zip"), batch)
    assert cut == [Piece("street", "one", first, last) for first, last in spans]
    assert str(cut[0]) == f"street/one, frames 1 to {spans[0][1]}"


def test_pieces_give_what_the_whole_gives_here_and_elsewhere(detecting):
    sequence = Sequence("data/sources/street/one.zip")
    detecting.load()
    elsewhere = pickle.loads(pickle.dumps(detecting))
    found = [each(piece) for piece, each in zip(pieces("street", sequence, 2), (detecting, elsewhere), strict=True)]
    detector, size, class_map = detecting._loaded
    whole = detect_sequence(detector, sequence, SETTINGS, size, class_map)
    assert np.array_equal(np.concatenate(found), whole)
    assert set(whole[:, 0]) == set(range(1, 41))
    assert set(whole[:, 6]) <= {0, 1}


def test_weights_do_not_travel(detecting):
    detecting.load()
    assert len(pickle.dumps(detecting)) < 1000


def test_classes_go_by_name():
    rows = np.array([[0, 0, 1, 1, 0.9, label] for label in (0, 1, 2)])
    assert ClassMap(("person", "bus", "car"), ("car", "person"), "models/stage1")(rows)[:, 5].tolist() == [1, 0]


def test_errors_come_from_loading(detecting):
    with pytest.raises(InputError, match=r"models/stage1: none of its classes is one of dog"):
        Detecting(Path("models/stage1"), ("dog",), SETTINGS).load()
    with pytest.raises(InputError, match="no such checkpoint"):
        Detecting(Path("models/none"), ("car",), SETTINGS).load()
