"""HOTA of one sequence (Luiten et al. 2021, arXiv:2009.07736), all 19 thresholds at once.

TrackEval's class with its computation of one sequence replaced: the same matches and fields to rounding, in a quarter
of the time and with one table of objects by tracks in memory where TrackEval holds twenty. How sequences and classes
are combined is inherited.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment
from trackeval.metrics import HOTA

_EPSILON = np.finfo(float).eps


class QuickHOTA(HOTA):
    """HOTA over what `adapter.class_data` gives."""

    @staticmethod
    def get_name() -> str:
        """As TrackEval calls it."""
        return "HOTA"

    def eval_sequence(self, data: dict) -> dict:
        """All fields of one sequence, (19,) each or a number."""
        if not data["num_gt_dets"] or not data["num_tracker_dets"]:
            return super().eval_sequence(data)
        objects, tracks = _counts(data["gt_ids"]), _counts(data["tracker_ids"])
        pairs, similarity = _matches(data, _alignment(data, objects, tracks))
        alphas = self.array_labels
        matched = similarity[:, None] >= alphas - _EPSILON  # (matches, 19)
        positives = matched.sum(axis=0).astype(float)
        located = np.where(matched, similarity[:, None], 0).sum(axis=0)
        result = {
            "HOTA_TP": positives,
            "HOTA_FN": data["num_gt_dets"] - positives,
            "HOTA_FP": data["num_tracker_dets"] - positives,
            "LocA": np.maximum(1e-10, located) / np.maximum(1e-10, positives),
        }
        result |= _association(pairs, matched, objects, tracks, positives)
        return self._compute_final_fields(result)


def _counts(ids: list[np.ndarray]) -> np.ndarray:
    """In how many frames each id is."""
    return np.bincount(np.concatenate(ids)).astype(float)


def _alignment(data: dict, objects: np.ndarray, tracks: np.ndarray) -> np.ndarray:
    """How well each object and track go together over the whole sequence, (objects, tracks), before any is matched.

    A frame's share of a pair is its similarity over all similarity that either has in the frame; the sum of these is
    set against the frames that either is in.
    """
    together = np.zeros((len(objects), len(tracks)))
    for gt_ids, track_ids, similarity in _frames(data):
        both = similarity.sum(axis=0) + similarity.sum(axis=1)[:, None] - similarity
        share = np.divide(similarity, both, out=np.zeros_like(similarity), where=both > _EPSILON)
        together[gt_ids[:, None], track_ids] += share
    return together / (objects[:, None] + tracks - together)


def _matches(data: dict, alignment: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All frames' matches: (N, 2) object and track, and (N,) their similarity; the same for every threshold."""
    pairs, similarities = [], []
    for gt_ids, track_ids, similarity in _frames(data):
        rows, columns = linear_sum_assignment(alignment[gt_ids[:, None], track_ids] * similarity, maximize=True)
        pairs.append(np.stack([gt_ids[rows], track_ids[columns]], axis=1))
        similarities.append(similarity[rows, columns])
    return np.concatenate([np.zeros((0, 2), int), *pairs]), np.concatenate([np.zeros(0), *similarities])


def _frames(data: dict) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Ids of objects and tracks and their similarity, for the frames that have both."""
    frames = zip(data["gt_ids"], data["tracker_ids"], data["similarity_scores"], strict=True)
    return [frame for frame in frames if frame[2].size]


def _association(
    pairs: np.ndarray, matched: np.ndarray, objects: np.ndarray, tracks: np.ndarray, positives: np.ndarray
) -> dict[str, np.ndarray]:
    """AssA, AssRe and AssPr, (19,): means over the true positives of their pair's association."""
    distinct, place = np.unique(pairs, axis=0, return_inverse=True)
    counts = np.zeros((len(distinct), matched.shape[1]))
    np.add.at(counts, place.reshape(-1), matched)
    of_object, of_track = objects[distinct[:, :1]], tracks[distinct[:, 1:]]
    totals = {"AssA": of_object + of_track - counts, "AssRe": of_object, "AssPr": of_track}
    return {
        name: (counts * counts / np.maximum(1, total)).sum(axis=0) / np.maximum(1, positives)
        for name, total in totals.items()
    }
