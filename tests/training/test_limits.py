"""Counting live bytes, and what running out of memory looks like."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from stages.training.limits import Limit, LiveBytes, bytes_of, is_out_of_memory

CPU = torch.device("cpu")
KB = 1000


def _floats(kilobytes: int) -> torch.Tensor:
    return torch.zeros(250 * kilobytes)  # four bytes each


def test_live_bytes_by_hand():
    with LiveBytes(100 * KB, base=7) as counter:
        one = _floats(10)
        assert counter.live == 10 * KB + 7
        two = one + 1
        view, same = two[5:].view(5, -1), one.add_(1)  # no memory of their own
        assert counter.live == 20 * KB + 7
        del two
        assert counter.live == 20 * KB + 7  # the view holds on to it
        del view
        assert counter.live == 10 * KB + 7
        del one, same
    assert (counter.live, counter.peak) == (7, 20 * KB + 7)


def test_what_a_backward_pass_keeps_is_counted():
    weight = torch.ones(2500, requires_grad=True)  # 10 kB, there before
    with LiveBytes(100 * KB) as counter:
        loss = (weight.exp().exp()).sum()  # keeps both results
        assert counter.live == 20 * KB + 4
        loss.backward()
        assert counter.live == 10 * KB + 4  # its gradient and the loss
    assert counter.peak >= 30 * KB


def test_over_the_limit_is_the_allocators_own_exception():
    message = r"^0\.030 GB are in use, 0\.025 GB allowed$"
    with pytest.raises(torch.OutOfMemoryError, match=message) as caught, LiveBytes(25_000 * KB):
        kept = [_floats(10_000), _floats(10_000)]
        kept.append(_floats(10_000))
    assert is_out_of_memory(caught.value)


@pytest.mark.parametrize(
    ("error", "is_it"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), True),
        (MemoryError(), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("shape '[2]' is invalid for input of size 3"), False),
        (ValueError("can't allocate memory"), False),
    ],
)
def test_what_running_out_looks_like(error: Exception, is_it: bool):
    assert is_out_of_memory(error) is is_it


def test_pytorchs_own_words_are_known():
    """A process that may have no more memory says what the CPU's allocator says."""
    code = (
        "import resource, torch; from stages.training.limits import is_out_of_memory as known\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2**34, 2**34))\n"
        "try: torch.empty(2**36)\n"
        "except RuntimeError as error: print(known(error))\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "True\n"


def test_bytes_behind_tensors_are_counted_once():
    tensor = torch.zeros(10, 10)
    assert bytes_of([tensor, tensor[3], tensor.T, torch.zeros(5, dtype=torch.uint8)]) == 405
    assert bytes_of([]) == 0


def test_a_budget_counts_what_is_there_already():
    limit, held = Limit(60e-6, CPU), [_floats(40)]
    assert limit.is_known
    with limit.applied(lambda: held):
        torch.ones(2500).sum()  # 10 kB, and four bytes
    assert limit.peak_mb() == pytest.approx((50 * KB + 4) / 2**20)
    with pytest.raises(torch.OutOfMemoryError), limit.applied(lambda: held):
        torch.ones(7500)
    assert limit.peak_mb() == pytest.approx(70 * KB / 2**20)


def test_no_budget_is_no_limit():
    limit = Limit(None, CPU)
    assert not limit.is_known
    with limit.applied(lambda: pytest.fail("nothing is to be counted")):
        torch.ones(10**6)
    assert 50 < limit.peak_mb() < 100_000  # the process's own
