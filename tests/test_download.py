"""The real command, `python -m stages.download SOURCE`, on good and on bad input."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from stages.files import sha256_of
from stages.sequences.archive import Sequence
from tests.footage import CLASSES, ROOT, Project, pack, write_sequence
from tests.s3 import S3Server, credentials, free_port
from tests.web import Fault, WebServer

SUMMARY = r"fetched \d+ files, \d+\.\d kB\n"
HEADER = "sequence,split,frames,fps,width,height,boxes,ids"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with a source `footage`: a folder with the sequences `walk` and `park`."""
    write_sequence(tmp_path / "in/walk")
    write_sequence(tmp_path / "in/deep/park", frames=4)
    made = Project(tmp_path)
    made.write_params(footage={"path": "in"})
    return made


def test_folder_becomes_archives(project: Project):
    ended = project.download()
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert project.index() == [HEADER, "park,test,4,10.0,64,48,8,2", "walk,test,6,10.0,64,48,12,2"]
    folder = project.folder / "data/sources/footage"
    assert sorted(path.name for path in folder.iterdir()) == ["index.csv", "labels.json", "park.zip", "walk.zip"]
    assert sha256_of(folder / "walk.zip") in (folder / "index.csv").read_text()
    with zipfile.ZipFile(folder / "walk.zip") as archive:
        original = (project.folder / "in/walk/img1/000003.jpg").read_bytes()
        assert archive.read("img1/000003.jpg") == original
        assert {item.compress_type for item in archive.infolist()} == {zipfile.ZIP_STORED}


def test_same_input_gives_the_same_bytes(project: Project):
    runs = []
    for _ in range(2):
        assert project.download().returncode == 0
        runs.append({path.name: path.read_bytes() for path in (project.folder / "data/sources/footage").iterdir()})
    assert runs[0] == runs[1]


def test_zip_over_http(project: Project, http_server: WebServer):
    pack(project.folder / "in", http_server.root / "footage.zip")
    project.write_params(footage={"path": http_server.address("footage.zip")})
    ended = project.download()
    assert ended.returncode == 0 and re.fullmatch(SUMMARY, ended.stderr)
    assert project.index()[1:] == ["park,test,4,10.0,64,48,8,2", "walk,test,6,10.0,64,48,12,2"]


def traffic(project: Project) -> dict[str, int]:
    return json.loads((project.folder / "metrics/download/footage.json").read_text())


def test_only_what_is_taken_travels_and_is_counted(project: Project, http_server: WebServer):
    for name in ("tram", "road", "rail", "lane", "path", "ramp", "yard", "mall"):
        write_sequence(project.folder / "in" / name, frames=50)
    size = pack(project.folder / "in", http_server.root / "footage.zip").stat().st_size
    source = {"path": http_server.address("footage.zip")}
    fetched = []
    for frames in (2, 3, 3):
        project.write_params(footage=source | {"take": {"sequences": ["tram"], "frames": frames}})
        assert project.download().returncode == 0
        fetched.append(traffic(project))
    assert list(fetched[0]) == ["bytes_needed", "bytes_fetched", "files", "requests"]
    assert 1 <= fetched[0]["bytes_fetched"] / fetched[0]["bytes_needed"] <= 1.05
    assert fetched[0]["bytes_fetched"] < size / 4 and fetched[0]["files"] >= 3
    assert (fetched[1]["files"], fetched[1]["requests"]) == (1, 2)
    assert fetched[2] == {"bytes_needed": 0, "bytes_fetched": 0, "files": 0, "requests": 1}


def test_nothing_travels_from_a_local_path(project: Project):
    assert project.download().returncode == 0
    assert traffic(project) == {"bytes_needed": 0, "bytes_fetched": 0, "files": 0, "requests": 0}


@pytest.mark.parametrize("fault", [None, Fault("403", 2), Fault("loop"), Fault("changed", 2), Fault("few", 1)])
def test_signature_is_written_nowhere(project: Project, http_server: WebServer, fault: Fault | None):
    pack(project.folder / "in", http_server.root / "footage.zip")
    http_server.fault = fault
    project.write_params(footage={"path": "$FOOTAGE"})
    ended = project.download(FOOTAGE=http_server.address("footage.zip?X-Amz-Credential=me&X-Amz-Signature=hunter2"))
    assert ended.returncode == (1 if fault else 0), ended.stderr
    texts = [ended.stdout + ended.stderr]
    texts += [path.read_text(errors="ignore") for path in project.folder.rglob("*") if path.is_file()]
    names = [str(path) for path in project.folder.rglob("*")]
    assert not any("hunter2" in text or "X-Amz" in text for text in texts + names)


@pytest.mark.parametrize("key", ["footage.zip", "tracks/"])
def test_zip_and_prefix_from_s3(project: Project, s3_server: S3Server, key: str):
    bucket = s3_server.bucket("sources")
    pack(project.folder / "in", bucket / "footage.zip")
    write_sequence(bucket / "tracks/walk")
    write_sequence(bucket / "tracks/park", frames=4)
    project.write_params(footage={"path": f"s3://sources/{key}", "endpoint_url": s3_server.endpoint_url})
    ended = project.download(**s3_server.environment)
    assert ended.returncode == 0 and re.fullmatch(SUMMARY, ended.stderr)
    assert project.index()[1:] == ["park,test,4,10.0,64,48,8,2", "walk,test,6,10.0,64,48,12,2"]


def test_unknown_source_names_the_known(project: Project):
    ended = project.download("feetage")
    assert (ended.returncode, ended.stderr) == (
        1,
        "error: feetage: no such source: params.yaml has footage: did you mean `footage`?\n",
    )


def test_torch_is_not_imported():
    heavy = {"torch", "pandas", "av", "cv2", "boto3"}
    code = f"import sys, stages.download, stages.sources.intake; print({heavy} & set(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout == "set()\n"


# --- bad input ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bad:
    """What goes wrong (in a project that is good), and the words that the one line on stderr must hold."""

    spoil: Callable[[Project, S3Server], dict[str, str] | None]  # may return environment variables
    words: tuple[str, ...]


def _truncated_jpeg(project: Project, _: S3Server) -> None:
    path = project.folder / "in/walk/img1/000004.jpg"
    path.write_bytes(path.read_bytes()[:-200])


def _gt(change: Callable[[list[str]], list[str]]) -> Callable[[Project, S3Server], None]:
    def spoil(project: Project, _: S3Server) -> None:
        path = project.folder / "in/walk/gt/gt.txt"
        path.write_text("".join(change(path.read_text().splitlines(keepends=True))))

    return spoil


def _missing_sequence(project: Project, _: S3Server) -> None:
    project.write_params(footage={"path": "in", "take": {"sequences": ["walk", "run"]}})


def _no_zip(project: Project, _: S3Server) -> None:
    whole = pack(project.folder / "in", project.folder / "in.zip").read_bytes()
    (project.folder / "in.zip").write_bytes(whole[: len(whole) // 2])
    project.write_params(footage={"path": "in.zip"})


def _member_leads_out(project: Project, _: S3Server) -> None:
    with zipfile.ZipFile(pack(project.folder / "in", project.folder / "in.zip"), "a") as archive:
        archive.writestr("walk/../../evil.txt", "x")
    project.write_params(footage={"path": "in.zip"})


def _unreachable_s3(project: Project, _: S3Server) -> dict[str, str]:
    project.write_params(footage={"path": "s3://sources/in.zip", "endpoint_url": f"http://127.0.0.1:{free_port()}"})
    return credentials("someone", "secret-of-someone")


def _forbidding_s3(project: Project, s3_server: S3Server) -> dict[str, str]:
    pack(project.folder / "in", s3_server.bucket("sources") / "in.zip")
    project.write_params(footage={"path": "s3://sources/in.zip", "endpoint_url": s3_server.endpoint_url})
    return credentials("someone", "secret-of-someone")


def _wrong_sha256(project: Project, _: S3Server) -> None:
    pack(project.folder / "in", project.folder / "in.zip")
    project.write_params(footage={"path": "in.zip", "sha256": "0123456789ab" + "0" * 52})


BAD = {
    "truncated JPEG": Bad(_truncated_jpeg, ("in/walk/img1/000004.jpg", "truncated", "fetch the file again")),
    "empty gt.txt": Bad(_gt(lambda lines: []), ("in/walk/gt/gt.txt", "holds no boxes", "fetch the file again")),
    "half-written gt.txt": Bad(
        _gt(lambda lines: [*lines[:-1], lines[-1][:9]]), ("in/walk/gt/gt.txt:12", "columns", "fetch the file again")
    ),
    "box outside the frame": Bad(
        _gt(lambda lines: [*lines[:4], "3,1,64,10,8,16,1,1,1\n", *lines[5:]]),
        ("in/walk/gt/gt.txt:5", "outside the frame (64x48)", "delete it"),
    ),
    "duplicate id": Bad(
        _gt(lambda lines: [*lines, "2,1,20,20,8,16,1,1,1\n"]),
        ("in/walk/gt/gt.txt:13", "id 1 stands twice in frame 2", "gt.txt:3", "delete one"),
    ),
    "missing sequence": Bad(
        _missing_sequence, ("params.yaml:15: sources.footage.take.sequences", "no sequence `run`", "park, walk")
    ),
    "no ZIP": Bad(_no_zip, ("in.zip", "neither a folder nor a whole ZIP", "again")),
    "member leads out": Bad(
        _member_leads_out, ("in.zip", "walk/../../evil.txt", "leads out", "pack the archive again")
    ),
    "unreachable S3": Bad(_unreachable_s3, ("s3://sources/in.zip", "unreachable", "check `endpoint_url`")),
    "forbidding S3": Bad(_forbidding_s3, ("s3://sources/in.zip", "forbidden (403", "check AWS_ACCESS_KEY_ID")),
    "wrong sha256": Bad(_wrong_sha256, ("in.zip", "not 0123456789ab", "get the right file")),
}


def assert_one_line(ended: subprocess.CompletedProcess, words: tuple[str, ...]) -> None:
    """Exit status 1 and one line on stderr that holds ``words`` and nothing secret."""
    assert (ended.returncode, ended.stdout) == (1, ""), ended.stderr
    lines = ended.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), ended.stderr
    assert [word for word in words if word not in lines[0]] == [], lines[0]
    assert "secret" not in lines[0] and "Traceback" not in lines[0]


def assert_nothing_left(project: Project) -> None:
    """No output, and nothing half-written anywhere."""
    assert not (project.folder / "data/sources/footage").exists()
    assert list(project.folder.rglob("*.partial")) == []
    assert list((project.folder / "data").rglob("*.zip")) == []


def mend(project: Project) -> None:
    """Make the project's input and params good again."""
    write_sequence(project.folder / "in/walk")
    if (project.folder / "in.zip").exists():
        pack(project.folder / "in", project.folder / "in.zip")
        project.write_params(footage={"path": "in.zip"})
    else:
        project.write_params(footage={"path": "in"})


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_leaves_nothing(project: Project, s3_server: S3Server, name: str):
    environment = BAD[name].spoil(project, s3_server) or {}
    assert_one_line(project.download(**environment), BAD[name].words)
    assert_nothing_left(project)
    if not environment:
        mend(project)
    elif "unreachable" in name:
        _forbidding_s3(project, s3_server)
    ended = project.download(**s3_server.environment)
    assert ended.returncode == 0 and (ended.stderr == "" or re.fullmatch(SUMMARY, ended.stderr))
    assert len(project.index()) == 3


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder that holds 40 kB; making one takes the right to mount."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40k", "none", str(folder)], capture_output=True)
    if mount.returncode:
        pytest.skip("no right to mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("full", ["data", ".skyward"])
def test_no_space_left(project: Project, small_disk: Path, http_server: WebServer, full: str):
    (project.folder / full).symlink_to(small_disk)
    write_sequence(project.folder / "in/walk", frames=40)
    pack(project.folder / "in", http_server.root / "in.zip")
    project.write_params(footage={"path": http_server.address("in.zip")})
    file = "data/sources/footage" if full == "data" else ".skyward/fetched"
    assert_one_line(project.download(), (file, "no space left", "free some space, then run again"))
    assert_nothing_left(project)
    if full == "data":
        assert list(small_disk.rglob("*.zip")) == []
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    assert project.download().returncode == 0
    assert len(project.index()) == 3


# --- real footage ------------------------------------------------------------------------------------------------

MOT17 = {
    "pedestrian": "person",
    "person_on_vehicle": "distractor",
    "car": "drop",
    "bicycle": "drop",
    "motorbike": "drop",
    "static_person": "distractor",
    "distractor": "distractor",
    "occluder": "drop",
    "occluder_on_ground": "drop",
    "occluder_full": "drop",
    "reflection": "distractor",
}
DRONE = {1: "car", 2: "bike", 3: "pedestrian", 4: "van", 5: "truck", 6: "bus", 7: "tricycle", 8: "awning-bike"}


@pytest.fixture
def real_project(tmp_path: Path, real_data: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("REAL_DATA", str(real_data))
    return Project(tmp_path)


def test_pets_video_is_cut_into_ranges(real_project: Project, real_data: Path):
    ranges = {
        "first": {"frames": [1, 300], "split": "train"},
        "last": {"frames": [776, 795], "split": "test"},
    }
    source = {"path": "$REAL_DATA/pets09-s2l1", "classes": {"pedestrian": "person"}, "gap": 50}
    source |= {"ranges": {"PETS09-S2L1": ranges}, "take": {"frames": 5, "stride": 2}}
    real_project.write_params(pets=source, other={"path": ".", "classes": CLASSES})
    ended = real_project.download("pets")
    assert ended.returncode == 0
    [warning] = ended.stderr.splitlines()  # a fixed camera
    assert "5 of 5 sampled test frames look like a training frame" in warning
    gt = np.loadtxt(real_data / "pets09-s2l1/gt/gt.txt", delimiter=",")
    rows = {first: gt[np.isin(gt[:, 0], range(first, first + 10, 2))] for first in (1, 776)}
    expected = [f"5,3.5,768,576,{len(rows[f])},{len(set(rows[f][:, 1]))}" for f in (1, 776)]
    assert real_project.index("pets")[1:] == [
        f"PETS09-S2L1-first,train,{expected[0]}",
        f"PETS09-S2L1-last,test,{expected[1]}",
    ]
    last = Sequence(real_project.folder / "data/sources/pets/PETS09-S2L1-last.zip")
    found = last.gt()
    wanted = rows[776]
    assert np.array_equal(found[:, 1:], wanted[:, 1:])
    assert np.array_equal(found[:, 0], (wanted[:, 0] - 776) / 2 + 1)
    assert np.abs(last.frame(3).astype(int) - _video_frame(real_data, 780).astype(int)).mean() < 3


def _video_frame(real_data: Path, number: int) -> np.ndarray:
    """A frame of the PETS video, by another decoder than the one under test."""
    video = cv2.VideoCapture(str(real_data / "pets09-s2l1/PETS09-S2L1.avi"))
    for _ in range(number):
        there, image = video.read()
        assert there
    return image


def test_mot17_lengths_that_lie_are_corrected(real_project: Project):
    real_project.write_params(mot17={"path": "$REAL_DATA/mot17-mini", "classes": MOT17}, cars={"path": "."})
    ended = real_project.download("mot17")
    assert ended.returncode == 0
    warnings = [line.partition("mot17-mini/")[2] for line in ended.stderr.splitlines()]
    assert warnings == [
        f"MOT17-{name}-FRCNN/seqinfo.ini: seqLength is {said}, found {there}"
        for name, said, there in [("02", 600, 4), ("04", 1050, 8), ("05", 837, 6), ("09", 525, 4), ("10", 654, 5)]
    ]
    # Boxes and ids of class 1 with confidence 1, counted with awk.
    assert real_project.index("mot17")[1:] == [
        "MOT17-02-FRCNN,test,4,30.0,1920,1080,88,22",
        "MOT17-04-FRCNN,test,8,30.0,1920,1080,336,42",
        "MOT17-05-FRCNN,test,6,14.0,640,480,45,9",
        "MOT17-09-FRCNN,test,4,30.0,1920,1080,24,6",
        "MOT17-10-FRCNN,test,5,30.0,1920,1080,95,19",
    ]


def test_drone_view_with_its_own_labels_and_rate(real_project: Project):
    classes = dict.fromkeys(DRONE.values(), "drop") | {"car": "car", "pedestrian": "person"}
    source = {"path": "$REAL_DATA/aerial-mmot-mini", "labels": DRONE, "classes": classes, "fps": 24}
    real_project.write_params(drone=source)
    ended = real_project.download("drone")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert real_project.index("drone")[1:] == ["data24-1,test,6,24.0,1200,900,129,23"]
