"""Micro-batches of a whole run, in the order of `RunOrder`, from any number of worker processes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader

from stages.detectors.base import Batch
from stages.detectors.frames import stacked
from stages.errors import InputError
from stages.training.order import RunOrder
from stages.training.samples import ClipSamples, Sample


def collate(samples: list[Sample] | InputError, stride: int) -> Batch | InputError:
    """Flatten clips into one batch of frames; an error goes on as it is."""
    if isinstance(samples, InputError):
        return samples
    frames = [frame for sample in samples for frame in sample.frames]
    targets = [target for sample in samples for target in sample.targets]
    counts = [len(target.boxes) for target in targets]
    return Batch(
        images=stacked(frames, stride),
        boxes=torch.from_numpy(np.concatenate([target.boxes for target in targets])),
        classes=torch.from_numpy(np.concatenate([target.classes for target in targets])),
        frame=torch.from_numpy(np.repeat(np.arange(len(targets)), counts)),
        names=tuple(name for sample in samples for name in sample.names),
        left_out=sum(sample.dropped for sample in samples),
    )


class BatchLoader(DataLoader):
    """A loader that raises a worker's `InputError` as what it is."""

    def __iter__(self) -> Iterator[Batch]:
        for batch in super().__iter__():
            if isinstance(batch, InputError):
                raise batch
            yield batch


def make_loader(samples: ClipSamples, order: RunOrder, workers: int, stride: int) -> BatchLoader:
    """A loader over the rest of the run; any number of workers gives the same batches."""
    if workers:
        cv2.setNumThreads(1)  # before they are forked: a fork would wait for OpenCV's threads, which it does not have
    return BatchLoader(
        samples,
        batch_sampler=order,
        num_workers=workers,
        collate_fn=partial(collate, stride=stride),
        worker_init_fn=_one_thread,
        prefetch_factor=4 if workers else None,
        pin_memory=torch.cuda.is_available(),
    )


def _one_thread(_: int) -> None:
    cv2.setNumThreads(1)  # workers are the parallelism
