from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from stages.errors import InputError
from stages.params import MotChallengeSource
from stages.sources.splits import Piece, pieces_of, position, split_by_share

PARAMS = """sources:
  town:
    take: {sequences: [a]}
    splits:
      train: 0.5
      test: 0.5
    ranges: {}
"""
LINES = {"take.sequences": 3, "splits": 4, "splits.train": 5, "splits.test": 6, "ranges": 7, "ranges.x": 7}
SHARES = {"train": 0.7, "val": 0.1, "test": 0.2}
NAMES = [f"seq{number:03d}" for number in range(300)]


def source(**keys: object) -> MotChallengeSource:
    return MotChallengeSource.model_validate(
        {"format": "motchallenge", "path": "in", "classes": {}, **keys}, strict=False
    )


def splits(name: str, found: list[str], **keys: object) -> dict[str, str]:
    return {piece.name: piece.split for piece in pieces_of(name, source(**keys), dict.fromkeys(found))}


def test_position_is_the_hash_of_the_two_names():
    digest = hashlib.sha256(b"town/seq001").hexdigest()
    assert position("town", "seq001") == pytest.approx(int(digest[:12], 16) / 16**12, abs=1e-12)
    assert 0 <= min(position("town", name) for name in NAMES) < 0.02
    assert 0.98 < max(position("town", name) for name in NAMES) < 1


def test_shares_are_met_on_the_whole_and_locked():
    counts = {split: list(splits("town", NAMES, splits=SHARES).values()).count(split) for split in SHARES}
    assert counts["train"] == pytest.approx(210, abs=25)
    assert counts["val"] == pytest.approx(30, abs=16)
    # sha256sum's digits as shares of 1: .2196 .9969 .0776 .6983 .3699 .6635; another rule would move sequences.
    locked = ["train", "test", "train", "train", "train", "train"]
    assert [split_by_share("town", name, SHARES) for name in NAMES[:6]] == locked


def test_nothing_else_moves_a_sequence():
    whole = splits("town", NAMES, splits=SHARES)
    fewer = splits("town", NAMES, splits=SHARES, take={"sequences": NAMES[:40], "frames": 3, "stride": 2})
    assert fewer == {name: whole[name] for name in NAMES[:40]}
    more = splits("town", [*NAMES, "another", "0first"], splits=dict(reversed(SHARES.items())))
    assert {name: more[name] for name in NAMES} == whole
    assert splits("city", NAMES, splits=SHARES) != whole


def test_growing_train_takes_from_the_others_only():
    before, after = (splits("town", NAMES, splits={"train": share, "test": 1 - share}) for share in (0.5, 0.75))
    assert {name for name in NAMES if before[name] == "train"} < {name for name in NAMES if after[name] == "train"}


def test_lists_and_ranges():
    ranges = {"long": {"a": {"frames": [1, 50], "split": "train"}, "b": {"frames": [61, 90], "split": "val"}}}
    found = pieces_of(
        "town", source(splits={"test": ["short"], "train": []}, ranges=ranges), dict.fromkeys(["short", "long"])
    )
    assert found == [
        Piece("long-a", "long", "train", 1, 50),
        Piece("long-b", "long", "val", 61, 90),
        Piece("short", "short", "test"),
    ]


RANGE = {"a": {"frames": [1, 2], "split": "train"}}


@pytest.mark.parametrize(
    ("keys", "where", "words"),
    [
        ({"splits": {"test": ["a", "x"]}}, "splits.test", "no sequence `x` in in: there are a, a-a, b"),
        ({"splits": {"test": ["a"]}}, "splits", "`a-a` is in no split: add it to a list"),
        ({"splits": {"test": 1.0}, "take": {"sequences": ["x"]}}, "take.sequences", "no sequence `x`"),
        ({"splits": {"test": 1.0}, "ranges": {"x": RANGE}}, "ranges.x", "no sequence `x`"),
        ({"ranges": {"a": RANGE}}, "splits", "`a-a` is in no split"),
        ({"splits": {"test": ["a", "b", "a-a"]}, "ranges": {"a": RANGE}}, "splits.test", "stands in a list and is cut"),
        ({"splits": {"test": 1.0}, "ranges": {"a": RANGE}}, "ranges", "two sequences would be named `a-a`"),
        (
            {"splits": {"train": ["a"], "test": ["b"]}, "take": {"sequences": ["a"]}},
            "splits.test",
            "the split stays empty: none of 1 sequences taken",
        ),
        ({"splits": {"train": 1e-9, "test": 1 - 1e-9}}, "splits.train", "the split stays empty: none of 3 sequences"),
    ],
)
def test_contradictions_name_line_and_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: dict, where: str, words: str
):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(PARAMS)
    with pytest.raises(InputError) as caught:
        pieces_of("town", source(**keys), dict.fromkeys(["b", "a", "a-a"]))
    assert str(caught.value).startswith(f"params.yaml:{LINES[where]}: sources.town.{where}: ")
    assert words in str(caught.value)
