from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.mixtures.balance import frame_weights, repeat_factors
from stages.mixtures.mixing import draw_training
from stages.mixtures.targets import TargetRows
from stages.params.stage import Balance
from tests.rectangles import write_params


def _rows(length: int, *boxes: tuple[int, int, int]) -> TargetRows:
    """``boxes`` are (frame, class, size)."""
    frame, category, size = np.array(boxes, np.int64).reshape(-1, 3).T
    return TargetRows(length, 10.0, frame, np.ones_like(frame), category, size)


def test_factors_are_roots_of_how_much_rarer_a_kind_is():
    shown = np.zeros((10, 4), bool)
    shown[:9, 0] = shown[3:7, 1] = shown[9, 2] = True  # in 9, 4, 1 and 0 of 10 frames
    assert repeat_factors(shown).tolist() == [1.0, 1.5, 3.0, 1.0]
    assert repeat_factors(np.zeros((10, 2), bool)).tolist() == [1.0, 1.0]


def test_a_frame_weighs_as_the_rarest_that_it_shows():
    # Class 0 in frames 1 to 4 of a, class 1 in frame 4; size 2 in all but frame 3 of a, which has size 0; b is empty.
    rows = {
        "a": _rows(4, (1, 0, 2), (2, 0, 2), (3, 0, 0), (4, 0, 2), (4, 1, 2)),
        "b": _rows(2),
    }
    by_class = frame_weights(Balance(classes=1.0), rows, ("x", "y"))
    assert {name: weights.tolist() for name, weights in by_class.items()} == {"a": [1, 1, 1, 2], "b": [1, 1]}
    half = frame_weights(Balance(classes=0.5), rows, ("x", "y"))
    assert half["a"].tolist() == [1, 1, 1, 1.5]
    both = frame_weights(Balance(classes=1.0, sizes=1.0), rows, ("x", "y"))
    assert both["a"].tolist() == pytest.approx([1, 1, 3**0.5, 2]) and both["b"].tolist() == [1, 1]
    assert frame_weights(Balance(), rows, ("x", "y"))["a"].tolist() == [1, 1, 1, 1]


INDEX = pd.DataFrame([("s", "train", 1000, 10.0)], columns=["sequence", "split", "frames", "fps"])
RARE = range(50, 1001, 25)  # 39 of 1000 frames show a car, and these alone a large box


@pytest.fixture
def rows() -> dict[str, TargetRows]:
    frames = [(frame, 0, 1) for frame in range(1, 1001)] + [(frame, 1, 2) for frame in RARE]
    return {"s": _rows(1000, *frames)}


@pytest.mark.parametrize("kind", ["classes", "sizes"])
def test_the_rare_ones_share_grows_with_the_strength(tmp_path: Path, rows: dict[str, TargetRows], kind: str):
    params = write_params(tmp_path)

    def rare(strength: float) -> int:
        weights = frame_weights(Balance(**{kind: strength}), rows, ("person", "car"))
        clips = draw_training(params, "stage1", "street", 200, INDEX, weights)
        assert len({clip.frames for clip in clips}) == 200
        return sum(clip.frames[0] in RARE for clip in clips)

    counts = [rare(strength) for strength in (0.0, 0.25, 0.5, 1.0)]
    assert counts == sorted(set(counts))  # it grows at every step
    # Weights 1 + S * (sqrt(1000 / 39) - 1): of 200 frames about 8 show it as drawn, and about 24 at S = 1, where a
    # frame that is 5.06 times as heavy is left out with chance 0.8^5.06 rather than 0.8.
    assert counts[0] == pytest.approx(39 * 0.2, abs=6)
    assert counts[-1] == pytest.approx(39 * (1 - 0.82**5.06), abs=7)


def test_balanced_clips_do_not_follow_the_order_of_the_index(tmp_path: Path):
    index = pd.DataFrame([(name, "train", 40, 10.0) for name in "cab"], columns=INDEX.columns)
    rows = {name: _rows(40, (7, 1, 0), *((frame, 0, 1) for frame in range(1, 41))) for name in "abc"}
    weights = frame_weights(Balance(classes=1.0, sizes=0.5), rows, ("person", "car"))
    params = write_params(tmp_path, {"stage1.mixture.clip_length": 2, "stage1.mixture.intervals": [0.2, 0.4]})
    clips = draw_training(params, "stage1", "street", 30, index, weights)
    assert clips == draw_training(params, "stage1", "street", 30, index.iloc[::-1], weights)
    assert sum(7 in clip.frames for clip in clips) >= 3
