"""Gradient checkpointing is the same computation, in less memory."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from stages.detectors import Batch
from stages.training.recompute import set_recompute
from tests.stub_detector import StubDetector


class Layers(nn.Sequential):
    """Convolution, BatchNorm and dropout; counts how often it computes."""

    count = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.count += 1
        return super().forward(images)


def _detector() -> StubDetector:
    torch.manual_seed(0)
    detector = StubDetector()
    layers = Layers(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4, momentum=None), nn.Dropout(0.5), nn.ReLU(inplace=True))
    detector.network[2] = layers
    return detector.train()


def _batch() -> Batch:
    images = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Batch(images, torch.zeros(2, 4), torch.tensor([0, 1]), torch.tensor([0, 3]))


def _step(detector: StubDetector) -> tuple[float, list[torch.Tensor]]:
    torch.manual_seed(5)  # of the dropout
    loss = sum(detector(_batch()).values())
    loss.backward()
    gradients = [parameter.grad.clone() for parameter in detector.parameters()]
    detector.zero_grad()
    return loss.item(), gradients


def _buffers(detector: StubDetector) -> list[torch.Tensor]:
    return [buffer.clone() for buffer in detector.network.buffers()]


def _same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_same_gradient_and_statistics_to_the_last_bit():
    plain, twice = _detector(), _detector()
    set_recompute(twice, True)
    for step in (1, 2):
        (loss, gradients), (again, recomputed) = _step(plain), _step(twice)
        assert loss == again and _same(gradients, recomputed)
        assert _same(_buffers(plain), _buffers(twice)) and twice.network[2][1].num_batches_tracked == step
    assert (plain.network[2].count, twice.network[2].count) == (2, 4)
    assert plain.network.state_dict().keys() == twice.network.state_dict().keys()


def test_it_can_be_switched_off_and_is_off_without_gradients():
    detector = _detector()
    set_recompute(detector, True)
    with torch.no_grad():
        detector(_batch())
    detector.eval()
    _step(detector)
    assert detector.network[2].count == 2
    set_recompute(detector.train(), False)
    set_recompute(detector, False)
    _step(detector)
    assert detector.network[2].count == 3 and all("forward" not in vars(block) for block in detector.blocks())


def test_a_failure_in_the_second_computation_leaves_the_statistics_as_after_the_first():
    detector = _detector()
    set_recompute(detector, True)
    loss, layers = sum(detector(_batch()).values()), detector.network[2]
    statistics, buffer = _buffers(detector), layers[1].running_mean

    def fail(*_: object) -> None:
        raise torch.OutOfMemoryError

    layers[2].register_forward_hook(fail)
    with pytest.raises(torch.OutOfMemoryError):
        loss.backward()
    assert _same(statistics, _buffers(detector)) and layers[1].running_mean is buffer


def test_what_is_compiled_is_computed_twice_too():
    """Switched on in the middle of a run, as the memory ladder does it."""
    from torch._dynamo.backends.debugging import aot_eager

    plain, compiled = StubDetector(), StubDetector()
    compiled.network.load_state_dict(plain.network.state_dict())
    graphs = []

    def backend(graph: torch.fx.GraphModule, inputs: list) -> object:
        graphs.append(graph)
        return aot_eager(graph, inputs)

    compiled.network.compile(backend=backend)
    for step in (1, 2):
        (loss, gradients), (again, recomputed) = _step(plain.train()), _step(compiled.train())
        assert loss == pytest.approx(again, rel=1e-6)
        for one, other in zip(gradients, recomputed, strict=True):
            assert torch.allclose(one, other, atol=1e-6)
        assert all(torch.allclose(*pair) for pair in zip(_buffers(plain), _buffers(compiled), strict=True))
        assert len(graphs) == step
        set_recompute(compiled, True)
    assert any("checkpoint" in str(node.target) for node in graphs[1].graph.nodes)
