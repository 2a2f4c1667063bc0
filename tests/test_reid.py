"""The stage `reid` as it is run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from stages import reid
from stages.appearance.embedding import load_embedder
from stages.appearance.osnet import build_network
from stages.errors import InputError
from stages.files import sha256_of
from tests.individuals import REID, SEQUENCES, boxes_at, picture, write_individuals
from tests.rectangles import write_params

SMALL = REID | {"image_size": [32, 32], "epochs": 3, "erasing": 0.0}


def project(folder: Path, entries: dict) -> None:
    torch.set_num_threads(1)
    write_individuals(folder, "street", SEQUENCES)
    write_params(folder, {"reid": entries})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose two entries were made: one trained, one brought in with fresh weights."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(reid, "_prepare_torch", lambda: None)
        patch.setattr("stages.appearance.pictures._COUNT", 2)
        torch.manual_seed(0)
        torch.save(build_network("osnet_x0_25").state_dict(), folder / "fresh.pt")
        fetched = {"path": "fresh.pt", "sha256": sha256_of(folder / "fresh.pt"), "image_size": [32, 32]}
        entries = {"people": SMALL, "fresh": fetched | {"sources": ["street"]}, "bare": fetched}
        project(folder, entries)
        reid.main()
    return folder


def test_every_entry_has_its_files(made: Path):
    for place, names in {
        "data/crops": {"people", "fresh"},
        "models/reid": {"people", "fresh", "bare"},
        "plots/reid": {"people", "fresh"},
    }.items():
        assert {path.name for path in (made / place).iterdir()} == names
    assert {path.name for path in (made / "models/reid/people").iterdir()} == {"card.json", "model.safetensors"}
    card = json.loads((made / "models/reid/people/card.json").read_text())
    assert card["settings"]["epochs"] == 3 and card["settings"]["drawn"]["train_identities"] == 10
    assert len(card["history"]) == 3 and card["sha256"] == sha256_of(made / "models/reid/people/model.safetensors")
    assert not any((made / "data/crops/fresh/bounding_box_train").iterdir())  # it is not trained


def test_scores(made: Path):
    metrics = json.loads((made / "metrics/reid.json").read_text())
    assert set(metrics) == {"people", "fresh"}
    for scores in metrics.values():
        assert list(scores) == ["mAP", "rank1", "rank5", "rank10", "queries", "gallery", "identities", "seen"]
        assert (scores["queries"], scores["gallery"], scores["identities"], scores["seen"]) == (6, 12, 3, 0)
    assert metrics["people"]["rank1"] == 1.0  # their colours tell them apart
    assert metrics["people"]["mAP"] > 0.9


def test_pictures(made: Path):
    pictures = sorted((made / "plots/reid/people").iterdir())
    assert [path.name for path in pictures] == ["001.png", "002.png"]
    image = cv2.imread(str(pictures[-1]))
    green = (np.abs(image.astype(int) - (0x73, 0x9E, 0x00)).max(axis=2) < 8).sum()
    assert green > 500


def test_trackers_find_the_same_one_again(made: Path):
    embedder = load_embedder(made / "models/reid/people")
    identities = [9, 38, 51]
    boxes = {}
    for frame in (1, 6):
        left, top, width, height = boxes_at(frame, 3).T
        boxes[frame] = np.stack([left, top, left + width, top + height], axis=1)
    one, other = (embedder(picture(frame, identities), boxes[frame]) for frame in (1, 6))
    assert (one @ other.T).argmax(axis=1).tolist() == [0, 1, 2]


def test_with_nothing_to_do_it_is_quick_and_leaves_all_empty(tmp_path: Path):
    project(tmp_path, {})
    code = "import sys; from stages.reid import main; main(); print('torch' in sys.modules, 'cv2' in sys.modules)"
    root = Path(reid.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(root)}, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("False False\n", "")
    assert json.loads((tmp_path / "metrics/reid.json").read_text()) == {}
    for place in ("data/crops", "models/reid", "plots/reid"):
        assert list((tmp_path / place).iterdir()) == []


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"people": SMALL | {"identities": 20}}, "10 identities in the train split"),
        (
            {"people": SMALL | {"epochs": 500}, "fresh": {"path": "none.pt", "sha256": "0" * 64}},
            "none.pt: no such file or folder",  # before anything is trained
        ),
    ],
)
def test_bad_input_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entries: dict, message: str):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reid, "_prepare_torch", lambda: None)
    (tmp_path / "models/reid/old").mkdir(parents=True)
    project(tmp_path, entries)
    with pytest.raises(InputError) as caught:
        reid.main()
    assert message in str(caught.value)
    assert (tmp_path / "models/reid/old").exists() and not (tmp_path / "metrics/reid.json").exists()
