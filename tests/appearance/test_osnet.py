"""OSNets, and files of their weights."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from stages.appearance.osnet import DIMENSION, build_network, load_network, read_weights
from stages.errors import InputError


def fresh(model: str = "osnet_x0_25", identities: int = 1) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return build_network(model, identities).state_dict()


@pytest.mark.parametrize("model", ["osnet_x0_25", "osnet_x0_5", "osnet_ain_x0_25", "osnet_ibn_x1_0"])
def test_models_learn_names_and_embed(model: str):
    torch.manual_seed(0)
    network, crops = build_network(model, 7), torch.rand(2, 3, 64, 32)
    logits, embeddings = network.train()(crops)
    assert (logits.shape, embeddings.shape) == ((2, 7), (2, DIMENSION))
    assert network.eval()(crops).shape == (2, DIMENSION)


def test_torchreids_files_are_read(tmp_path: Path):
    """A training checkpoint of several GPUs, with scores beside the tensors, of 751 identities."""
    tensors = fresh(identities=751)
    saved = {"state_dict": {f"module.{name}": tensor for name, tensor in tensors.items()}, "epoch": 60}
    torch.save(saved | {"rank1": np.float64(0.9), "optimizer": {"lr": 0.1}}, tmp_path / "a.pth.tar.pt")
    torch.save(tensors, tmp_path / "b.pth", _use_new_zipfile_serialization=False)
    save_file(tensors, tmp_path / "c.safetensors")
    crops = torch.rand(2, 3, 64, 32)
    whole = load_network("osnet_x0_25", tensors, "here")(crops)
    for path in sorted(tmp_path.iterdir()):
        read = read_weights(path)
        assert not any(name.startswith("classifier.") for name in read)
        assert torch.equal(load_network("osnet_x0_25", read, "here")(crops), whole)


def test_another_width_is_named():
    with pytest.raises(InputError) as caught:
        load_network("osnet_x1_0", fresh("osnet_ain_x0_5"), "here")
    assert "no weights of `osnet_x1_0`" in str(caught.value) and "set `model: osnet_ain_x0_5`" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("conv1.conv.weight"), "conv1.conv.weight is missing"),
        (lambda state: state.update({"neck.weight": torch.zeros(1)}), "neck.weight is not part of it"),
        (lambda state: state.update({"fc.0.weight": torch.zeros(2, 3)}), "fc.0.weight is 2x3, not 512x128"),
    ],
)
def test_what_is_no_osnet(change, message: str):
    state = fresh()
    change(state)
    with pytest.raises(InputError) as caught:
        load_network("osnet_x0_25", state, "here")
    assert message in str(caught.value) and "give weights of an OSNet" in str(caught.value)


class Trap:
    def __reduce__(self):
        return (pytest.fail, ("run",))


@pytest.mark.parametrize(
    "content",
    [b"", b"no pickle", pickle.dumps({"state_dict": Trap()}, 2), pickle.dumps([1, 2], 2)],
    ids=["empty", "text", "code", "a list"],
)
def test_what_is_no_state_dict_is_not_run(tmp_path: Path, content: bytes):
    (tmp_path / "a.pt").write_bytes(content)
    with pytest.raises(InputError, match="no PyTorch state dict"):
        read_weights(tmp_path / "a.pt")


def test_a_file_of_something_else(tmp_path: Path):
    torch.save({"state_dict": {"a": 1}}, tmp_path / "a.pt")
    with pytest.raises(InputError, match="no PyTorch state dict: check the file"):
        read_weights(tmp_path / "a.pt")
