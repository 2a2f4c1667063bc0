"""Embedding a frame's boxes against BoxMOT's own backends: ``python -m benchmarks.reid``.

The same OSNet x0.25 with the same weights, the same frame and its 10 boxes, 256x128: the project's embedder (from
safetensors) beside BoxMOT's PyTorch backend, and the project's (ONNX) beside BoxMOT's ONNX backend; then smaller crops.
Prints milliseconds a crop, the fastest of some runs taken in turn, ratios, and how near the embeddings are.
BoxMOT's look at the installed packages is left out: its backend would put another version in the place of one that it
does not know.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from boxmot.reid.backends.onnx_backend import ONNXBackend
from boxmot.reid.backends.pytorch_backend import PyTorchBackend
from boxmot.utils import logger

from stages.appearance.card import SAFETENSORS, ReidCard, write_card
from stages.appearance.embedding import Embedder, load_embedder, open_onnx
from stages.appearance.osnet import build_network, load_network
from stages.errors import run_stage
from stages.tensors import write_safetensors

SIZE, SMALLER = (256, 128), ((128, 64), (64, 32))
BOXES, RUNS = 10, 15
NAME = "osnet_x0_25_msmt17"  # by which BoxMOT tells the model


def main() -> None:
    """Time them, and print."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    logger.setLevel(logging.WARNING)
    warnings.simplefilter("ignore")
    ONNXBackend._ensure_onnxruntime_installed = lambda self: None
    frame, boxes = scene(np.random.default_rng(0))
    with tempfile.TemporaryDirectory() as folder:
        peers, smaller = embedders(Path(folder))
    found = {name: embed(frame, boxes) for name, embed in peers.items()}
    times = fastest({name: lambda embed=embed: embed(frame, boxes) for name, embed in (peers | smaller).items()})
    for name, seconds in times.items():
        print(f"{name:<28}{1000 * seconds / BOXES:7.2f} ms a crop")
    for kind in ("PyTorch", "ONNX"):
        ours, theirs = f"Skyward, {kind}", f"BoxMOT, {kind}"
        cosine = (found[ours] * found[theirs]).sum(axis=1).min()
        print(f"{kind}: Skyward / BoxMOT {times[ours] / times[theirs]:.2f}, cosine at least {cosine:.6f}")


def scene(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A frame (720, 1280, 3) of noise, and boxes of people in it."""
    corner = rng.uniform((0, 0), (1200, 500), (BOXES, 2))
    size = rng.uniform((30, 80), (70, 200), (BOXES, 2))
    return rng.integers(0, 255, (720, 1280, 3)).astype(np.uint8), np.concatenate([corner, corner + size], axis=1)


def embedders(folder: Path) -> tuple[dict[str, Callable], dict[str, Callable]]:
    """The four that are compared, and the project's with smaller crops."""
    torch.manual_seed(0)
    state = build_network("osnet_x0_25").state_dict()
    network = load_network("osnet_x0_25", state, NAME)
    torch.save(state, folder / f"{NAME}.pt")
    free = {"images": {0: "batch"}, "output": {0: "batch"}}
    names = {"input_names": ["images"], "output_names": ["output"], "dynamic_axes": free}
    torch.onnx.export(network, torch.zeros(2, 3, *SIZE), folder / f"{NAME}.onnx", dynamo=False, **names)
    write_safetensors(folder / SAFETENSORS, state)
    ours = {}
    for size in (SIZE, *SMALLER):
        write_card(folder, ReidCard(SAFETENSORS, "osnet_x0_25", size, 512))
        ours[size] = load_embedder(folder)
    cpu = torch.device("cpu")
    peers = {
        "Skyward, PyTorch": ours[SIZE],
        "BoxMOT, PyTorch": _by_boxmot(PyTorchBackend(folder / f"{NAME}.pt", cpu, False)),
        "Skyward, ONNX": Embedder(open_onnx(folder / f"{NAME}.onnx").forward, SIZE, 512),
        "BoxMOT, ONNX": _by_boxmot(ONNXBackend(folder / f"{NAME}.onnx", cpu, False)),
    }
    return peers, {f"Skyward, PyTorch, {h}x{w}": ours[h, w] for h, w in SMALLER}


def _by_boxmot(backend: PyTorchBackend | ONNXBackend) -> Callable:
    return lambda frame, boxes: backend.get_features(boxes, frame)


def fastest(runs: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Seconds of the fastest run of each, behind three that warm up."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(RUNS + 3):
        for name, run in runs.items():
            time.sleep(0.05)  # BoxMOT's ONNX threads spin for a while after a run
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    return {name: min(values[3:]) for name, values in times.items()}


if __name__ == "__main__":
    run_stage(main)
