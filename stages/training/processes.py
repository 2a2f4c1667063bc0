"""What the processes of a run tell each other: gradients, statistics, and whether all is well.

Every process holds the whole network and takes its own micro-batches. A step's gradient is the sum over processes,
each micro-batch weighted by its share of the window's frames: that of one process that accumulates them all.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from accelerate import Accelerator
from torch import distributed, nn
from torch._utils import _flatten_dense_tensors, _unflatten_dense_tensors

LAUNCHER = "SKYWARD_LAUNCHER"  # the environment variable with the number of the process that started them


class Processes:
    """The processes that train together; with one alone, nothing is exchanged."""

    def __init__(self, accelerator: Accelerator):
        self.rank, self.count = accelerator.process_index, accelerator.num_processes
        self._device = accelerator.device

    def worst(self, status: int) -> int:
        """The largest ``status`` of any process."""
        if self.count == 1:
            return status
        value = torch.tensor(status, device=self._device)
        distributed.all_reduce(value, distributed.ReduceOp.MAX)
        return int(value)

    def sums(self, values: dict[str, float]) -> dict[str, float]:
        """Sum numbers by name; all processes have the same names, in any order."""
        if self.count == 1:
            return values
        names = sorted(values)
        total = torch.tensor([values[name] for name in names], dtype=torch.float64, device=self._device)
        distributed.all_reduce(total)
        return dict(zip(names, total.tolist(), strict=True))

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Give every process the sum of all gradients; a parameter that no process used keeps none."""
        if self.count == 1:
            return
        parameters = [parameter for parameter in parameters if parameter.requires_grad]
        used = torch.tensor([parameter.grad is not None for parameter in parameters], device=self._device).int()
        distributed.all_reduce(used, distributed.ReduceOp.MAX)
        parameters = [parameter for parameter, is_used in zip(parameters, used.tolist(), strict=True) if is_used]
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        self._sum([parameter.grad for parameter in parameters])

    def average_statistics(self, network: nn.Module) -> None:
        """Give every process the mean of all BatchNorm statistics."""
        if self.count == 1:
            return
        buffers = [buffer for buffer in network.buffers() if buffer.is_floating_point()]
        self._sum(buffers)
        torch._foreach_div_(buffers, self.count)

    def _sum(self, tensors: list[torch.Tensor]) -> None:
        if not tensors:
            return
        flat = _flatten_dense_tensors(tensors)
        distributed.all_reduce(flat)
        for tensor, total in zip(tensors, _unflatten_dense_tensors(flat, tensors), strict=True):
            tensor.copy_(total)
