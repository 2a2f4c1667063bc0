from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.errors import InputError
from stages.mixtures.mixing import Clip, draw_training, draw_validation, in_order
from stages.params import Params
from stages.sequences.seeds import generator
from tests.rectangles import write_params

ROWS = [
    ("slow", "train", 60, 5.0),
    ("fast", "train", 90, 30.0),
    ("odd", "train", 40, 12.5),
    ("held", "val", 50, 10.0),
    ("kept", "val", 25, 10.0),
    ("final", "test", 50, 10.0),
]
INDEX = pd.DataFrame(ROWS, columns=["sequence", "split", "frames", "fps"])
FPS, LENGTH = dict(zip(INDEX.sequence, INDEX.fps, strict=True)), dict(zip(INDEX.sequence, INDEX.frames, strict=True))


def _params(folder: Path, **changes: object) -> Params:
    return write_params(folder, {f"stage1.mixture.{key}": value for key, value in changes.items()})


def _draw(folder: Path, frames: int, index: pd.DataFrame = INDEX, **changes: object) -> list[Clip]:
    return draw_training(_params(folder, **{"clip_length": 1} | changes), "stage1", "street", frames, index)


@pytest.mark.parametrize("length", [1, 2, 4])
@pytest.mark.parametrize("frames", [4, 17, 64])
def test_budgets_are_exact(tmp_path: Path, frames: int, length: int):
    clips = _draw(tmp_path, frames, clip_length=length, intervals=[0.1])
    sizes = [len(clip.frames) for clip in clips]
    assert sum(sizes) == frames and Counter(sizes)[length] >= frames // length and len(sizes) == -(-frames // length)


def test_clips_lie_in_training_sequences_and_start_at_frames_of_their_own(tmp_path: Path):
    clips = _draw(tmp_path, 120, clip_length=2, intervals=[0.2, 1.0])
    assert {clip.sequence for clip in clips} == {"slow", "fast", "odd"} and {clip.split for clip in clips} == {"train"}
    assert all(min(clip.frames) >= 1 and max(clip.frames) <= LENGTH[clip.sequence] for clip in clips)
    anchors = [(clip.sequence, clip.frames[0]) for clip in clips]
    assert len(set(anchors)) == len(anchors)
    assert clips == in_order(clips) and clips[0].sequence == "fast"


def test_all_frames_of_the_split_can_be_asked_for(tmp_path: Path):
    clips = _draw(tmp_path, 190)
    assert Counter(clip.sequence for clip in clips) == {"slow": 60, "fast": 90, "odd": 40}


# Steps in frames, by hand: 0.4 s is 2 frames at 5 a second, 12 at 30 and 5 at 12.5; under a frame is one frame.
STEPS = {0.4: {"slow": 2, "fast": 12, "odd": 5}, 0.1: {"slow": 1, "fast": 3, "odd": 1}}


def test_intervals_are_seconds_of_each_sequences_own_clock(tmp_path: Path):
    clips = _draw(tmp_path, 160, clip_length=4, intervals=[0.4, 0.1])
    assert {clip.interval for clip in clips} == {0.4, 0.1}
    for clip in clips:
        step = STEPS[clip.interval][clip.sequence]
        assert clip.frames == tuple(range(clip.frames[0], clip.frames[0] + 4 * step, step))


def test_the_order_of_the_index_does_not_matter(tmp_path: Path):
    assert (
        _draw(tmp_path, 40)
        == _draw(tmp_path, 40, INDEX.iloc[::-1])
        == _draw(tmp_path, 40, INDEX.sample(frac=1, random_state=0))
    )


def test_the_seed_matters_and_other_stages_and_sources_do_not(tmp_path: Path):
    def draw(changes: dict, stage: str = "stage1", source: str = "street") -> list[tuple]:
        clips = draw_training(write_params(tmp_path, changes), stage, source, 30, INDEX)
        return [(clip.sequence, clip.frames) for clip in clips]

    base = draw({})
    assert draw({"seed": 1}) != base
    third = {"curriculum.stage3": {"after": "stage2"}, "stage3": {"mixture": {"sources": {"air": {"frames": 4}}}}}
    third["stage3"] |= {"epochs": 1, "lr": 0.1, "memory": {"batch": 1, "image_size": 64}}
    assert draw(third) == base
    assert draw({"stage1.mixture.sources.air": {"frames": 30}, "stage2.lr": 0.5}) == base
    assert draw({}, source="air") != base != draw({}, stage="stage2")


# 190 training frames; by hand: clips of 4 frames 2.0 s apart span 1 + 3 * 10, 60 and 25 frames: 30 fit into `slow`.
@pytest.mark.parametrize(
    ("frames", "changes", "found"),
    [(191, {}, 190), (124, {"clip_length": 4, "intervals": [2.0]}, 120), (191, {"clip_length": 2}, 190)],
)
def test_asking_for_more_than_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frames: int, changes: dict, found: int
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        _draw(tmp_path, frames, **changes)
    what = f"`street` has clips for {found} of the {frames} frames asked for; its training split has 190 frames: "
    assert what in str(caught.value) and f"ask for at most {found}" in str(caught.value)
    assert re.match(r"params\.yaml:\d+: stage1\.mixture\.sources\.street\.frames: ", str(caught.value))
    assert len(_draw(tmp_path, found, **changes)) == found / changes.get("clip_length", 1)


def _drawn_one_by_one(seed: int, frames: int, length: int, intervals: list[float]) -> list[tuple]:
    """The rule in plain words: shuffle all training frames, draw each one's interval, keep what fits, until full."""
    names = ["fast", "odd", "slow"]
    rng = generator(seed, "mixture", "stage1", "street")
    kept: list[tuple] = []
    for row, first in rng.permutation([(row, f) for row, name in enumerate(names) for f in range(1, LENGTH[name] + 1)]):
        interval = rng.choice(intervals)
        step, size = max(1, round(interval * FPS[names[row]])), min(length, frames - len(kept) * length)
        if size > 0 and first + (size - 1) * step <= LENGTH[names[row]]:
            kept.append((names[row], tuple(range(first, first + (size - 1) * step + 1, step)), interval))
    return sorted(kept)


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize(("frames", "length", "intervals"), [(60, 1, [0.5]), (61, 4, [0.4, 0.1]), (15, 2, [0.1, 1, 2])])
def test_clips_without_balance_are_drawn_by_this_rule(
    tmp_path: Path, seed: int, frames: int, length: int, intervals: list[float]
):
    changes = {"seed": seed, "stage1.mixture.clip_length": length, "stage1.mixture.intervals": intervals}
    params = write_params(tmp_path, changes)
    clips = draw_training(params, "stage1", "street", frames, INDEX)
    found = [(clip.sequence, clip.frames, clip.interval) for clip in clips]
    assert found == _drawn_one_by_one(seed, frames, length, intervals)


def test_weights_prefer_clips_by_their_heaviest_frame(tmp_path: Path):
    params = _params(tmp_path, clip_length=2, intervals=[0.2])
    weights = {"slow": np.ones(60), "fast": np.ones(90), "odd": np.ones(40)}
    assert draw_training(params, "stage1", "street", 40, INDEX, weights) == draw_training(
        params, "stage1", "street", 40, INDEX
    )
    weights["odd"][19] = 1e9  # frame 20; 0.2 s are 2 frames there (2.5, rounded to even)
    drawn = draw_training(params, "stage1", "street", 4, INDEX, weights)
    assert [(clip.sequence, clip.frames) for clip in drawn] == [("odd", (18, 20)), ("odd", (20, 22))]


def test_weights_are_chances(tmp_path: Path):
    """One of two sequences weighs three times as much: of the first draw it is three in four."""
    index = pd.DataFrame([("a", "train", 50, 5.0), ("b", "train", 50, 5.0)], columns=INDEX.columns)
    weights = {"a": np.ones(50), "b": np.full(50, 3.0)}
    first = [
        draw_training(write_params(tmp_path, {"seed": seed}), "stage1", "street", 1, index, weights)[0].sequence
        for seed in range(200)
    ]
    assert first.count("b") == pytest.approx(150, abs=25)  # four standard deviations


def test_no_training_sequence_names_the_source(tmp_path: Path):
    with pytest.raises(InputError, match=r"data/sources/street/index.csv: no sequence in split `train`: give sources"):
        _draw(tmp_path, 4, INDEX[INDEX.split != "train"])


def test_validation_frames_are_even_over_sources_and_frames(tmp_path: Path):
    clips = draw_validation(_params(tmp_path, validation_frames=7), "stage1", ["a", "b"], {"a": INDEX, "b": INDEX})
    assert Counter(clip.source for clip in clips) == {"a": 4, "b": 3}
    assert {(clip.split, len(clip.frames), clip.interval) for clip in clips} == {("val", 1, 0.0)}
    # 75 frames, `held` 1 to 50 before `kept` 1 to 25: places 0, 24.67, 49.33 and 74.
    places = [(clip.sequence, clip.frames[0]) for clip in clips if clip.source == "a"]
    assert places == [("held", 1), ("held", 26), ("held", 50), ("kept", 25)]


def test_fewer_validation_frames_than_asked_for_are_all_taken_once(tmp_path: Path):
    clips = draw_validation(_params(tmp_path, validation_frames=500), "stage1", ["a"], {"a": INDEX})
    assert len(clips) == len(set(clips)) == 75
