"""An appearance model at work: embeddings of boxes in a frame."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stages.appearance.card import ONNX, ReidCard, load_reid_card
from stages.appearance.preparing import cut, normalised, resized
from stages.errors import InputError

if TYPE_CHECKING:
    from torch import nn

Forward = Callable[[np.ndarray], np.ndarray]  # (n, 3, H, W) float32 to (n, D) float32

_BATCH = 64  # crops that go through the network at once


class Embedder:
    """Embeds crops: numbers whose cosine says how alike two of them look."""

    def __init__(self, forward: Forward, image_size: tuple[int, int], dimension: int):
        self._forward, self.image_size, self.dimension = forward, image_size, dimension

    def __call__(self, frame: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """Embeddings (n, D) float32 of length 1, of ``boxes`` (n, 4) x1, y1, x2, y2 in ``frame`` (H, W, 3).

        Colours are blue-green-red. A box that no pixel lies in counts as black.
        """
        return self.embed(cut(frame, np.asarray(boxes).reshape(-1, 4)))

    def embed(self, crops: Sequence[np.ndarray]) -> np.ndarray:
        """Embeddings of crops, each (h, w, 3) uint8 blue-green-red: (n, D) float32 of length 1."""
        parts = [np.empty((0, self.dimension), np.float32)]
        for start in range(0, len(crops), _BATCH):
            images = normalised(resized(crops[start : start + _BATCH], self.image_size))
            parts.append(self._forward(images))
        found = np.nan_to_num(np.concatenate(parts), posinf=0.0, neginf=0.0)
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)


def load_embedder(folder: Path, device: str = "cpu") -> Embedder:
    """The appearance model in ``folder`` (models/reid/NAME) on ``device``; raises `InputError` where there is none."""
    card = load_reid_card(folder)
    if card.file == ONNX:
        return Embedder(open_onnx(folder / ONNX, device).forward, card.image_size, card.dimension)
    from stages.appearance.osnet import load_network
    from stages.tensors import read_safetensors

    network = load_network(str(card.model), read_safetensors(folder / card.file), str(folder / card.file))
    return embedder_of(network, card, device)


def embedder_of(network: nn.Module, card: ReidCard, device: str = "cpu") -> Embedder:
    """A network, in evaluation mode, as an embedder."""
    return Embedder(_forward(network, card.image_size, device), card.image_size, card.dimension)


def _forward(network: nn.Module, image_size: tuple[int, int], device: str) -> Forward:
    """On the CPU by onnxruntime, which takes half of PyTorch's time for OSNet's many thin convolutions."""
    import torch

    network = network.to(device).eval()
    if device == "cpu":
        return open_onnx(_exported(network, image_size)).forward

    def forward(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(images).to(device)).float().cpu().numpy()

    return forward


def _exported(network: nn.Module, image_size: tuple[int, int]) -> bytes:
    """The network as an ONNX file that takes any number of crops."""
    import torch

    file, free = io.BytesIO(), {0: "crops"}
    names = {"input_names": ["crops"], "output_names": ["embeddings"]}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the newer exporter takes several times as long
        axes = {"crops": free, "embeddings": free}
        torch.onnx.export(network, torch.zeros(2, 3, *image_size), file, dynamo=False, dynamic_axes=axes, **names)
    return file.getvalue()


class OnnxModel:
    """An ONNX file that maps crops, (n, 3, H, W) float32, to embeddings. Open it with `open_onnx`."""

    def __init__(self, session: object, image_size: tuple[int | None, int | None], batch: int | None):
        """``image_size`` and ``batch`` as the file fixes them, None where it leaves them open."""
        self.session, self.image_size, self._batch = session, image_size, batch

    def forward(self, images: np.ndarray) -> np.ndarray:
        """The embeddings (n, D); where the file fixes n, in parts of n, the last filled up."""
        name = self.session.get_inputs()[0].name
        step = self._batch or max(1, len(images))
        parts = []
        for start in range(0, len(images), step):
            part = images[start : start + step]
            filled = np.concatenate([part, np.zeros((step - len(part), *part.shape[1:]), part.dtype)])
            parts.append(np.asarray(self.session.run(None, {name: filled})[0])[: len(part)])
        return np.concatenate(parts).astype(np.float32)


def open_onnx(path: Path | bytes, device: str = "cpu") -> OnnxModel:
    """Open an ONNX file, or its content; raises `InputError` unless it takes crops."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = _threads()
    # Threads that have nothing to do would keep the cores from what comes between two frames.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    gpu = device != "cpu" and "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    providers = ["CUDAExecutionProvider"] if gpu else ["CPUExecutionProvider"]
    try:
        session = onnxruntime.InferenceSession(path, options, providers)
    except Exception as error:  # its own types, of which pybind11 makes plain exceptions
        reason = " ".join(str(error).split())[:100]
        raise InputError(str(path), f"no ONNX model ({reason})", "check the file") from None
    shape = list(session.get_inputs()[0].shape)
    if len(session.get_inputs()) != 1 or len(shape) != 4 or shape[1] not in (3, "channels", None):
        what = f"an ONNX model that takes {shape}, not crops (n, 3, height, width)"
        raise InputError(str(path), what, "give an appearance model")
    batch, _, height, width = (size if isinstance(size, int) and size > 0 else None for size in shape)
    return OnnxModel(session, (height, width), batch)


def _threads() -> int:
    """As many as torch has been given, which leaves other processes of this machine their cores."""
    import torch

    return torch.get_num_threads()
