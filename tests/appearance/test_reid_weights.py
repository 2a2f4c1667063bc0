"""Appearance models from elsewhere: what is brought in, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from stages.appearance.osnet import build_network
from stages.appearance.weights import bring
from stages.errors import InputError
from stages.files import sha256_of
from stages.params.reid import Reid
from stages.tensors import read_safetensors
from tests.web import WebServer


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("reid:\n  people:\n    path: there\n    image_size: [64, 32]\n")
    (tmp_path / "out").mkdir()


def fresh(model: str = "osnet_x0_25") -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return build_network(model).state_dict()


def bringing(address: object, path: Path | None = None, **values: object):
    """Bring in what lies at ``address``; ``path`` is the file whose sha256 is given."""
    sha256 = sha256_of(path or Path(str(address)))
    reid = Reid.model_validate({"path": str(address), "sha256": sha256, **values}, strict=False)
    return bring("people", reid, Path("out"))


@pytest.mark.parametrize("name", ["a.pt", "a.pth", "a.safetensors"])
def test_files_become_safetensors(name: str):
    save_file(fresh(), name) if name.endswith("safetensors") else torch.save(fresh(), name)
    card = bringing(name, image_size=(128, 64))
    assert (card.file, card.model, card.image_size, card.dimension) == (
        "model.safetensors",
        "osnet_x0_25",
        (128, 64),
        512,
    )
    assert card.settings == {"origin": {"file": name, "sha256": sha256_of(name)}}
    tensors, expected = read_safetensors(Path("out/model.safetensors")), fresh()
    assert tensors.keys() == {key for key in expected if not key.startswith("classifier.")}
    assert all(torch.equal(tensor, expected[key]) for key, tensor in tensors.items())


def test_from_a_server(http_server: WebServer):
    path = http_server.root / "weights/a.pt"
    path.parent.mkdir()
    torch.save(fresh(), path)
    card = bringing(http_server.address("weights/a.pt") + "?X-Amz-Signature=hunter2", path)
    assert card.settings["origin"]["file"] == "a.pt"


def test_a_server_that_does_not_have_it(http_server: WebServer):
    Path("a.pt").write_bytes(b"")
    with pytest.raises(InputError, match="weights/none"):
        bringing(http_server.address("weights/none.pt"), Path("a.pt"))


def test_an_onnx_file_is_copied(real_data: Path):
    path = real_data / "weights/osnet_x0_25_msmt17.onnx"
    card = bringing(path)
    assert (card.file, card.model, card.image_size, card.dimension) == ("model.onnx", None, (256, 128), 512)
    assert sha256_of("out/model.onnx") == sha256_of(path)
    with pytest.raises(InputError) as caught:
        bringing(path, image_size=(64, 32))
    assert str(caught.value).endswith("the model takes crops of 256x128: set it to [256, 128], or delete it")
    assert "params.yaml:4: reid.people.image_size" in str(caught.value)


def test_another_file_than_meant():
    torch.save(fresh(), "a.pt")
    Path("b.pt").write_bytes(b"other")
    with pytest.raises(InputError, match="sha256"):
        bringing("a.pt", Path("b.pt"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.onnx", b"nothing", "no ONNX model"),
        ("a.pt", b"nothing", "no PyTorch state dict"),
        ("a.safetensors", b"nothing", "no safetensors file but damaged"),
        ("a.engine", b"nothing", "unknown kind of weights `.engine`"),
    ],
)
def test_what_is_no_model(name: str, content: bytes, message: str):
    Path(name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        bringing(name)
    assert message in str(caught.value)


def test_another_model_than_said():
    torch.save(fresh("osnet_x0_5"), "a.pt")
    with pytest.raises(InputError) as caught:
        bringing("a.pt")
    assert "params.yaml:3: reid.people.path: a.pt" in str(caught.value) and "osnet_x0_5" in str(caught.value)


def test_an_onnx_file_of_another_kind(tmp_path: Path):
    onnx = pytest.importorskip("onnx")
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 5])
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 5])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "g", [value], [out])
    opsets = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8), "a.onnx")
    with pytest.raises(InputError, match="not crops"):
        bringing("a.onnx")
