from __future__ import annotations

from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from stages.errors import InputError
from stages.mixtures.mixing import Clip, budgets, draw_training, draw_validation
from stages.params import Params
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
    assert clips == sorted(clips)


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


@pytest.mark.parametrize(
    ("frames", "changes", "found"), [(191, {}, 190), (8, {"clip_length": 2, "intervals": [99.0]}, 0)]
)
def test_asking_for_more_than_there_is(tmp_path: Path, frames: int, changes: dict, found: int):
    with pytest.raises(InputError) as caught:
        _draw(tmp_path, frames, **changes)
    text = f"params.yaml: stage1.mixture: `street` has clips for {found} of the {frames} frames asked for"
    assert str(caught.value).startswith(text) and "sources.street" in str(caught.value)


def test_no_training_sequence_names_the_source(tmp_path: Path):
    with pytest.raises(InputError, match=r"data/sources/street/index.csv: no sequence in split `train`: give sources"):
        _draw(tmp_path, 4, INDEX[INDEX.split != "train"])


@pytest.mark.parametrize(
    ("own", "replay", "seen", "expected"),
    [
        ({"air": 60}, 0.25, ["street"], {"air": 60, "street": 20}),
        ({"air": 6}, 0.25, ["street"], {"air": 6, "street": 2}),
        ({"air": 50, "sea": 40}, 0.1, ["street"], {"air": 50, "sea": 40, "street": 10}),
        ({"air": 63}, 0.25, ["street", "sea"], {"air": 63, "street": 11, "sea": 10}),
        ({"air": 60}, 0.5, ["street", "air"], {"air": 60, "street": 60}),
        ({"air": 60}, 0.0, ["street"], {"air": 60}),
        ({"air": 3}, 0.25, ["street", "sea"], {"air": 3, "street": 1}),
    ],
)
def test_replay_is_a_share_of_the_whole(tmp_path: Path, own: dict, replay: float, seen: list, expected: dict):
    changes = {"stage2.mixture.sources": {name: {"frames": frames} for name, frames in own.items()}}
    changes |= {"stage2.mixture.replay": replay}
    sources = write_params(tmp_path).sources["street"].model_dump(mode="json", exclude={"labels"})
    params = write_params(tmp_path, changes | {"sources.sea": sources})
    frames = budgets(params, "stage2", seen)
    assert frames == expected
    replayed = sum(count for name, count in frames.items() if name not in own)
    assert abs(replayed - replay * sum(frames.values())) <= 0.5


def test_replay_with_nothing_to_replay(tmp_path: Path):
    params = write_params(tmp_path, {"stage2.mixture.replay": 0.5})
    with pytest.raises(InputError, match=r"stage2\.mixture\.replay: the stages before had no other source"):
        budgets(params, "stage2", ["air"])


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
