"""Detection mAP of a network on the validation clips of a mixture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from stages.detectors import Detector
from stages.detectors.frames import detect
from stages.mixtures.clips import ClipReader, Targets
from stages.mixtures.mixing import Clip
from stages.scoring.detection import Detections, Truth, mean_average_precision
from stages.training.limits import free, is_out_of_memory

# COCO's evaluation wants every box that might count, hence a score threshold near 0.
_MIN_SCORE, _NMS_IOU, _MAX_OBJECTS = 0.001, 0.7, 300


class Validator:
    """Scores networks on the same frames again and again."""

    def __init__(self, reader: ClipReader, clips: list[Clip], classes: Sequence[str], image_size: int, batch: int):
        self._reader, self._clips, self._classes = reader, clips, classes
        self._image_size, self._batch = image_size, batch

    def __call__(self, detector: Detector) -> dict[str, float]:
        """mAP and mAP50 (0 to 1); the network is left in the mode that it came in."""
        was_training = detector.training
        detector.eval()
        found = self._detect(detector)
        detections = [Detections(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int64)) for rows in found]
        truths = [_truth(targets) for clip in self._clips for targets in self._reader.targets(clip)]
        scores = mean_average_precision(truths, detections, self._classes)
        detector.train(was_training)
        return {name: round(scores[name] or 0.0, 6) for name in ("mAP", "mAP50")}

    def _frames(self) -> Iterator[np.ndarray]:
        """Every clip's frames, read when they are asked for: all together can be more than there is memory."""
        for clip in self._clips:
            yield from self._reader.read(clip).frames

    def _detect(self, detector: Detector) -> list[np.ndarray]:
        """Detections of every frame, in smaller batches from when memory runs out."""
        while True:
            try:
                return list(
                    detect(
                        detector,
                        self._frames(),
                        image_size=self._image_size,
                        batch=self._batch,
                        min_score=_MIN_SCORE,
                        nms_iou=_NMS_IOU,
                        max_objects=_MAX_OBJECTS,
                    )
                )
            except (RuntimeError, MemoryError) as error:
                if self._batch == 1 or not is_out_of_memory(error):
                    raise
            free()
            self._batch = -(-self._batch // 2)


def _truth(targets: Targets) -> Truth:
    return Truth(targets.boxes, targets.classes, targets.distractors, targets.regions)
