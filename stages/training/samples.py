"""The clips of a mixture as training sees them: read, resized, augmented; each the same whenever it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from torch.utils.data import Dataset

from stages.detectors.frames import resized_size
from stages.errors import InputError
from stages.mixtures.clips import ClipReader, Targets
from stages.mixtures.mixing import Clip
from stages.params import Stage
from stages.params.stage import Augment
from stages.sequences.seeds import generator
from stages.training.augment import augment_clip
from stages.training.mosaic import CLIPS, fullest_mosaic, mosaic_clip

Place = tuple[int, int, int]  # epoch (from 1), clip, image side in pixels
TRIAL = 0  # an epoch that training does not have: its clips are as full as they can be
_STILL = Augment(flip=0.0, scale=(1.0, 1.0), translate=0.0, colour=0.0)
_STRIDE = 32  # pixels to which a batch's sides are filled up


@dataclass(frozen=True)
class Sample:
    """A clip, ready to be put into a batch: resized frames, their targets, and where each frame comes from.

    ``dropped`` counts the targets left out because their frames had more than `memory.max_objects`.
    """

    frames: list[np.ndarray]
    targets: list[Targets]
    names: tuple[str, ...]
    dropped: int = 0


class ClipSamples(Dataset):
    """The item at (epoch, clip, image side) depends on these, the stage's params and the seed alone.

    What is drawn for a clip does not depend on the image side.
    """

    def __init__(self, reader: ClipReader, clips: list[Clip], stage: Stage, seed: int):
        self._reader, self._clips, self._stage, self._seed = reader, clips, stage, seed

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, place: Place) -> Sample:
        epoch, number, side = place
        if epoch == TRIAL:
            return self._fullest(number, side)
        partners = self._partners(epoch, number)
        settings, rng = self._stage.augment, generator(self._seed, "augment", epoch, number)
        clips = [self._reader.read(self._clips[clip]) for clip in (number, *partners)]
        size = resized_size(*clips[0].frames[0].shape[1::-1], side)
        if partners:
            return self._sample((number, *partners), *mosaic_clip(clips, size, settings, rng))
        return self._sample((number,), *augment_clip(clips[0].frames, clips[0].targets, size, settings, rng))

    def __getitems__(self, places: list[Place]) -> list[Sample] | InputError:
        """A micro-batch's samples, or what is wrong with them: a worker's exceptions do not arrive whole."""
        try:
            return [self[place] for place in places]
        except InputError as error:
            return error

    def densest(self, count: int) -> list[Place]:
        """The places of the ``count`` clips with the most boxes, at the largest side: a memory trial's micro-batch.

        Among them are the highest and the widest when resized, as a batch takes the room of both (the largest where
        ``count`` is 1). Their epoch is `TRIAL`: nothing is cropped, shifted or mirrored, and where an epoch has mosaics
        and a mosaic holds more boxes than the clip alone, it is one with the fullest parts of the three densest others.
        """
        extents = -(-np.array([self._size(clip) for clip in self._clips]) // _STRIDE)
        chosen = self._by_fullness[:count].copy()
        behind = len(chosen)
        for extent in extents.T if count > 1 else [extents.prod(1)]:
            if extent[chosen].max() < extent.max():
                behind -= 1
                chosen[behind] = self._by_fullness[extent[self._by_fullness].argmax()]
        return [(TRIAL, int(number), self._stage.memory.image_sizes[-1]) for number in chosen]

    def _size(self, clip: Clip) -> tuple[int, int]:
        """Width and height of a clip's image at the largest side."""
        return resized_size(*self._reader.size(clip), self._stage.memory.image_sizes[-1])

    @cached_property
    def _by_fullness(self) -> np.ndarray:
        """The clips' numbers, those with the most boxes first."""
        most = self._stage.memory.max_objects or np.inf
        boxes = [sum(min(len(t.boxes), most) for t in self._reader.targets(clip)) for clip in self._clips]
        return np.argsort(-np.array(boxes), kind="stable")

    def _fullest(self, number: int, side: int) -> Sample:
        """The clip as it is or in a mosaic, whichever holds more boxes."""
        data = self._reader.read(self._clips[number])
        size = resized_size(*data.frames[0].shape[1::-1], side)
        plain = augment_clip(data.frames, data.targets, size, _STILL, generator(self._seed, "trial"))
        if not self._has_mosaics(1):
            return self._sample((number,), *plain)
        length = len(self._clips[number].frames)
        others = self._others(number, [n for n in self._by_fullness if len(self._clips[n].frames) == length])
        partners = tuple(int(other) for other in np.resize(others, CLIPS - 1))
        clips = [data, *(self._reader.read(self._clips[partner]) for partner in partners)]
        mosaic = fullest_mosaic(clips, size, self._stage.augment)
        if sum(len(t.boxes) for t in plain[1]) > sum(len(t.boxes) for t in mosaic[1]):
            return self._sample((number,), *plain)
        return self._sample((number, *partners), *mosaic)

    def _partners(self, epoch: int, number: int) -> tuple[int, ...]:
        """The three clips that share the image with a clip; none where it has it for itself.

        They are of the same length; where there are fewer than three others, some come again.
        """
        if not self._has_mosaics(epoch):
            return ()
        rng = generator(self._seed, "mosaic", epoch, number)
        if rng.random() >= self._stage.augment.mosaic:
            return ()
        others = self._others(number, self._by_length[len(self._clips[number].frames)])
        return tuple(int(other) for other in rng.choice(others, CLIPS - 1, replace=len(others) < CLIPS - 1))

    def _has_mosaics(self, epoch: int) -> bool:
        augment = self._stage.augment
        return augment.mosaic > 0 and epoch <= self._stage.epochs - augment.close_mosaic

    @staticmethod
    def _others(number: int, numbers: Sequence[int]) -> np.ndarray:
        others = np.array([other for other in numbers if other != number])
        return others if len(others) else np.array([number])

    @cached_property
    def _by_length(self) -> dict[int, np.ndarray]:
        """The clips' numbers by how many frames they have."""
        lengths = np.array([len(clip.frames) for clip in self._clips])
        return {int(length): np.flatnonzero(lengths == length) for length in np.unique(lengths)}

    def _sample(self, numbers: tuple[int, ...], frames: list[np.ndarray], targets: list[Targets]) -> Sample:
        """The sample of these frames, each of which shows a frame of each of the clips ``numbers``."""
        most = self._stage.memory.max_objects
        kept = targets if most is None else [largest(target, most) for target in targets]
        dropped = sum(len(t.boxes) for t in targets) - sum(len(t.boxes) for t in kept)
        clips = [self._clips[number] for number in numbers]
        names = (
            " + ".join(f"{clip.source}/{clip.sequence} frame {clip.frames[k]}" for clip in clips)
            for k in range(len(frames))
        )
        return Sample(frames, kept, tuple(names), dropped)


def largest(targets: Targets, most: int) -> Targets:
    """The ``most`` largest targets of a frame, in their order; of equal ones the first. The rest become distractors."""
    boxes = targets.boxes
    if len(boxes) <= most:
        return targets
    kept = np.zeros(len(boxes), bool)
    kept[np.argsort(-np.prod(boxes[:, 2:] - boxes[:, :2], axis=1), kind="stable")[:most]] = True
    distractors = np.concatenate([targets.distractors, boxes[~kept]])
    return Targets(boxes[kept], targets.classes[kept], targets.identities[kept], distractors, targets.regions)
