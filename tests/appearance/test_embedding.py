"""Embeddings: as BoxMOT computes them, whatever the boxes."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from stages.appearance.card import SAFETENSORS, ReidCard, write_card
from stages.appearance.embedding import Embedder, load_embedder, open_onnx
from stages.appearance.osnet import build_network
from stages.appearance.preparing import cut, normalised, resized
from stages.errors import InputError
from stages.tensors import write_safetensors

BOXES = np.array([[10.4, 5, 40, 60], [30, 30, 70.6, 90], [-5, -5, 20, 30], [60, 40, 500, 300]])


@pytest.fixture(scope="module")
def frame() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (96, 128, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh OSNet as models/reid/NAME has one."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("model")
    state = {
        name: tensor for name, tensor in build_network("osnet_x0_25").state_dict().items() if "classifier" not in name
    }
    write_safetensors(folder / SAFETENSORS, state)
    write_card(folder, ReidCard(SAFETENSORS, "osnet_x0_25", (64, 32), 512))
    return folder


@pytest.fixture(scope="module")
def embedder(folder: Path) -> Embedder:
    return load_embedder(folder)


def test_the_embedder_gives_what_the_network_gives(embedder: Embedder, frame: np.ndarray):
    torch.manual_seed(0)
    network = build_network("osnet_x0_25").eval()
    with torch.inference_mode():
        expected = network(torch.from_numpy(normalised(resized(cut(frame, BOXES), (64, 32)))))
    expected = torch.nn.functional.normalize(expected).numpy()
    found = embedder(frame, BOXES)
    assert found.dtype == np.float32 and found.shape == (4, 512)
    assert np.abs(found - expected).max() < 1e-5
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(4), abs=1e-6)


def test_the_network_sees_red_green_blue_as_imagenet_has_it():
    crop = np.zeros((2, 2, 3), np.uint8)
    crop[..., 0], crop[..., 2] = 51, 255
    planes = normalised(crop[None])[0, :, 0, 0]
    assert planes == pytest.approx([(1 - 0.485) / 0.229, -0.456 / 0.224, (0.2 - 0.406) / 0.225], abs=1e-6)


def test_boxes_are_cut_at_the_frame(frame: np.ndarray):
    assert [crop.shape[:2] for crop in cut(frame, BOXES)] == [(55, 30), (60, 41), (30, 20), (56, 68)]
    assert np.array_equal(cut(frame, BOXES[:1])[0], frame[5:60, 10:40])


@pytest.mark.parametrize("box", [(200, 10, 240, 30), (-50, -50, -10, -10), (30, 30, 30, 60), (50, 50, 40, 60)])
def test_a_box_without_a_pixel_is_black(embedder: Embedder, frame: np.ndarray, box: tuple):
    black = embedder.embed([np.zeros((9, 9, 3), np.uint8)])
    assert embedder(frame, np.array([box])) == pytest.approx(black, abs=1e-6)


def test_no_boxes_and_more_than_go_through_at_once(embedder: Embedder, frame: np.ndarray):
    assert embedder(frame, np.empty((0, 4))).shape == (0, 512)
    many = embedder(frame, np.tile(BOXES, (20, 1)))
    assert many == pytest.approx(np.tile(many[:4], (20, 1)), abs=1e-5)


def test_embeddings_that_are_not_finite_are_0():
    embedder = Embedder(lambda images: np.full((len(images), 4), np.nan, np.float32), (8, 8), 4)
    assert embedder.embed([np.zeros((9, 9, 3), np.uint8)]).tolist() == [[0, 0, 0, 0]]


@pytest.mark.filterwarnings("ignore")  # of an exporter, which is not the project's here
@pytest.mark.parametrize("size", [(64, 32), (None, None)], ids=["of one size", "of any size"])
def test_onnx_files(tmp_path: Path, folder: Path, frame: np.ndarray, embedder: Embedder, size: tuple):
    from stages.appearance.osnet import load_network, read_weights

    network = load_network("osnet_x0_25", read_weights(folder / SAFETENSORS), "here")
    free = {"images": {0: "n", 2: "h", 3: "w"}} if size[0] is None else None
    torch.onnx.export(
        network,
        torch.zeros(2, 3, 64, 32),
        tmp_path / "model.onnx",
        dynamo=False,
        input_names=["images"],
        dynamic_axes=free,
    )
    model = open_onnx(tmp_path / "model.onnx")
    assert model.image_size == size
    write_card(tmp_path, ReidCard("model.onnx", None, (64, 32), 512))
    odd = BOXES[[0, 1, 2]]  # a file of two crops at a time gets the third with a black one
    assert load_embedder(tmp_path)(frame, odd) == pytest.approx(embedder(frame, odd), abs=1e-4)


def test_equals_boxmots_on_real_crops(real_data: Path):
    """BoxMOT's preparation of crops, and the file run by onnxruntime: its ONNX backend would install another one."""
    import onnxruntime
    from boxmot.reid.core.crops import build_crop_batch
    from boxmot.reid.core.preprocessing import get_preprocess_fn

    path, image = real_data / "weights/osnet_x0_25_msmt17.onnx", None
    video = cv2.VideoCapture(str(real_data / "pets09-s2l1/PETS09-S2L1.avi"))
    for _ in range(30):
        image = video.read()[1]
    truth = np.loadtxt(real_data / "pets09-s2l1/gt/gt.txt", delimiter=",")
    boxes = truth[truth[:, 0] == 30][:, 2:6]
    boxes[:, 2:] += boxes[:, :2]
    batch = build_crop_batch(
        boxes,
        image,
        input_shape=(256, 128),
        device=torch.device("cpu"),
        half=False,
        preprocess_fn=get_preprocess_fn(),
        mean=torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1),
        std=torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1),
    )
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    theirs = session.run(None, {"images": batch.numpy()})[0]
    theirs /= np.linalg.norm(theirs, axis=1, keepdims=True)
    ours = Embedder(open_onnx(path).forward, (256, 128), 512)(image, boxes)
    assert len(ours) >= 3
    assert (ours * theirs).sum(axis=1).min() > 0.9999
    assert np.abs(ours - theirs).max() < 1e-4


def change_card(folder: Path, **values: object) -> None:
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | values))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "card.json").unlink(), "no such appearance model: run `dvc repro reid`"),
        (lambda folder: (folder / "card.json").write_text("{"), "no card of an appearance model"),
        (lambda folder: change_card(folder, colour="red"), "no card of an appearance model"),
        (lambda folder: change_card(folder, sha256="0" * 64), "not the weights of its card"),
        (lambda folder: (folder / SAFETENSORS).unlink(), "no weights"),
        (lambda folder: change_card(folder, model="osnet_x0_5"), "set `model: osnet_x0_25`"),
    ],
)
def test_what_is_no_appearance_model(tmp_path: Path, folder: Path, damage, message: str):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    damage(tmp_path)
    with pytest.raises(InputError) as caught:
        load_embedder(tmp_path)
    assert message in str(caught.value)
