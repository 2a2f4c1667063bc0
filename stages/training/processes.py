"""What the processes of a run tell each other: gradients, statistics, and whether all is well.

Every process holds the whole network and takes its own micro-batches. A step's gradient is the sum over processes,
each micro-batch weighted by its share of the window's frames: that of one process that accumulates them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from accelerate import Accelerator
from torch import distributed, nn
from torch._utils import _flatten_dense_tensors, _unflatten_dense_tensors

Agreed = Callable[[Callable[[], tuple["Flat", ...]]], tuple["Flat", ...]]

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

    def first(self, values: dict[str, float]) -> dict[str, float]:
        """The first process's numbers in every process, whose own are replaced; all have the same names."""
        if self.count == 1:
            return values
        numbers = torch.tensor(list(values.values()), dtype=torch.float64, device=self._device)
        distributed.broadcast(numbers, 0)
        return dict(zip(values, numbers.tolist(), strict=True))

    def exchange(self, parameters: Iterable[nn.Parameter], network: nn.Module, agreed: Agreed) -> None:
        """Give every process the sum of all gradients and the mean of what BatchNorm learns of its inputs.

        A parameter that no process used keeps no gradient. ``agreed`` does what takes memory: where that runs out in
        one process it raises in all, so that none waits for another.
        """
        if self.count == 1:
            return
        used = self._used(parameters)
        gradients, means = agreed(lambda: (Flat(_gradients(used)), Flat(statistics(network))))
        gradients.sum()
        means.sum()
        gradients.spread()
        means.spread(self.count)

    def _used(self, parameters: Iterable[nn.Parameter]) -> list[nn.Parameter]:
        """The parameters of which any process has a gradient."""
        parameters = [parameter for parameter in parameters if parameter.requires_grad]
        used = torch.tensor([parameter.grad is not None for parameter in parameters], device=self._device).int()
        distributed.all_reduce(used, distributed.ReduceOp.MAX)
        return [parameter for parameter, is_used in zip(parameters, used.tolist(), strict=True) if is_used]


class Flat:
    """Tensors, copied into one, so that they travel together."""

    def __init__(self, tensors: list[torch.Tensor]):
        self._tensors = tensors
        self._values = _flatten_dense_tensors(tensors) if tensors else None

    def sum(self) -> None:
        """Sum the values over all processes."""
        if self._values is not None:
            distributed.all_reduce(self._values)

    def spread(self, divisor: int = 1) -> None:
        """Copy the values back, divided; takes no memory."""
        if self._values is None:
            return
        values = _unflatten_dense_tensors(self._values.div_(divisor), self._tensors)
        for tensor, value in zip(self._tensors, values, strict=True):
            tensor.copy_(value)


def statistics(network: nn.Module) -> list[torch.Tensor]:
    """The running means and variances of each BatchNorm that trains.

    Others, and what else a network keeps, are equal in all processes: their mean would not be, by rounding.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    learning = [norm for norm in norms if norm.training and norm.running_mean is not None]
    return [buffer for norm in learning for buffer in (norm.running_mean, norm.running_var)]


def _gradients(parameters: list[nn.Parameter]) -> list[torch.Tensor]:
    """Their gradients; 0 where this process has none."""
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    return [parameter.grad for parameter in parameters]
