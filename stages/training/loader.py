"""Micro-batches of a whole run, in an order that depends on the seed alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from stages.detectors.base import Batch
from stages.detectors.frames import resized, stacked
from stages.errors import InputError
from stages.mixtures.clips import ClipReader, Targets
from stages.mixtures.mixing import Clip
from stages.params.stage import Augment
from stages.sequences.seeds import generator
from stages.training.augment import augment_clip

Place = tuple[int, int]  # epoch, clip


@dataclass(frozen=True)
class Sample:
    """A clip, ready to be put into a batch: resized frames and their targets."""

    frames: list[np.ndarray]
    targets: list[Targets]


class ClipSamples(Dataset):
    """The clips of a mixture as training sees them; the item at (epoch, clip) is always the same."""

    def __init__(self, reader: ClipReader, clips: list[Clip], image_size: int, augment: Augment, seed: int):
        self._reader, self._clips = reader, clips
        self._image_size, self._augment, self._seed = image_size, augment, seed

    def __getitem__(self, place: Place) -> Sample:
        epoch, number = place
        data = self._reader.read(self._clips[number])
        scaled = [resized(frame, self._image_size) for frame in data.frames]
        targets = [scale_targets(target, factor) for target, (_, factor) in zip(data.targets, scaled, strict=True)]
        rng = generator(self._seed, "augment", epoch, number)
        return Sample(*augment_clip([frame for frame, _ in scaled], targets, self._augment, rng))

    def __getitems__(self, places: list[Place]) -> list[Sample] | InputError:
        """A micro-batch's samples, or what is wrong with them: a worker's exceptions do not arrive whole."""
        try:
            return [self[place] for place in places]
        except InputError as error:
            return error


def scale_targets(targets: Targets, factor: float) -> Targets:
    """Targets of a frame that was resized by ``factor``."""
    boxes = {name: getattr(targets, name) * np.float32(factor) for name in ("boxes", "distractors", "regions")}
    return replace(targets, **boxes)


class RunOrder(Sampler):
    """The micro-batches of all epochs: lists of (epoch, clip).

    Each epoch shuffles by a generator of its own; its last micro-batch holds what is left, so every clip is seen
    once an epoch. ``start`` skips that many micro-batches, for a run that goes on in the middle.
    """

    def __init__(self, clips: int, clips_per_batch: int, epochs: int, seed: int, start: int = 0):
        self._clips, self._size, self._epochs, self._seed, self._start = clips, clips_per_batch, epochs, seed, start

    @property
    def batches_per_epoch(self) -> int:
        """Micro-batches in one epoch."""
        return -(-self._clips // self._size)

    def __len__(self) -> int:
        return self.batches_per_epoch * self._epochs - self._start

    def __iter__(self) -> Iterator[list[Place]]:
        first, skip = divmod(self._start, self.batches_per_epoch)
        for epoch in range(first, self._epochs):
            order = generator(self._seed, "order", epoch).permutation(self._clips)
            batches = [order[i : i + self._size] for i in range(0, self._clips, self._size)]
            for batch in batches[skip:] if epoch == first else batches:
                yield [(epoch, int(clip)) for clip in batch]


def collate(samples: list[Sample] | InputError) -> Batch | InputError:
    """Flatten clips into one batch of frames; an error goes on as it is."""
    if isinstance(samples, InputError):
        return samples
    frames = [frame for sample in samples for frame in sample.frames]
    targets = [target for sample in samples for target in sample.targets]
    counts = torch.tensor([len(target.boxes) for target in targets])
    return Batch(
        images=stacked(frames),
        boxes=torch.from_numpy(np.concatenate([target.boxes for target in targets])),
        classes=torch.from_numpy(np.concatenate([target.classes for target in targets])),
        frame=torch.repeat_interleave(torch.arange(len(targets)), counts),
    )


class BatchLoader(DataLoader):
    """A loader that raises a worker's `InputError` as what it is."""

    def __iter__(self) -> Iterator[Batch]:
        for batch in super().__iter__():
            if isinstance(batch, InputError):
                raise batch
            yield batch


def make_loader(samples: ClipSamples, order: RunOrder, workers: int) -> BatchLoader:
    """A loader over the whole run; any number of workers gives the same batches."""
    if workers:
        cv2.setNumThreads(1)  # before they are forked: a fork would wait for OpenCV's threads, which it does not have
    return BatchLoader(
        samples,
        batch_sampler=order,
        num_workers=workers,
        collate_fn=collate,
        worker_init_fn=_one_thread,
        prefetch_factor=4 if workers else None,
        pin_memory=torch.cuda.is_available(),
    )


def _one_thread(_: int) -> None:
    cv2.setNumThreads(1)  # workers are the parallelism
