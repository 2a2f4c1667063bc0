"""`python -m stages.inspect SOURCE` on files with each defect once, on clean ones, and on real footage."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from stages.inspecting.examine import inspect_source
from stages.inspecting.findings import KINDS, NOTICED, REFUSED, Report
from stages.params import load_params
from tests.footage import CLASSES, ROOT, Project, pack, picture, write_sequence


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    write_sequence(tmp_path / "in/walk")
    made = Project(tmp_path)
    made.write_params(footage={"path": "in"})
    return made


def run(source: str = "footage", **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "stages.inspect", source],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
    )


def report(source: str = "footage") -> Report:
    return inspect_source(source, load_params())


def counts(found: Report) -> dict[str, int]:
    """How much of every kind was found."""
    result: dict[str, int] = {}
    for finding in found.all():
        result[finding.kind] = result.get(finding.kind, 0) + finding.count
    return result


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_clean_source(project: Project):
    before = files(project.folder)
    ended = run()
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert lines[0].split()[:5] == ["sequence", "split", "frames", "fps", "boxes"]
    assert lines[1].split() == ["walk", "test", "6", "10", "12", *"." * 10]
    assert lines[3].split() == ["1", "in", "all", "6", "12", *"." * 10]
    assert lines[-1] == "`download` would take this source."
    assert files(project.folder) == before


def test_unknown_source(project: Project):
    ended = run("feetage")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "error: feetage: no such source: params.yaml has footage: did you mean `footage`?\n"


def test_nothing_at_the_path(project: Project):
    project.write_params(footage={"path": "elsewhere"})
    ended = run()
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)


# --- each defect once


def _add(*rows: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        path = folder / "gt/gt.txt"
        path.write_text(path.read_text() + "".join(f"{row}\n" for row in rows))

    return spoil


def _garble(folder: Path) -> None:
    """A frame whose header and end are whole, and whose middle is cut out: only decoding finds that."""
    content = picture(3)
    start = content.index(b"\xff\xda")
    (folder / "img1/000003.jpg").write_bytes(content[: start + 40] + b"\xff\xd9")


def _cut(folder: Path) -> None:
    (folder / "img1/000003.jpg").write_bytes(picture(3)[:-200])


def _edit(file: str, before: str, after: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        text = (folder / file).read_text()
        assert before in text
        (folder / file).write_text(text.replace(before, after, 1))

    return spoil


DEFECTS = {
    "frame": (_cut, "walk/img1/000003.jpg: truncated or no image"),
    "damaged": (_garble, "walk/img1/000003.jpg: damaged: the image holds too little"),
    "malformed": (_add("2.5,9,5,5,5,5,1,1,1"), "walk/gt/gt.txt:13: frame, id and class must be whole numbers"),
    "no area": (_add("2,9,5,5,0,5,1,1,1"), "walk/gt/gt.txt:13: the box has no width or no height"),
    "outside": (_add("2,9,64,5,5,5,1,1,1"), "walk/gt/gt.txt:13: the box lies outside the frame (64x48)"),
    "twice": (_add("2,1,6,10,8,16,1,1,1"), "walk/gt/gt.txt:13: id 1 stands twice in frame 2 (also at gt.txt:3)"),
    "classes": (_add("2,9,5,5,5,5,1,7,1"), "walk/gt/gt.txt:13: class 7 (static_person) is mapped to nothing"),
    "sequence": (_add("2,9,5,5"), "walk/gt/gt.txt:13: 4 columns"),
    "empty": (
        lambda folder: (folder / "gt/gt.txt").write_text("9,1,5,5,5,5,1,1,1\n"),
        "walk/gt/gt.txt: holds no boxes in frames 1 to 6",
    ),
    "jump": (_edit("gt/gt.txt", "4,2,40,20,10,6", "4,2,5,40,10,6"), "walk/gt/gt.txt:8: id 2 jumps"),
    "gap": (_edit("gt/gt.txt", "4,2,40,20,10,6,1,3,0.5\n", ""), "walk/gt/gt.txt:9: id 2 comes back after frame 4"),
    "lie": (_edit("seqinfo.ini", "seqLength=6", "seqLength=600"), "walk/seqinfo.ini: seqLength is 600, found 6"),
}


@pytest.mark.parametrize("kind", DEFECTS)
def test_each_defect_is_found_named_and_refused_as_download_refuses_it(project: Project, kind: str):
    spoil, words = DEFECTS[kind]
    spoil(project.folder / "in/walk")
    ended = run()
    found = counts(report())
    expected = {kind: 2 if kind == "jump" else 1}  # there and back
    if kind == "empty":
        expected = {"empty": 2, "lie": 1}  # neither in the sequence nor in what is taken of it
    assert found == expected
    assert words in ended.stdout
    assert ended.returncode == int(KINDS[kind].grade != NOTICED)
    assert ended.stderr == ""
    assert project.download().returncode == int(KINDS[kind].grade == REFUSED)


def test_all_defects_at_once_are_all_reported(project: Project):
    kinds = ("damaged", "malformed", "no area", "outside", "twice", "classes", "gap", "lie")
    for kind in ("gap", *(k for k in kinds if k != "gap")):
        DEFECTS[kind][0](project.folder / "in/walk")
    write_sequence(project.folder / "in/torn")
    DEFECTS["sequence"][0](project.folder / "in/torn")
    write_sequence(project.folder / "in/whole")
    found = report()
    assert counts(found) == dict.fromkeys((*kinds, "sequence"), 1)
    assert [(row.sequence, row.frames) for row in found.rows] == [("torn", 0), ("walk", 6), ("whole", 6)]
    lines = run().stdout.splitlines()
    assert lines[1].split() == ["torn", "test", *"?" * 13]
    assert lines[2].split() == ["walk", "test", "6", "10", "15", ".", *"1" * 6, ".", "1", "1"]
    assert lines[3].split()[5:] == [*"." * 10]


def test_long_lists_are_cut_short(project: Project):
    _add(*(f"2,{n},64,5,5,5,1,1,1" for n in range(10, 30)))(project.folder / "in/walk")
    lines = run().stdout.splitlines()
    start = lines.index("refused: boxes outside the frame (20)")
    assert lines[start + 5].startswith("  in/walk/gt/gt.txt:17: the box lies outside")
    assert lines[start + 6] == "  ... and 15 more"


def test_params_that_contradict_the_data_do_not_stop_it(project: Project):
    write_sequence(project.folder / "in/park")
    ranges = {"walk": {"late": {"frames": [4, 9], "split": "test"}, "early": {"frames": [1, 3], "split": "train"}}}
    project.write_params(footage={"path": "in", "splits": {"val": ["park"]}, "ranges": ranges})
    found = report()
    assert counts(found) == {"source": 1, "same": 3}  # the two sequences are made of the same pictures
    assert "ends at frame 9, walk has 6" in run().stdout
    project.write_params(footage={"path": "in", "splits": {"val": ["nowhere"]}})
    found = report()
    assert "no sequence `nowhere`" in str(next(iter(found.all())).errors[0])
    assert [(row.sequence, row.split, row.boxes) for row in found.rows] == [("park", "?", 12), ("walk", "?", 12)]


def test_classes_that_the_data_does_not_have(project: Project):
    labels = {1: "pedestrian", 3: "car", 4: "tram"}
    project.write_params(footage={"path": "in", "labels": labels, "classes": {**CLASSES, "tram": "drop"}})
    assert counts(report()) == {}


def test_what_is_taken_is_what_is_decoded(project: Project):
    _garble(project.folder / "in/walk")
    project.write_params(footage={"path": "in", "take": {"stride": 3}})
    found = report()
    assert (found.rows[0].frames, found.rows[0].boxes, counts(found)) == (2, 4, {})


def test_the_first_frame_is_broken(project: Project):
    (project.folder / "in/walk/img1/000001.jpg").write_bytes(b"")
    (project.folder / "in/walk/img1/000004.jpg").write_bytes(picture(4, 32, 24))
    found = report()
    assert counts(found) == {"frame": 2}
    assert "32x24 pixels, the sequence has 64x48" in str(found.rows[0].findings[0].errors[1])


def test_a_zip(project: Project):
    _add("2,9,64,5,5,5,1,1,1")(project.folder / "in/walk")
    pack(project.folder / "in", project.folder / "in.zip")
    project.write_params(footage={"path": "in.zip"})
    assert "in.zip: walk/gt/gt.txt:13: the box lies outside" in run().stdout


def test_the_embedded_world(project: Project):
    classes = {"person": "person", "car": "car", "hidden": "distractor"}
    world = {"format": "world", "view": "street", "sequences": {"train": 1, "test": 1}, "frames": 3, "classes": classes}
    project.write_params(street=world)
    found = report("street")
    assert [(row.sequence, row.split, row.frames, row.fps) for row in found.rows] == [
        ("street-train-01", "train", 3, 10),
        ("street-test-01", "test", 3, 10),
    ]
    assert found.grade == NOTICED


# --- real footage


@pytest.fixture
def real_params(tmp_path: Path, real_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REAL_DATA", str(real_data))
    document = yaml.safe_load((ROOT / "tests/real/params.yaml").read_text())
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    return tmp_path


def test_mot17(real_params: Path):
    ended = run("mot17")
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert lines[1].split() == ["MOT17-02-FRCNN", "test", "4", "30", "156", *"." * 9, "1"]
    assert lines[7].split() == ["5", "in", "all", "27", "1198", *"." * 9, "5"]
    assert "noticed: annotations that disagree with the frames (5)" in lines


def test_pets(real_params: Path, real_data: Path):
    found = report("pets")
    [row] = found.rows
    lines = (real_data / "pets09-s2l1/gt/gt.txt").read_text().splitlines()
    frames = [*range(1, 501), *range(541, 621), *range(661, 796)]
    boxes = sum(int(line.split(",")[0]) in frames for line in lines)
    assert (row.sequence, row.split, row.frames, row.fps, row.boxes) == (
        "PETS09-S2L1",
        "train+val+test",
        len(frames),
        7,
        boxes,
    )
    assert counts(found) == {}
