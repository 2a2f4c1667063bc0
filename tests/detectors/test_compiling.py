"""`compile: true` compiles what a family's network computes when it is called."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from stages.detectors import FAMILIES
from tests.detectors.families import frames, fresh
from tests.small_networks import RTDETR, thin_rfdetr

MODELS = {
    "yolo": "yolov8-pico",
    "rtdetr": "tiny.yaml",
    "fasterrcnn": "mobilenetv3-large-fpn",
    "ssdlite": "ssdlite320-mobilenetv3-large",
    "retinanet": "resnet50-fpn",
    "rfdetr": "tiny",
    "simple": "simple-tiny",
}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_calls_the_network_that_is_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str):
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(RTDETR)
    with thin_rfdetr():
        detector = fresh(family, MODELS[family]).train()
    calls: list[str] = []
    detector.network.register_forward_pre_hook(lambda *_: calls.append(family))
    detector(frames(1))
    assert calls == [family]


# Tracing a network takes half a minute where it is large.
@pytest.mark.parametrize("family", ["yolo", "rtdetr", "simple"])
def test_compiling_acts_and_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str):
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(RTDETR)
    detector = fresh(family, MODELS[family]).train()
    plain = _parts(detector)
    convolutions: list[int] = []  # of every graph

    def backend(graph: torch.fx.GraphModule, _: list[torch.Tensor]) -> Callable:
        """Makes no machine code, which would take long."""
        convolutions.append(sum("conv2d" in str(node.target) for node in graph.graph.nodes))
        return graph.forward

    torch._dynamo.reset()
    detector.network.compile(backend=backend)
    assert _parts(detector) == pytest.approx(plain, rel=1e-4)
    blocks = [module for block in detector.blocks() for module in block.modules()]
    assert sum(convolutions) >= sum(isinstance(module, torch.nn.Conv2d) for module in blocks) > 0


def _parts(detector: torch.nn.Module) -> dict[str, float]:
    torch.manual_seed(0)
    return {name: float(part.detach()) for name, part in detector(frames(1, 5)).items()}
