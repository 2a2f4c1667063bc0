"""mAP and CMC by Market-1501's protocol.

For every query the gallery is sorted by distance, after what shows the query's identity in the query's camera has been
taken out. CMC at rank k is the share of queries with a match among the first k; mAP is the mean of average precisions
(Zheng et al., ICCV 2015). Average precision is the mean of the precisions at each true match, as torchreid and BoxMOT
have it; the MATLAB code of Market-1501 takes trapezoids instead. Queries without a match in the gallery do not count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RANKS = (1, 5, 10)
_SHOWN = 10  # places that are kept to be shown


@dataclass(frozen=True)
class Gallery:
    """What is searched, or what is searched for: embeddings (n, D), L2-normalised; identities and cameras (n,)."""

    embeddings: np.ndarray
    identities: np.ndarray
    cameras: np.ndarray


@dataclass(frozen=True)
class Found:
    """What one query found: its place, its average precision, the first match's rank (from 0), the first ten."""

    query: int
    average_precision: float
    first: int
    top: np.ndarray  # places in the gallery
    similarities: np.ndarray  # cosines
    right: np.ndarray  # whether each is the query's identity


def search(queries: Gallery, gallery: Gallery) -> list[Found]:
    """What each query that has a match found. Of equal distances the gallery's order decides."""
    return [found for index in range(len(queries.identities)) if (found := _search_one(index, queries, gallery))]


def _search_one(index: int, queries: Gallery, gallery: Gallery) -> Found | None:
    same = gallery.identities == queries.identities[index]
    open_to = np.flatnonzero(~(same & (gallery.cameras == queries.cameras[index])))
    similarity = gallery.embeddings[open_to] @ queries.embeddings[index]
    order = np.argsort(-similarity, kind="stable")
    hits = np.flatnonzero(same[open_to][order])  # ranks of the matches, from 0
    if not len(hits):
        return None
    precisions = np.arange(1, len(hits) + 1) / (hits + 1)
    top = open_to[order[:_SHOWN]]
    return Found(index, float(precisions.mean()), int(hits[0]), top, similarity[order[:_SHOWN]], same[top])


def summarise(found: list[Found]) -> dict[str, float]:
    """`mAP` and `rank1`, `rank5`, `rank10` over queries; all 0 without any."""
    if not found:
        return {"mAP": 0.0} | {f"rank{rank}": 0.0 for rank in RANKS}
    first = np.array([each.first for each in found])
    precision = float(np.mean([each.average_precision for each in found]))
    return {"mAP": precision} | {f"rank{rank}": float(np.mean(first < rank)) for rank in RANKS}
