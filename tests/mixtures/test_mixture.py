from __future__ import annotations

from pathlib import Path

import pytest

from stages.errors import InputError
from stages.mixtures.mixing import Clip
from stages.mixtures.mixture import Manifest, SourceMeaning, read_clips, read_manifest, write_mixture

MANIFEST = Manifest(
    classes=("person", "car"),
    seen=("street", "air"),
    min_visibility=0.25,
    sources={"street": SourceMeaning({-1: "walker", 3: "auto"}, {"walker": "person", "auto": "car"}, {"01": "ab"})},
)
CLIPS = [Clip("street", "01", "train", (3, 5, 7), 0.2), Clip("street", "01", "val", (4,), 0.0)]


def test_what_is_written_is_read(tmp_path: Path):
    write_mixture(tmp_path / "stage1", MANIFEST, CLIPS)
    assert read_manifest(tmp_path / "stage1") == MANIFEST
    assert read_clips(tmp_path / "stage1", "train") == CLIPS[:1]
    assert read_clips(tmp_path / "stage1", "val") == CLIPS[1:]
    expected = "source,sequence,split,frames,interval\nstreet,01,train,3 5 7,0.2\nstreet,01,val,4,0.0\n"
    assert (tmp_path / "stage1/clips.csv").read_text() == expected


def test_a_summary_stands_beside_the_clips(tmp_path: Path):
    write_mixture(
        tmp_path / "stage1", MANIFEST, CLIPS, [{"source": "street", "frames": 3}, {"source": "a,b", "frames": 1}]
    )
    assert (tmp_path / "stage1/summary.csv").read_text() == 'source,frames\nstreet,3\n"a,b",1\n'


def test_a_mixture_without_clips_is_what_a_curriculum_starts_from(tmp_path: Path):
    write_mixture(tmp_path / "none", Manifest((), (), 0.0, {}), [])
    assert read_manifest(tmp_path / "none").seen == () and read_clips(tmp_path / "none", "train") == []


@pytest.mark.parametrize("content", [None, "", "{", "{}", '{"classes": [], "seen": []}'])
def test_what_is_no_mixture_names_the_stage_to_run(tmp_path: Path, content: str | None):
    (tmp_path / "stage1").mkdir()
    if content is not None:
        (tmp_path / "stage1/manifest.json").write_text(content)
    with pytest.raises(InputError, match=r"stage1/manifest.json: no mixture .*: dvc repro mixture@stage1"):
        read_manifest(tmp_path / "stage1")
