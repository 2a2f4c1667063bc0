"""Keys of `mixture`: they act through the stage `mixture` on what training sees."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.errors import InputError
from stages.mixtures import targets
from stages.mixtures.mixing import Clip
from stages.mixtures.mixture import MIXTURES, read_clips
from tests.rectangles import write_source
from tests.runs import SEQUENCES
from tests.training_keys import STILL, Row, Run, Train


def _clips(stage: str = "stage1") -> list[Clip]:
    return read_clips(MIXTURES / stage, "train")


def sources(train: Train) -> None:
    run = train(**{"mixture.sources": {"air": {"frames": 5}, "street": {"frames": 3}}})
    assert [clip.source for clip in _clips()] == ["air"] * 5 + ["street"] * 3
    assert [len(seen) for seen in run.script.batches] == [4, 4, 4, 4]


def frames(train: Train) -> None:
    shares = {"air": {"share": 0.25}, "street": {"share": 0.75}}
    run = train(**{"mixture.sources": shares, "mixture.frames": 8})
    assert [clip.source for clip in _clips()] == ["air"] * 2 + ["street"] * 6
    assert sum(len(seen) for seen in run.script.batches) == 2 * 8


def _more_cars(train: Train, key: str) -> None:
    """Where every sixth of 60 frames shows a car, balance finds more of them for the same 12 frames."""
    write_source(Path.cwd(), "street", {"a": ("train", 60, 10.0), "b": ("val", 8, 10.0)}, second_every=6)

    def cars(strength: float) -> int:
        run = train(**STILL | {"mixture.sources": {"street": {"frames": 12}}, key: strength})
        return sum(int((seen.classes == 1).sum()) for seen in run.script.batches[:3])

    assert 0 < cars(0.0) < cars(1.0)


def balance_classes(train: Train) -> None:
    _more_cars(train, "mixture.balance.classes")


def balance_sizes(train: Train) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(targets, "_AREAS", [284.0, 1000.0])  # between cars (20x14) and people (12x24)
        _more_cars(train, "mixture.balance.sizes")


def replay(train: Train) -> None:
    run = train("stage2", **{"mixture.replay": 0.5})
    assert [clip.source for clip in _clips("stage2")] == ["air"] * 6 + ["street"] * 6
    assert sum(len(seen) for seen in run.script.batches) == 2 * 12


def lacks(train: Train) -> None:
    with pytest.raises(InputError, match=r"stage1\.mixture\.lacks: training frames do show a `car`"):
        train(**{"mixture.lacks": ["car"]})
    write_source(Path.cwd(), "street", SEQUENCES, classes=(1,))
    with pytest.raises(InputError, match="no training frame shows a `car`"):
        train()
    run = train(**{"mixture.lacks": ["car"]})
    assert {number for seen in run.script.batches for number in seen.classes.tolist()} == {0}


def clip_length(train: Train) -> None:
    run = train(**STILL | {"mixture.clip_length": 4, "mixture.intervals": [0.1]})
    assert [len(clip.frames) for clip in _clips()] == [4, 4]
    left = run.first.boxes[::2, 0]  # the person of four successive frames of one clip, 3 pixels on each time
    assert set(left.diff().tolist()) <= {3.0, -37.0}


def intervals(train: Train) -> None:
    train(**{"mixture.clip_length": 2, "mixture.intervals": [0.4]})
    assert {clip.frames[1] - clip.frames[0] for clip in _clips()} == {4}


def validation_frames(train: Train) -> None:
    run = train(**{"mixture.validation_frames": 3})
    assert [shape[0] for shape in run.script.validated] == [3, 3]


def min_visibility(train: Train) -> None:
    def cars(run: Run) -> int:
        return sum(int((seen.classes == 1).sum()) for seen in run.script.batches[:2])

    assert cars(train(**STILL)) == 8
    hidden = sum(clip.frames[0] % 2 == 0 for clip in _clips())
    assert 0 < hidden < 8
    assert cars(train(**STILL | {"mixture.min_visibility": 0.6})) == 8 - hidden


ROWS: dict[str, Row] = {
    "mixture.sources": sources,
    "mixture.frames": frames,
    "mixture.balance.classes": balance_classes,
    "mixture.balance.sizes": balance_sizes,
    "mixture.replay": replay,
    "mixture.lacks": lacks,
    "mixture.clip_length": clip_length,
    "mixture.intervals": intervals,
    "mixture.validation_frames": validation_frames,
    "mixture.min_visibility": min_visibility,
}


@pytest.mark.parametrize("key", ROWS)
def test_the_key_acts(key: str, train: Train):
    ROWS[key](train)
