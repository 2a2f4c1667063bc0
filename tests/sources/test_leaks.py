from __future__ import annotations

import binascii
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from stages.errors import InputError
from stages.params import load_params
from stages.sequences.archive import SequenceInfo, write_archive
from stages.sources import leaks, looks
from stages.sources.intake import build_source
from tests.footage import Project, write_sequence

GT = np.array([[1, 1, 0, 0, 9, 9, 1, 1, 1.0]])


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    project = Project(tmp_path)
    project.write_params(footage={"path": "in"})
    return project


def _archive(name: str, *frames: bytes, source: str = "footage") -> None:
    write_archive(Path(f"data/{source}/{name}.zip"), SequenceInfo(name, 10.0, 64, 48, len(frames)), frames, GT)


def _rows(**splits: str) -> list[dict]:
    return [{"sequence": name, "split": split} for name, split in splits.items()]


def _refused(**splits: str) -> str:
    with pytest.raises(InputError) as caught:
        leaks.refuse_leaks("footage", Path("data/footage"), _rows(**splits))
    place, message = str(caught.value).split(" sources.footage.splits: ")
    assert place.startswith("params.yaml:")
    return message


@pytest.mark.parametrize(("first", "second"), [("train", "test"), ("val", "train"), ("test", "val")])
def test_one_frame_in_two_splits_names_both(first: str, second: str):
    _archive("a", b"a1", b"a2", b"same", b"a4")
    _archive("b", b"same", b"b2")
    _archive("c", b"c1")
    message = _refused(c="train", b=second, a=first)
    assert message.startswith(f"`a` ({first}) and `b` ({second}) hold the same frames (1, the first are 3 and 1): ")
    assert "leave one out (`take.sequences`), list both in one split, or move the ranges' bounds" in message


def test_frames_that_both_hold_are_counted():
    _archive("a", b"x", b"1", b"2", b"3")
    _archive("b", b"3", b"2", b"y", b"z")
    assert "(2, the first are 4 and 1)" in _refused(a="train", b="test")


def test_the_same_frame_within_a_split_is_fine():
    _archive("a", b"same", b"same")
    _archive("b", b"same", b"b2")
    _archive("c", b"other")
    leaks.refuse_leaks("footage", Path("data/footage"), _rows(a="train", b="train", c="test"))


def _of_crc(content: bytes, wanted: int) -> bytes:
    """``content`` and four bytes that make its CRC-32 ``wanted``, found by undoing the polynomial's steps."""
    table = [_step(n) for n in range(256)]
    by_top = {value >> 24: n for n, value in enumerate(table)}
    state = wanted ^ 0xFFFFFFFF
    chosen = []
    for _ in range(4):
        index = by_top[state >> 24]
        chosen.append(index)
        state = ((state ^ table[index]) << 8) & 0xFFFFFFFF
    state, tail = binascii.crc32(content) ^ 0xFFFFFFFF, b""
    for index in reversed(chosen):
        tail += bytes([(state ^ index) & 0xFF])
        state = table[index] ^ (state >> 8)
    return content + tail


def _step(value: int) -> int:
    for _ in range(8):
        value = (value >> 1) ^ (0xEDB88320 if value & 1 else 0)
    return value


def test_equal_checksums_are_not_equal_frames():
    one = b"a frame..aaaa"
    other = _of_crc(b"not that.", binascii.crc32(one))
    assert other != one and len(other) == len(one) and binascii.crc32(other) == binascii.crc32(one)
    _archive("a", one)
    _archive("b", other)
    leaks.refuse_leaks("footage", Path("data/footage"), _rows(a="train", b="test"))
    _archive("c", b"..", one)
    assert "`b`" not in (message := _refused(a="train", b="test", c="test"))
    assert "`a` (train) and `c` (test) hold the same frames (1, the first are 1 and 2)" in message


def test_a_source_with_a_leak_is_not_built(project: Project):
    write_sequence(Path("in/walk"), frames=6)
    shifted = write_sequence(Path("in/copy"), frames=9)
    for frame in range(1, 6):  # the first five differ in a byte; frame 6 stays the same
        content = (shifted / f"img1/{frame:06d}.jpg").read_bytes()
        (shifted / f"img1/{frame:06d}.jpg").write_bytes(content.replace(b"JFIF", b"JFXX", 1))
    project.write_params(footage={"path": "in", "splits": {"train": ["walk"], "test": ["copy"]}})
    with pytest.raises(InputError) as caught:
        build_source("footage", load_params())
    same = "`copy` (test) and `walk` (train) hold the same frames (1, the first are 6 and 6)"
    assert str(caught.value).startswith(f"params.yaml:11: sources.footage.splits: {same}")
    assert list(Path("data/sources").iterdir()) == []


def _index(**splits: str) -> pd.DataFrame:
    return pd.DataFrame(_rows(**splits))


def test_training_frames_are_checked_against_every_source():
    _archive("a", b"a1", b"a2", b"a3", source="one")
    _archive("v", b"v1", source="one")
    _archive("b", b"b1", b"a3", source="two")
    indexes = {"one": _index(a="train", v="val"), "two": _index(b="test")}
    with pytest.raises(InputError) as caught:
        leaks.refuse_trained_on("stage1", {("one", "a"): {1, 3}}, indexes, Path("data"))
    assert (
        "stage1.mixture.sources: `one/a` (train) and `two/b` (test) hold the same frames (1, the first are 3 and 2)"
        in (str(caught.value))
    )
    leaks.refuse_trained_on("stage1", {("one", "a"): {1, 2}}, indexes, Path("data"))  # frame 3 is not trained on
    indexes["two"]["split"] = "train"
    leaks.refuse_trained_on("stage1", {("one", "a"): {1, 3}}, indexes, Path("data"))


@pytest.mark.parametrize("content", [None, b"PK nothing"])
def test_an_archive_that_is_gone_or_damaged_is_named(content: bytes | None):
    Path("data/one").mkdir(parents=True)
    if content:
        Path("data/one/a.zip").write_bytes(content)
    with pytest.raises(InputError, match=r"^data/one/a\.zip: no such archive, or a damaged one: run `dvc repro downlo"):
        leaks.refuse_trained_on("stage1", {("one", "a"): {1}}, {}, Path("data"))


def _picture(seed: int, quality: int = 95, brighter: int = 0) -> bytes:
    """A JPEG of soft blobs, 320x240."""
    coarse = np.random.default_rng(seed).uniform(20, 200, (8, 10)).astype(np.float32)
    image = cv2.resize(coarse, (320, 240), interpolation=cv2.INTER_CUBIC) + brighter
    return cv2.imencode(".jpg", image.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def _warned(capsys: pytest.CaptureFixture[str], **splits: str) -> str:
    leaks.warn_of_near_copies("footage", Path("data/footage"), _rows(**splits))
    return capsys.readouterr().err


def test_near_copies_are_counted_by_pair(capsys: pytest.CaptureFixture[str]):
    _archive("a", *(_picture(seed) for seed in (1, 2, 3)))
    _archive("b", *(_picture(seed) for seed in (4, 5)))
    _archive("c", _picture(1, quality=40), _picture(6), _picture(3, brighter=12))
    _archive("d", _picture(7), _picture(5, quality=60))
    said = _warned(capsys, a="train", b="train", c="test", d="test")
    assert said.startswith("warning: params.yaml:") and said.count("\n") == 1
    counts = "3 of 5 sampled test frames look like a training frame (`c` like `a` 2 of 3, `d` like `b` 1 of 2): "
    assert f" sources.footage: {counts}" in said
    assert _warned(capsys, a="train", b="val", c="train", d="test") == ""  # of train and test only


def test_many_pairs_are_one_line(capsys: pytest.CaptureFixture[str]):
    for name in "abcdef":
        _archive(name, _picture(1, quality=50 + ord(name) % 50))
    said = _warned(capsys, a="train", b="train", c="train", d="test", e="test", f="test")
    shown = "(`d` like `a` 1 of 1, `d` like `b` 1 of 1, `d` like `c` 1 of 1, and 6 more pairs)"
    assert f"3 of 3 sampled test frames look like a training frame {shown}" in said


def test_frames_without_contrast_and_broken_ones_are_not_compared(capsys: pytest.CaptureFixture[str]):
    black = cv2.imencode(".png", np.zeros((48, 64), np.uint8))[1].tobytes()
    dark = cv2.imencode(".png", np.ones((48, 64), np.uint8))[1].tobytes()
    _archive("a", black, b"broken")
    _archive("b", dark, b"also broken")
    assert _warned(capsys, a="train", b="test") == ""


def test_the_hash_tells_where_it_gets_darker_to_the_right():
    falling = np.repeat(np.arange(90, 0, -1, np.uint8)[None] * 2, 80, axis=0)
    assert looks.difference_hash(falling) == 2**64 - 1
    assert looks.difference_hash(falling[:, ::-1].copy()) == 0
    half = np.vstack([falling[:40], falling[:40, ::-1]])
    assert looks.difference_hash(half) == (2**32 - 1) << 32
    assert looks.difference_hash(np.full((80, 90), 7, np.uint8)) is None


def test_hashes_are_alike_up_to_ten_bits():
    assert looks.alike(np.array([0], np.uint64), np.array([2**10 - 1, 2**11 - 1, 0], np.uint64)).tolist() == [
        [True, False, True]
    ]


def test_frames_are_sampled_evenly(monkeypatch: pytest.MonkeyPatch):
    _archive("long", *(_picture(seed) for seed in range(9)))
    monkeypatch.setattr(looks, "SAMPLES", 3)
    sampled = looks.looks_of([Path("data/footage/long.zip")])[0]
    monkeypatch.setattr(looks, "SAMPLES", 32)
    everything = looks.looks_of([Path("data/footage/long.zip")])[0]
    assert len(everything) == 9 and sampled.tolist() == everything[[0, 4, 8]].tolist()
    monkeypatch.setattr(looks, "_MOST", 2)
    assert [len(hashes) for hashes in looks.looks_of([Path("data/footage/long.zip")] * 2)] == [1, 1]


def test_neighbouring_ranges_of_one_camera_are_warned_of(
    real_data: Path, project: Project, capsys: pytest.CaptureFixture
):
    ranges = {"early": {"frames": [1, 40], "split": "train"}, "late": {"frames": [81, 120], "split": "test"}}
    source = {"path": str(real_data / "pets09-s2l1"), "ranges": {"PETS09-S2L1": ranges}}
    project.write_params(footage=source | {"classes": {"pedestrian": "person"}}, other={"path": "in"})
    build_source("footage", load_params())
    said = capsys.readouterr().err
    assert "32 of 32 sampled test frames look like a training frame (`PETS09-S2L1-late` like" in said
    with zipfile.ZipFile("data/sources/footage/PETS09-S2L1-late.zip") as archive:
        assert len(archive.namelist()) == 42
