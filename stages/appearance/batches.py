"""What is trained on, step by step: some identities, some crops of each, changed at random.

Which crops and which changes follow from the seed and the place in the run alone, so that a run that goes on after a
kill sees what it would have seen.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from stages.appearance.market import Shot
from stages.appearance.preparing import MEAN, normalised
from stages.errors import InputError
from stages.params.reid import Reid
from stages.sequences.seeds import generator

_GROWN = 1.125  # a crop is enlarged by this much, and a piece of the wanted size taken out of it
_AREA = (0.02, 0.4)  # of what is erased (arXiv:1708.04896), as a share of the crop
_SHAPE = (0.3, 1 / 0.3)  # of what is erased, height to width


class Batches:
    """The steps of a run over ``shots``: in each, `identities` of them with `crops` each."""

    def __init__(self, shots: list[Shot], reid: Reid, seed: int):
        self.reid, self.seed = reid, seed
        self._paths: dict[int, list] = {}
        for shot in shots:
            self._paths.setdefault(shot.identity, []).append(shot.path)
        self._identities = sorted(self._paths)
        self.identities, self.size = len(self._identities), reid.identities * reid.crops
        self.steps_per_epoch = max(1, math.ceil(len(shots) / self.size))

    @property
    def steps(self) -> int:
        """Of the whole run."""
        return self.steps_per_epoch * self.reid.epochs

    def after(self, step: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The batches behind the first ``step``: (n, 3, H, W) float32, and identities (n,) int64 from 0.

        Crops are read by several threads, one batch ahead.
        """
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            ahead = [pool.submit(self._image, *item) for item in self._crops(step)] if step < self.steps else []
            for number in range(step, self.steps):
                images = np.stack([future.result() for future in ahead])
                chosen = self._chosen(number)
                if number + 1 < self.steps:
                    ahead = [pool.submit(self._image, *item) for item in self._crops(number + 1)]
                yield normalised(images), np.repeat(np.array(chosen, np.int64), self.reid.crops)

    def _chosen(self, step: int) -> list[int]:
        """The identities of a step: all take their turn, in an order drawn anew for every round."""
        start, count = step * self.reid.identities, self.identities
        places = range(start, start + self.reid.identities)
        rounds = {number: self._round(number) for number in {place // count for place in places}}
        chosen = [int(rounds[place // count][place % count]) for place in places]
        return chosen if len(set(chosen)) == len(chosen) else self._without_repeats(chosen, step)

    def _round(self, number: int) -> np.ndarray:
        return generator(self.seed, "identities", number).permutation(self.identities)

    def _without_repeats(self, chosen: list[int], step: int) -> list[int]:
        """At a round's end one identity may come twice; others take the place of the second."""
        kept = list(dict.fromkeys(chosen))
        spare = [int(each) for each in generator(self.seed, "spare", step).permutation(self.identities)]
        return kept + [each for each in spare if each not in kept][: len(chosen) - len(kept)]

    def _crops(self, step: int) -> list[tuple]:
        """A step's crops: path and place in the run."""
        result = []
        for identity in self._chosen(step):
            paths = self._paths[self._identities[identity]]
            rng, count = generator(self.seed, "crops", step, identity), self.reid.crops
            few = len(paths) < count  # some come twice, changed differently
            picked = rng.integers(len(paths), size=count) if few else rng.permutation(len(paths))[:count]
            result += [(paths[index], step, identity, turn) for turn, index in enumerate(picked)]
        return result

    def _image(self, path: object, *place: int) -> np.ndarray:
        """One crop as it is trained on, (H, W, 3) uint8."""
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is None:
            raise InputError(str(path), "unreadable image", "run `dvc repro reid` again")
        return change(image, self.reid, generator(self.seed, "change", *place))


def change(image: np.ndarray, reid: Reid, rng: np.random.Generator) -> np.ndarray:
    """A crop resized to `image_size`: shifted and mirrored at random, of some a piece erased."""
    height, width = reid.image_size
    grown = round(height * _GROWN), round(width * _GROWN)
    large = cv2.resize(image, (grown[1], grown[0]), interpolation=cv2.INTER_LINEAR)
    top, left = rng.integers(grown[0] - height + 1), rng.integers(grown[1] - width + 1)
    result = large[top : top + height, left : left + width].copy()
    if rng.random() < 0.5:
        result = result[:, ::-1].copy()
    if rng.random() < reid.erasing:
        _erase(result, rng)
    return result


def _erase(image: np.ndarray, rng: np.random.Generator) -> None:
    """Paint a rectangle with ImageNet's mean, which is 0 for the network."""
    height, width = image.shape[:2]
    area = rng.uniform(*_AREA) * height * width
    shape = math.exp(rng.uniform(*np.log(_SHAPE)))
    tall, wide = min(height, round(math.sqrt(area * shape))), min(width, round(math.sqrt(area / shape)))
    top, left = rng.integers(height - tall + 1), rng.integers(width - wide + 1)
    image[top : top + tall, left : left + wide] = np.round(255 * MEAN[::-1])
