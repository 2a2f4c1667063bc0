"""`python -m stages.features`: what trackers use of sequences, from boxes, frames and appearance models."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from stored_project import LENGTH, ROOT, TABLE, content, write_needed, write_params, write_project

from stages import features
from stages.appearance import embedding
from stages.appearance.card import ReidCard, write_card
from stages.appearance.embedding import load_embedder
from stages.appearance.osnet import DIMENSION, build_network, without_classifier
from stages.errors import InputError
from stages.sequences.archive import Sequence
from stages.sequences.detections import write_detections
from stages.sequences.features import embeddings_path, read_embeddings, read_warps, warps_path
from stages.tensors import write_safetensors
from tests.params_read import declared, read

FOLDER = Path("data/features/stage1")


class Colours:
    """The mean colour of each crop."""

    dimension = 3

    def __call__(self, frame: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        found = np.array([frame[y1:y2, x1:x2].mean((0, 1)) for x1, y1, x2, y2 in boxes.astype(int)], np.float32)
        return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """Where every appearance model is `Colours`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(embedding, "load_embedder", lambda folder, device: Colours())
    write_project()
    return tmp_path


def test_all_that_is_needed_from_frames_that_are_decoded_once(project, monkeypatch):
    decoded = []
    frame = Sequence.frame
    monkeypatch.setattr(Sequence, "frame", lambda self, n: decoded.append((self.path, n)) or frame(self, n))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})  # here, where it is counted
    write_needed(embeddings=("looks", "other"), camera_motion=("ecc", "sof"))
    features.main("stage1")
    assert len(decoded) == len(set(decoded)) == 2 * LENGTH
    names = [
        f"{kind}/{source}/one.parquet"
        for kind in ("camera-ecc", "camera-sof", "looks", "other")
        for source in ("air", "street")
    ]
    assert sorted(content(FOLDER)) == names
    frames = Sequence("data/sources/street/one.zip")
    expected = np.concatenate([Colours()(frame(frames, int(row[0])), row[None, 1:5]) for row in TABLE])
    found = read_embeddings(embeddings_path("stage1", "looks", "street", "one"), TABLE[:, 0])
    assert np.allclose(found, expected, atol=1e-3)
    # The camera pans by three pixels a frame; a box hides little of it.
    for method in ("ecc", "sof"):
        warps = read_warps(warps_path("stage1", method, "street", "one"), LENGTH)
        assert np.array_equal(warps[0], np.eye(2, 3))
        assert np.allclose(warps[1:], [[1, 0, -3], [0, 1, 0]], atol=0.5)


def test_a_second_run_gives_the_same_bytes_however_many_workers(project, monkeypatch):
    write_needed(embeddings=("looks",), camera_motion=("sof",))
    written = []
    for cores in (1, 2):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, cores=cores: set(range(cores)))
        features.main("stage1")
        written.append(content(FOLDER))
    assert written[0] == written[1]


def test_of_ground_truth_boxes_without_detections(project):
    shutil.rmtree("data/detections")
    write_needed("ground_truth", embeddings=("looks",))
    features.main("stage1")
    assert read_embeddings(embeddings_path("stage1", "looks", "air", "one"), np.array([1])).shape == (1, 3)


def test_a_sequence_with_no_detections(project):
    write_detections("data/detections/stage1/air/one.parquet", np.empty((0, 7)))
    write_needed(embeddings=("looks",), camera_motion=("sof",))
    features.main("stage1")
    assert read_embeddings(embeddings_path("stage1", "looks", "air", "one"), np.empty(0)).shape == (0, 3)
    assert read_warps(warps_path("stage1", "sof", "air", "one"), LENGTH)[5, 0, 2] == pytest.approx(-3, abs=0.2)


def test_nothing_needed_is_an_empty_folder_at_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_params()
    write_needed()
    heavy = "{'torch', 'boxmot', 'cv2', 'pandas'}"
    code = f"import sys, stages.features; stages.features.main('stage1'); print({heavy} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "set()\n", "")
    assert FOLDER.is_dir()
    assert content(FOLDER) == {}


def test_with_an_osnet(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_project()
    torch.manual_seed(0)
    network, folder = build_network("osnet_x0_25"), Path("models/reid/looks")
    folder.mkdir(parents=True)
    write_safetensors(folder / "model.safetensors", without_classifier(network.state_dict()))
    write_card(folder, ReidCard("model.safetensors", "osnet_x0_25", (64, 32), DIMENSION))
    write_needed(embeddings=("looks",))
    features.main("stage1")
    found = read_embeddings(embeddings_path("stage1", "looks", "street", "one"), TABLE[:, 0])
    assert found.shape == (LENGTH, DIMENSION)
    frame = Sequence("data/sources/street/one.zip").frame(7)
    alone = load_embedder(folder)(frame, TABLE[6:7, 1:5])[0]
    assert found[6] @ alone == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "data/features.json: no such file: run `dvc repro check`"),
        ("{}", "does not say what is needed"),
        ("[", "does not say what is needed"),
    ],
)
def test_not_knowing_what_is_needed(project, text, said):
    if text is not None:
        Path("data/features.json").write_text(text)
    with pytest.raises(InputError, match=said):
        features.main("stage1")


def test_missing_detections_leave_nothing_behind(project):
    Path("data/detections/stage1/air/one.parquet").unlink()
    write_needed(camera_motion=("sof",))
    with pytest.raises(InputError, match=r"air/one\.parquet: no such detections: run `dvc repro detect@stage1`"):
        features.main("stage1")
    assert list(FOLDER.parent.iterdir()) == []


def test_dvc_knows_the_params_that_are_read(project):
    write_needed(embeddings=("looks",), camera_motion=("ecc",))
    elsewhere = {"evaluation"}  # where jobs run; which boxes are tracked is said by data/features.json
    assert read(features, lambda: features.main("stage1")) == declared("features") | elsewhere


def test_a_checkpoint_that_params_lack(project):
    write_needed()
    with pytest.raises(InputError, match=r"^stage9: no such checkpoint: params\.yaml has stage1, stage2: did you mean"):
        features.main("stage9")
    assert not Path("data/features/stage9").exists()
