"""The stage `finetune` in a project of rectangles, in this process."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState

from stages import download_weights, finetune, mixture
from stages.files import remove
from stages.mixtures.mixture import MIXTURES, Manifest, write_mixture
from tests.rectangles import write_params, write_source

SEQUENCES = {"a": ("train", 12, 10.0), "b": ("val", 4, 10.0), "c": ("test", 5, 10.0)}


@contextmanager
def project(folder: Path) -> Iterator[None]:
    """Two sources, their mixtures' beginning and weights from scratch: stage1 can train. It is the working directory.

    Signals are put back: a stage takes them over, as a program of its own.
    """
    signals = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(finetune.os, "sched_getaffinity", lambda _: {0})  # one thread: frames are tiny
        AcceleratorState._reset_state()
        torch.set_num_threads(1)
        for source in ("street", "air"):
            write_source(folder, source, SEQUENCES)
        write_mixture(MIXTURES / "pretrained", Manifest((), (), 0.0, {}), [])
        write_params(folder)
        download_weights.main()
        yield
    for number, handler in signals.items():
        signal.signal(number, handler)


def train(stage: str) -> None:
    """Mix and train."""
    mixture.main(stage)
    AcceleratorState._reset_state()  # a process settles on one precision
    finetune.main(stage)


def forget() -> None:
    """Remove what runs were saved as."""
    remove(Path(".skyward"))


def contents(*folders: str) -> dict[str, bytes]:
    """All files below ``folders`` by their paths, what runs are saved as aside."""
    files = [path for folder in folders for path in sorted(Path(folder).rglob("*")) if path.is_file()]
    return {str(path): path.read_bytes() for path in files if ".skyward" not in path.parts}
