"""The command `export_model` on COCO's YOLOv8n and real frames, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from stages import export_model as command
from stages.deployment import export_model, onnx_file
from stages.deployment.real_frames import frames_in
from stages.detectors import Architecture, build
from stages.detectors.card import Card
from stages.detectors.checkpoint import load_detector, save_checkpoint
from stages.detectors.frames import resized, stacked
from stages.detectors.pretrained import read_pretrained
from stages.errors import InputError
from stages.files import sha256_of
from stages.params.model import Detection
from tests.conftest import ROOT
from tests.rectangles import picture, write_params, write_source

SIDE = 320  # pixels


@pytest.fixture(scope="module")
def coco(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """COCO's YOLOv8n as the checkpoint `models/coco` of a folder, and a link `street` to real frames beside it."""
    torch.set_num_threads(1)
    tensors, card = read_pretrained(real_data / "weights/yolov8n.pt", "yolo", "yolov8n")
    folder = tmp_path_factory.mktemp("coco")
    save_checkpoint(folder / "models/coco", tensors, Card(card.architecture, SIDE))
    (folder / "street").symlink_to(real_data.resolve() / "mot17-mini/MOT17-09-FRCNN")
    return folder


def _street(folder: Path) -> np.ndarray:
    """A real frame of 320 x 160 pixels, whose sides need no padding."""
    return resized(cv2.imread(str(folder / "street/img1/000003.jpg")), SIDE)[:160]


def test_onnx_by_the_command(coco: Path):
    words = ["-m", "stages.export_model", "models/coco", "--to", "onnx", "--frames", "street"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, *words], cwd=coco, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("exports/coco.onnx: ")
    assert sorted(path.name for path in (coco / "exports").iterdir()) == ["coco.onnx", "coco.onnx.json"]
    description = json.loads((coco / "exports/coco.onnx.json").read_text())
    assert description["opset"] == 17
    assert description["classes"][:3] == ["person", "bicycle", "car"]
    assert description["checkpoint_sha256"] == sha256_of(coco / "models/coco/model.safetensors")
    assert description["file_sha256"] == sha256_of(coco / "exports/coco.onnx")
    check = description["check"]
    assert check["box"] < 0.01 and check["score"] < 1e-4
    assert min(check["detections"][:-1]) >= 8 and check["detections"][-1] == 0  # a street, and even grey
    assert check["frames"] == [f"street/img1/00000{n}.jpg" for n in (1, 2, 3, 4)] + ["grey"]
    assert check["inputs"] == [[1, 3, 192, 320], [3, 3, 192, 320]]
    _runs_as_described(coco, description)


def _runs_as_described(folder: Path, description: dict) -> None:
    """ONNX Runtime, given a batch and a size of its own as the description says, finds what `predict` finds."""
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(folder / "exports/coco.onnx", providers=["CPUExecutionProvider"])
    held = session.get_modelmeta().custom_metadata_map
    assert {key: json.loads(value) for key, value in held.items()} == {key: description[key] for key in held}
    [given], (boxes, scores) = session.get_inputs(), session.get_outputs()
    assert [given.name, given.type, given.shape] == ["images", "tensor(float)", ["batch", 3, "height", "width"]]
    assert [boxes.name, boxes.shape, scores.name, scores.shape] == [
        "boxes",
        ["batch", "n", 4],
        "scores",
        ["batch", "n", 80],
    ]
    images = np.stack([_street(folder)[..., ::-1].transpose(2, 0, 1)] * 2)
    found, likely = session.run(None, {"images": images.astype(np.float32) / 255})
    assert found.shape == (2, 1050, 4) and likely.shape == (2, 1050, 80)  # 320 * 160 / 64 and its quarters
    detector, _ = load_detector(folder / "models/coco")
    [rows] = detector.predict(torch.from_numpy(images[:1].copy()), 0.25, 0.5, 300)
    assert len(rows) >= 5
    for *box, score, number in rows.tolist():
        place = np.abs(found[1] - box).max(1).argmin()
        assert found[1, place] == pytest.approx(box, abs=0.01)
        assert likely[1, place, int(number)] == pytest.approx(score, abs=1e-4)


def _export(folder: Path, target: str, name: str) -> tuple[Path, dict]:
    path = folder / "exports" / name
    detector, card = load_detector(folder / "models/coco")
    export_model(detector, card, target, path, frames_in(folder / "street"), Detection())
    return path, json.loads(Path(f"{path}.json").read_text())


def test_torchscript_runs_without_this_package(coco: Path):
    path, description = _export(coco, "torchscript", "coco.torchscript")
    assert description["check"]["box"] < 0.01 and description["check"]["score"] < 1e-4
    with zipfile.ZipFile(path) as archive:  # no paths of the machine that it was made on
        assert not any(str(ROOT).encode() in archive.read(name) for name in archive.namelist())
    code = "import torch; m = torch.jit.load('coco.torchscript'); print([x.shape for x in m(torch.ones(3, 3, 64, 96))])"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=path.parent, capture_output=True, text=True)
    assert done.stdout == "[torch.Size([3, 126, 4]), torch.Size([3, 126, 80])]\n", done.stderr


def test_ultralytics_predicts_the_same_from_its_file(coco: Path):
    from stages.detectors.ultralytics_quietly import opener

    path, description = _export(coco, "ultralytics", "coco.pt")
    assert description["check"]["box"] < 0.01 and description["check"]["score"] < 1e-4
    model = opener("YOLO")(path)
    assert (model.task, model.names[2], int(max(model.model.stride))) == ("detect", "car", 32)
    assert model.overrides["imgsz"] == SIDE
    frame = _street(coco)
    [result] = model.predict(frame, conf=0.25, iou=0.5, imgsz=SIDE, max_det=300, verbose=False, device="cpu")
    detector, _ = load_detector(coco / "models/coco")
    [rows] = detector.predict(stacked([frame], 32), 0.25, 0.5, 300)
    assert len(rows) >= 5
    torch.testing.assert_close(result.boxes.data.cpu(), rows, atol=0.01, rtol=0)
    tensors, card = read_pretrained(path, "yolo", "yolov8n")  # and this pipeline takes it back, bit by bit
    assert (card.image_size, card.architecture.classes[2]) == (SIDE, "car")
    mine = detector.network.state_dict()
    assert tensors.keys() == mine.keys() and all(torch.equal(tensors[name], mine[name]) for name in mine)


def _off(place: int, by: float):
    """An `open_file` whose files give output number ``place`` off ``by``."""
    whole = onnx_file.open_file

    def open_file(path, detector):
        run = whole(path, detector)

        def off(images):
            outputs = list(run(images))
            outputs[place][-1, 17] += by
            return tuple(outputs)

        return off

    return open_file


@pytest.mark.parametrize(("place", "by"), [(0, 0.2), (1, 0.002), (0, float("nan"))])
def test_a_file_that_differs_is_not_kept(coco: Path, tmp_path: Path, monkeypatch, place: int, by: float):
    monkeypatch.setattr(onnx_file, "open_file", _off(place, by))
    (tmp_path / "old.onnx").write_text("of before")
    detector, card = load_detector(coco / "models/coco")
    frames = frames_in(coco / "street")[-2:]
    with pytest.raises(
        InputError, match=r"old\.onnx: not written, as it differs from PyTorch by .* px and .* of a score"
    ):
        export_model(detector, card, "onnx", tmp_path / "old.onnx", frames, Detection())
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("old.onnx", "of before")]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sources, params.yaml and the tiny network as `models/stage2`, whose scores are far from 0."""
    torch.set_num_threads(1)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})  # the command takes as many threads
    sequences = {"one": ("train", 4, 10.0), "two": ("test", 6, 10.0)}
    for name in ("street", "air"):
        write_source(tmp_path, name, sequences)
    write_params(tmp_path)
    _save(Architecture("yolo", "tiny.yaml", ("person", "car"), 80), tmp_path / "models/stage2")
    return tmp_path


def _save(architecture: Architecture, folder: Path) -> None:
    torch.manual_seed(0)
    detector = build(architecture)
    state = detector.network.state_dict()
    for name in detector.class_tensors():
        state[name].normal_(0, 1)
    save_checkpoint(folder, state, Card(architecture, 64))


def test_frames_are_of_the_test_split(project: Path, capsys: pytest.CaptureFixture):
    command.main("models/stage2", to="onnx", output="away/tiny.onnx")
    check = json.loads((project / "away/tiny.onnx.json").read_text())["check"]
    assert check["frames"] == [f"{source}/two frame {n}" for source in ("street", "air") for n in (1, 6)] + ["grey"]
    assert sum(check["detections"]) >= 20 and check["box"] < 1e-3 and check["score"] < 1e-5
    assert capsys.readouterr().out.startswith(f"away/tiny.onnx: {sum(check['detections'])} detections on 5 frames")


@pytest.mark.parametrize("model", ["yolo11n", "yolo26n"])
def test_networks_with_attention_and_two_heads(project: Path, model: str):
    _save(Architecture("yolo", model, ("person", "car"), 2), project / "models/other")
    (project / "pictures").mkdir()
    (project / "pictures/1.png").write_bytes(cv2.imencode(".png", picture(1)[:, :32])[1].tobytes())
    detector, card = load_detector(project / "models/other")
    frames = frames_in(project / "pictures")
    difference = export_model(detector, card, "onnx", project / "other.onnx", frames, Detection())
    assert difference.inputs == ((1, 3, 64, 32), (3, 3, 64, 32))
    assert sum(difference.detections) >= 20 and difference.box < 0.01 and difference.score < 1e-4


def _no_sources(project: Path) -> None:
    for name in ("street", "air"):
        (project / f"data/sources/{name}/index.csv").unlink()


def _bad_image(project: Path) -> None:
    (project / "pictures").mkdir()
    (project / "pictures/1.jpg").write_bytes(cv2.imencode(".jpg", picture(1))[1].tobytes()[:50])


def _nothing(project: Path) -> None:
    (project / "pictures").mkdir()


def _of_simple(project: Path) -> None:
    _save(Architecture("simple", "simple-tiny", ("person", "car"), 2), project / "models/stage2")


BAD = {
    "unknown target": (None, {"to": "onxn"}, "--to onxn: no such target: did you mean `onnx`?"),
    "another suffix": (
        None,
        {"to": "onnx", "output": "a.pt"},
        "--output a.pt: no name of a file for onnx: end it in .onnx",
    ),
    "no checkpoint": (
        None,
        {"folder": "models/stage9"},
        "models/stage9/card.json: no such checkpoint: run `dvc repro`",
    ),
    "no sources": (_no_sources, {}, "data/sources: no frames to check an export on: run `dvc repro`"),
    "no pictures": (_nothing, {"frames": "pictures"}, "pictures: no frames to check an export on: name a folder"),
    "no folder": (None, {"frames": "nowhere"}, "nowhere: no frames to check an export on: name a folder"),
    "a damaged picture": (_bad_image, {"frames": "pictures"}, "pictures/1.jpg: unreadable image"),
    "another family": (_of_simple, {"to": "ultralytics"}, "--to ultralytics: the family `simple` is not Ultralytics'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(project: Path, case: str):
    spoil, changes, message = BAD[case]
    if spoil:
        spoil(project)
    with pytest.raises(InputError) as error:
        command.main(**{"folder": "models/stage2", "to": "onnx"} | changes)
    assert str(error.value).startswith(message)
    assert not list(project.glob("exports/*"))
