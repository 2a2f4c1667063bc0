from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import yaml

from stages.errors import InputError
from stages.params import MotChallengeSource, load_params
from stages.sequences.index import read_index
from stages.sources.intake import build_source
from stages.sources.splits import Piece, pieces_of, position, split_by_share
from tests.footage import Project, write_sequence

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


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Eight sequences whose frames all differ, in a folder without splits of its own."""
    monkeypatch.chdir(tmp_path)
    for number in range(8):
        write_numbered(tmp_path, number)
    return Project(tmp_path)


def write_numbered(folder: Path, number: int) -> None:
    """Write sequence `s<number>`; a JPEG's comment tells its frames from those of the others."""
    sequence = write_sequence(folder / f"in/s{number}", frames=3)
    for path in (sequence / "img1").iterdir():
        content, note = path.read_bytes(), f"s{number}".encode()
        path.write_bytes(content[:2] + b"\xff\xfe" + (len(note) + 2).to_bytes(2, "big") + note + content[2:])


def locked(project: Project, changes: dict | None = None, **sources: dict) -> dict[str, str]:
    """Sequence to split in the index.csv that `build_source` writes."""
    project.write_params(footage={"path": "in", "splits": SHARES | {"val": 0.3, "train": 0.5}}, **sources)
    params = yaml.safe_load(Path("params.yaml").read_text())
    for place, value in (changes or {}).items():
        block, key = params, place.split(".")
        for part in key[:-1]:
            block = block[part]
        block[key[-1]] = value
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    build_source("footage", load_params())
    return dict(read_index("footage")[["sequence", "split"]].itertuples(index=False))


def test_the_lock_holds_whatever_else_changes(project: Project):
    first = locked(project)
    # sha256sum of footage/s0 to footage/s7, as shares of 1: under 0.5 train, under 0.8 val, else test.
    assert first == {name: expected_split(name) for name in (f"s{number}" for number in range(8))}
    assert set(first.values()) == {"train", "val", "test"}
    assert locked(project, {"seed": 99}) == first
    assert locked(project, {"stage1.mixture.sources.footage.frames": 2, "stage1.mixture.clip_length": 2}) == first
    assert locked(project, {"classes": ["car", "person"], "sources.footage.take": {"frames": 2}}) == first
    assert locked(project, more={"path": "elsewhere"}, alpha={"path": "in"}) == first
    for number in (10, 11, 12):
        write_numbered(project.folder, number)
    more = locked(project)
    assert len(more) == 11 and {name: more[name] for name in first} == first
    fewer = locked(project, {"sources.footage.take": {"sequences": 9}})
    assert len(fewer) == 9 and fewer.items() < more.items()


def expected_split(name: str) -> str:
    place = int(hashlib.sha256(f"footage/{name}".encode()).hexdigest(), 16) / 16**64
    return "train" if place < 0.5 else "val" if place < 0.8 else "test"


def test_a_group_goes_into_one_split_by_its_own_name():
    shares = {"train": 0.5, "val": 0.2, "test": 0.3}
    cameras = {f"s{scene:02d}-c{camera}": f"s{scene:02d}" for scene in range(40) for camera in range(3)}
    found = pieces_of("town", source(splits=shares), dict.fromkeys(cameras), cameras)
    together = {scene: {piece.split for piece in found if cameras[piece.name] == scene} for scene in cameras.values()}
    assert together == {scene: {split_by_share("town", scene, shares)} for scene in together}
    assert {split for splits in together.values() for split in splits} == {"train", "val", "test"}


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
