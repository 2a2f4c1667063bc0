"""How much memory a step may take, how much it took, and what running out of it looks like."""

from __future__ import annotations

import gc
import resource
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from stages.errors import InputError

_GB = 10**9
# What PyTorch's CPU allocator and NVIDIA's libraries say; the GPU's allocator has an exception of its own.
_SIGNS = ("can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory has run out."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


@contextmanager
def told_as(where: str, what: str, remedy: str) -> Iterator[None]:
    """Running out of memory inside is an `InputError`."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise InputError(where, what, remedy) from None


def free() -> None:
    """Give back memory that is held for later."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of all tensors made while it is active and alive since, on top of ``base``.

    Raises `torch.OutOfMemoryError` as soon as they are more than ``limit``.
    """

    def __init__(self, limit: int, base: int = 0):
        super().__init__()
        self.limit, self.live, self.peak = limit, base, base
        self._known: dict[int, weakref.ref] = {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        given = {tensor.untyped_storage()._cdata for tensor in _tensors((args, kwargs))}
        for tensor in _tensors(result):
            self._count(tensor.untyped_storage(), given)
        if self.live > self.limit:
            raise torch.OutOfMemoryError(f"{self.live / _GB:.3f} GB are in use, {self.limit / _GB:.3f} GB allowed")
        return result

    def _count(self, storage: torch.UntypedStorage, given: set[int]) -> None:
        address, size = storage._cdata, storage.nbytes()
        if address in self._known or address in given:
            return
        self._known[address] = weakref.ref(storage, lambda _: self._forget(address, size))
        self.live += size
        self.peak = max(self.peak, self.live)

    def _forget(self, address: int, size: int) -> None:
        self._known.pop(address, None)
        self.live -= size


def _tensors(tree: object) -> Iterator[torch.Tensor]:
    return (leaf for leaf in tree_iter(tree) if isinstance(leaf, torch.Tensor))


def bytes_of(tensors: Iterable[torch.Tensor]) -> int:
    """Bytes of the memory behind ``tensors``, each counted once."""
    storages = {storage._cdata: storage.nbytes() for storage in (tensor.untyped_storage() for tensor in tensors)}
    return sum(storages.values())


class Limit:
    """`memory.budget_gb`: on a GPU the allocator's own limit, elsewhere a count of live bytes."""

    def __init__(self, budget_gb: float | None, device: torch.device):
        self._budget = None if budget_gb is None else int(budget_gb * _GB)
        self._device, self._counted_peak = device, 0
        if self._budget is not None and device.type == "cuda":
            total = torch.cuda.get_device_properties(device).total_memory
            torch.cuda.set_per_process_memory_fraction(min(1.0, self._budget / total), device)

    @property
    def is_known(self) -> bool:
        """Whether there is a limit that a trial could meet: any GPU has one."""
        return self._budget is not None or self._device.type == "cuda"

    @contextmanager
    def applied(self, held: Callable[[], Iterable[torch.Tensor]]) -> Iterator[None]:
        """Hold what is computed inside to the limit; ``held`` gives the tensors that are there already."""
        with self._counter(held) as counter:
            try:
                yield
            finally:
                if counter is not None:
                    self._counted_peak = max(self._counted_peak, counter.peak)

    def _counter(self, held: Callable[[], Iterable[torch.Tensor]]) -> AbstractContextManager[LiveBytes | None]:
        if self._budget is None or self._device.type == "cuda":
            return nullcontext()
        return LiveBytes(self._budget, bytes_of(held()))

    def peak_mb(self) -> float:
        """The most that was in use: of the GPU's allocator, by the count, or of the process."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device) / 2**20
        if self._counted_peak:
            return self._counted_peak / 2**20
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
