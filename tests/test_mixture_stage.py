from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages import mixture
from stages.errors import InputError
from stages.mixtures.mixture import MIXTURES, Manifest, read_clips, read_manifest, write_mixture
from tests.rectangles import write_params, write_source

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
    assert summary["street"] == {
        "train": {"frames": 2, "person": 2, "car": 2},
        "val": {"frames": 2, "person": 2, "car": 2},
    }


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
    assert json.loads(Path("metrics/mixture/stage1.json").read_text())["street"]["train"]["car"] == 0


def test_a_class_that_is_said_to_lack_and_does_not(project: Path):
    write_params(project, {"stage1.mixture.lacks": ["car"]})
    with pytest.raises(InputError, match=r"params\.yaml:\d+: stage1\.mixture\.lacks: training frames do show a `car`"):
        mixture.main("stage1")
    assert not (MIXTURES / "stage1").exists()
