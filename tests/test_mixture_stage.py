from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stages import mixture
from stages.errors import InputError
from stages.mixtures.mixture import MIXTURES, Manifest, read_clips, read_manifest, write_mixture
from tests.params_read import declared, read
from tests.rectangles import write_params, write_source

ROOT = Path(__file__).resolve().parent.parent
SEQUENCES = {"a": ("train", 10, 10.0), "b": ("val", 8, 10.0), "c": ("test", 8, 10.0), "d": ("train", 6, 10.0)}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for source in ("street", "air"):
        write_source(tmp_path, source, SEQUENCES)
    write_mixture(MIXTURES / "pretrained", Manifest((), (), 0.0, {}), [])
    write_params(tmp_path)
    return tmp_path


def _frames(stage: str, split: str = "train") -> dict[str, int]:
    counts: dict[str, int] = {}
    for clip in read_clips(MIXTURES / stage, split):
        counts[clip.source] = counts.get(clip.source, 0) + len(clip.frames)
    return counts


def test_two_stages_and_their_replay(project: Path):
    mixture.main("stage1")
    mixture.main("stage2")
    assert _frames("stage1") == {"street": 8} and _frames("stage2") == {"air": 6, "street": 2}
    assert _frames("stage2", "val") == {"air": 2, "street": 2}
    assert read_manifest(MIXTURES / "stage1").seen == ("street",)
    second = read_manifest(MIXTURES / "stage2")
    assert second.seen == ("street", "air") and second.classes == ("person", "car")
    for stage in ("stage1", "stage2"):
        used = {
            (clip.source, clip.sequence) for split in ("train", "val") for clip in read_clips(MIXTURES / stage, split)
        }
        named = read_manifest(MIXTURES / stage).sources
        assert used == {(source, name) for source, meaning in named.items() for name in meaning.sequences}
        assert {clip.sequence for clip in read_clips(MIXTURES / stage, "train")} <= {"a", "d"}
        assert {clip.sequence for clip in read_clips(MIXTURES / stage, "val")} == {"b"}
    summary = json.loads(Path("metrics/mixture/stage2.json").read_text())
    # 10 frames a second, single frames: 0.1 s each
    assert summary == {
        "air": {"frames": 6, "seconds": 0.6, "ids": 4, "boxes": {"person": 6, "car": 6}},
        "street": {"frames": 2, "seconds": 0.2, "ids": summary["street"]["ids"], "boxes": {"person": 2, "car": 2}},
    }
    with (MIXTURES / "stage2/summary.csv").open() as file:
        rows = {(row["source"], row["split"]): row for row in csv.DictReader(file)}
    assert [(*key, row["frames"], row["boxes_car"]) for key, row in rows.items()] == [
        ("air", "train", "6", "6"),
        ("air", "val", "2", "2"),
        ("street", "train", "2", "2"),
        ("street", "val", "2", "2"),
    ]


def test_shares_with_replay_give_exactly_the_whole(project: Path):
    mixture.main("stage1")
    changes = {"sources": {"air": {"share": 1.0}}, "frames": 13, "replay": 0.4}  # 5.2 frames are replayed
    write_params(project, {f"stage2.mixture.{key}": value for key, value in changes.items()})
    mixture.main("stage2")
    assert _frames("stage2") == {"air": 8, "street": 5}


def test_replay_reaches_back_over_several_stages(project: Path):
    source = write_params(project).sources["street"].model_dump(mode="json", exclude={"labels"})
    write_source(project, "sea", SEQUENCES)
    stage = {"mixture": {"sources": {"sea": {"frames": 10}}, "replay": 0.375, "validation_frames": 6}}
    stage |= {"epochs": 1, "lr": 0.1, "memory": {"batch": 1, "image_size": 64}}
    write_params(project, {"sources.sea": source, "curriculum.stage3": {"after": "stage2"}, "stage3": stage})
    for name in ("stage1", "stage2", "stage3"):
        mixture.main(name)
    assert _frames("stage3") == {"sea": 10, "street": 3, "air": 3}
    assert _frames("stage3", "val") == {"sea": 2, "street": 2, "air": 2}
    assert read_manifest(MIXTURES / "stage3").seen == ("street", "air", "sea")


def _run(project: Path, stage: str, hash_seed: str) -> dict[str, bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": hash_seed}
    subprocess.run([sys.executable, "-m", "stages.mixture", stage], cwd=project, env=environment, check=True)
    written = [*sorted((MIXTURES / stage).iterdir()), Path(f"metrics/mixture/{stage}.json")]
    return {path.name: path.read_bytes() for path in written}


def test_row_order_and_hash_seed_change_no_byte(project: Path):
    balance = {"stage1.mixture.balance": {"classes": 1.0, "sizes": 0.5}, "stage1.mixture.clip_length": 2}
    write_params(project, balance | {"stage1.mixture.intervals": [0.1, 0.2]})
    first = _run(project, "stage1", "1")
    index = Path("data/sources/street/index.csv")
    header, *rows = index.read_text().splitlines()
    index.write_text("\n".join([header, *reversed(rows)]) + "\n")
    assert _run(project, "stage1", "2") == first
    assert set(first) == {"clips.csv", "manifest.json", "summary.csv", "stage1.json"}


def test_a_training_frame_that_another_source_tests_on_is_refused(project: Path):
    shutil.copy("data/sources/street/a.zip", "data/sources/air/c.zip")  # what `street` trains on, `air` tests on
    write_params(project, {"stage1.mixture.sources.street.frames": 16})  # all that there is
    with pytest.raises(InputError) as caught:
        mixture.main("stage1")
    place, message = str(caught.value).split(" stage1.mixture.sources: ")
    assert re.fullmatch(r"params\.yaml:\d+:", place)
    same = "`street/a` (train) and `air/c` (test) hold the same frames (10, the first are 1 and 1)"
    assert message.startswith(f"{same}: leave one of the two out of its source")
    assert not (MIXTURES / "stage1").exists()


def test_same_params_same_bytes_and_another_source_changes_nothing(project: Path):
    mixture.main("stage1")
    first = {path.name: path.read_bytes() for path in (MIXTURES / "stage1").iterdir()}
    source = write_params(project).sources["street"].model_dump(mode="json", exclude={"labels"})
    write_source(project, "sea", SEQUENCES)
    write_params(project, {"sources.sea": source, "stage2.mixture.sources": {"sea": {"frames": 3}}})
    mixture.main("stage1")
    assert first == {path.name: path.read_bytes() for path in (MIXTURES / "stage1").iterdir()}


def test_visibility_reaches_the_manifest(project: Path):
    write_params(project, {"stage1.mixture.min_visibility": 0.5})
    mixture.main("stage1")
    assert read_manifest(MIXTURES / "stage1").min_visibility == 0.5


@pytest.mark.parametrize(
    ("stage", "changes", "expected"),
    [
        ("stage3", {}, "stage3: no such stage: params.yaml has stage1, stage2"),
        ("stage2", {}, "data/mixtures/stage1/manifest.json: no mixture (FileNotFoundError): dvc repro mixture@stage1"),
        ("stage1", {"stage1.mixture.sources.street.frames": 17}, "has clips for 16 of the 17 frames asked for"),
    ],
)
def test_errors_name_the_key_and_write_nothing(project: Path, stage: str, changes: dict, expected: str):
    write_params(project, changes)
    with pytest.raises(InputError) as caught:
        mixture.main(stage)
    assert expected in str(caught.value)
    assert not (MIXTURES / stage).exists() and not Path("metrics").exists()


def test_a_class_that_no_training_frame_shows(project: Path):
    write_source(project, "street", SEQUENCES, classes=(1,))
    with pytest.raises(InputError, match=r"params\.yaml:\d+: stage1\.mixture: no training frame shows a `car`: add"):
        mixture.main("stage1")
    assert not (MIXTURES / "stage1").exists()
    write_params(project, {"stage1.mixture.lacks": ["car"]})
    mixture.main("stage1")
    assert json.loads(Path("metrics/mixture/stage1.json").read_text())["street"]["boxes"]["car"] == 0


def test_a_class_that_is_said_to_lack_and_does_not(project: Path):
    write_params(project, {"stage1.mixture.lacks": ["car"]})
    with pytest.raises(InputError, match=r"params\.yaml:\d+: stage1\.mixture\.lacks: training frames do show a `car`"):
        mixture.main("stage1")
    assert not (MIXTURES / "stage1").exists()


def test_dvc_knows_the_params_that_are_read(project: Path):
    inputs = {"curriculum"}  # which mixture comes before: that is a dependency
    assert read(mixture, lambda: mixture.main("stage1")) == declared("mixture") | inputs
