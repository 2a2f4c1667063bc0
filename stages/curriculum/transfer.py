"""What one stage does to the sources of others: forgetting, backward transfer and forward transfer, for any metric.

R_k(s) is a metric of the checkpoint of stage k on source s. A curriculum is not the sequence of tasks that the papers
have: a source can be trained on in several stages, a stage on several sources, and stages may branch. So "before" is
a stage's lineage, and a stage "learns" the sources that have a budget of their own in its mixture (replay is none).
Only evaluated checkpoints count.

Forgetting, Chaudhry et al. 2018, arXiv:1801.10112, eq. 3: for every source that a stage before k was trained on, the
    best R_j(s) of such stages j, minus R_k(s). Positive is forgotten.
Backward transfer, Lopez-Paz and Ranzato 2017, arXiv:1706.08840, eq. 2: for every source that was learned before k and
    not in k, R_k(s) - R_j(s), where j is the last stage before k that learned it. Negative is forgotten.
Forward transfer, the same, eq. 3: for every source that k is the first of its lineage to learn, R_p(s) - R_0(s), where
    p is the stage before k: what the source gains before a frame of it was trained on. R_0 is the `pretrained`
    checkpoint in the place of the paper's random network, which detects nothing; None where that is not evaluated.
    A first stage has no stage before it, and none.
The paper's BWT and FWT are means over tasks after the last: `means` has them after each stage.
"""

from __future__ import annotations

from stages.curriculum.results import Matrix, lineage, own_sources, trained_on
from stages.params import Params
from stages.params.model import PRETRAINED

_DIGITS = 4


def forgetting(params: Params, matrix: Matrix) -> dict[str, dict[str, float]]:
    """How much each stage lost on the sources of the stages before it: stage to source to value."""
    lost: dict[str, dict[str, float]] = {}
    for stage, sources in matrix.items():
        before = [name for name in lineage(params, stage) if name in matrix]
        for source, now in sources.items():
            best = [matrix[name].get(source) for name in before if source in trained_on(params, name)]
            known = [value for value in best if value is not None]
            if known and now is not None:
                lost.setdefault(stage, {})[source] = round(max(known) - now, _DIGITS)
    return lost


def backward_transfer(params: Params, matrix: Matrix) -> dict[str, dict[str, float]]:
    """What each stage did to sources that were learned before it and not in it: stage to source to value."""
    moved: dict[str, dict[str, float]] = {}
    for stage, sources in matrix.items():
        for source in sources.keys() - own_sources(params, stage):
            learned = [name for name in lineage(params, stage) if source in own_sources(params, name)]
            then = matrix.get(learned[-1], {}).get(source) if learned else None
            if then is not None and sources[source] is not None:
                moved.setdefault(stage, {})[source] = round(sources[source] - then, _DIGITS)
    return _in_order(matrix, moved)


def forward_transfer(params: Params, matrix: Matrix) -> dict[str, dict[str, float | None]]:
    """What the stages before did to sources that a stage is the first to learn: stage to source to value."""
    gained: dict[str, dict[str, float | None]] = {}
    for stage, sources in matrix.items():
        before = lineage(params, stage)
        if not before or before[-1] not in matrix:
            continue
        for source in sources.keys() & (own_sources(params, stage) - trained_on(params, before[-1])):
            untrained, now = matrix.get(PRETRAINED, {}).get(source), matrix[before[-1]].get(source)
            known = untrained is not None and now is not None
            gained.setdefault(stage, {})[source] = round(now - untrained, _DIGITS) if known else None
    return _in_order(matrix, gained)


def means(cells: dict[str, dict[str, float | None]]) -> dict[str, float | None]:
    """The mean over sources for every stage; over those that are known, None if none is."""
    result: dict[str, float | None] = {}
    for stage, values in cells.items():
        known = [value for value in values.values() if value is not None]
        result[stage] = round(sum(known) / len(known), _DIGITS) if known else None
    return result


def _in_order(matrix: Matrix, cells: dict[str, dict]) -> dict[str, dict]:
    """The same with sources in the matrix's order: sets have none."""
    return {stage: {s: values[s] for s in matrix[stage] if s in values} for stage, values in cells.items()}
