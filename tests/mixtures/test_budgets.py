from __future__ import annotations

import re
from pathlib import Path

import pytest

from stages.errors import InputError
from stages.mixtures.budgets import apportion, budgets, more_of
from stages.params import Params
from tests.rectangles import PARAMS, write_params

NAMES = ("street", "air", "sea", "port")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)


def _params(own: dict, **mixture: object) -> Params:
    """Params whose stage2 mixes ``own``: frames, or shares where ``frames`` says of how many."""
    key = "share" if "frames" in mixture else "frames"
    changes = {f"stage2.mixture.{name}": value for name, value in mixture.items()}
    changes |= {"stage2.mixture.sources": {name: {key: value} for name, value in own.items()}}
    return write_params(Path(), changes | {f"sources.{name}": PARAMS["sources"]["air"] for name in NAMES})


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
        ({"air": 300}, 0.4, ["street", "sea", "port"], {"air": 300, "street": 67, "sea": 67, "port": 66}),
    ],
)
def test_replay_is_a_share_of_the_whole(own: dict, replay: float, seen: list, expected: dict):
    frames = budgets(_params(own, replay=replay), "stage2", seen)
    assert frames == expected
    replayed = sum(count for name, count in frames.items() if name not in own)
    assert abs(replayed - replay * sum(frames.values())) <= 0.5


@pytest.mark.parametrize(
    ("own", "total", "replay", "seen", "expected"),
    [
        ({"air": 0.75, "street": 0.25}, 12000, 0.0, [], {"air": 9000, "street": 3000}),
        ({"air": 0.75, "sea": 0.25}, 12000, 0.25, ["street"], {"air": 6750, "sea": 2250, "street": 3000}),
        ({"air": 0.75, "sea": 0.25}, 10, 0.25, ["street", "port"], {"air": 6, "sea": 2, "street": 1, "port": 1}),
        ({"air": 0.1, "sea": 0.2, "port": 0.7}, 11, 0.0, [], {"air": 1, "sea": 2, "port": 8}),
        ({"air": 1.0}, 7, 0.5, ["street", "air", "sea"], {"air": 3, "street": 2, "sea": 2}),
        ({"air": 0.33333, "sea": 0.33333, "port": 0.33334}, 10, 0.0, [], {"air": 3, "sea": 3, "port": 4}),
    ],
)
def test_shares_are_of_the_whole_with_its_replay(own: dict, total: int, replay: float, seen: list, expected: dict):
    frames = budgets(_params(own, frames=total, replay=replay), "stage2", seen)
    assert frames == expected
    assert sum(frames.values()) == total


@pytest.mark.parametrize("total", [1, 2, 3, 10, 99, 12_345])
def test_apportioned_numbers_sum_to_the_whole_and_are_next_to_their_shares(total: int):
    shares = {"a": 0.07, "b": 0.58, "c": 0.2, "d": 0.15}
    parts = apportion(total, shares)
    assert list(parts) == list(shares) and sum(parts.values()) == total
    assert all(abs(parts[name] - total * share) < 1 for name, share in shares.items())


@pytest.mark.parametrize(
    ("own", "mixture", "seen", "words"),
    [
        ({"air": 9}, {"replay": 0.5}, ["air"], "replay: the stages before had no other source to replay: set it to 0"),
        ({"air": 1}, {"replay": 0.25}, ["street"], "replay: that share of so few frames is no frame: raise it"),
        ({"air": 1.0}, {"frames": 1, "replay": 0.25}, ["street"], "replay: that share of so few frames is no frame"),
        ({"air": 0.9, "sea": 0.1}, {"frames": 3}, [], "sources.sea.share: `sea` gets none of 3 frames: raise"),
    ],
)
def test_what_comes_to_nothing_is_named(own: dict, mixture: dict, seen: list, words: str):
    with pytest.raises(InputError) as caught:
        budgets(_params(own, **mixture), "stage2", seen)
    assert re.match(r"params\.yaml:\d+: stage2\.mixture\.", str(caught.value)) and words in str(caught.value)


WORLD = {
    "format": "world",
    "view": "air",
    "sequences": {"train": 3, "val": 1},
    "frames": 60,
    "classes": {"person": "person", "car": "car", "hidden": "distractor"},
}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (WORLD, "raise sources.air.frames (60) or sources.air.sequences.train (3)"),
        ({}, "give sources.air a larger training split (all of it is taken)"),
        ({"take": {"frames": 50}}, "raise sources.air.take.frames (50)"),
        (
            {"take": {"sequences": 4, "stride": 3}},
            "raise sources.air.take.sequences (4) or lower sources.air.take.stride (3)",
        ),
        ({"take": {"sequences": ["a", "b"]}}, "name more in sources.air.take.sequences (2)"),
    ],
)
def test_which_keys_give_more_of_a_source(source: dict, expected: str):
    source = source if "view" in source else PARAMS["sources"]["air"] | source
    assert more_of(write_params(Path(), {"sources.air": source}), "air") == expected
