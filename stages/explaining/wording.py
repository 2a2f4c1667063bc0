"""The sentence below a picture. It stands alone: kind, class, size, score, overlap, share of the heat."""

from __future__ import annotations

from stages.explaining import account as acc
from stages.explaining.account import Account, Asked
from stages.explaining.looking import FOUND
from stages.explaining.mistakes import MISS, Mistake

_CAUSES = {"small": "small", "crowded": "in a crowd", "border": "at the frame's border", "gap": "after a gap"}
_WITH = {
    "target": "a target without a track",
    "taken target": "a target that another track has",
    "distractor": "a distractor",
    "drop": "a box that is not to be found",
}
_CARRIED = "no detection is behind it, the tracker carried it on"


def sentence(account: Account, asked: Asked, given_boxes: bool = False) -> str:
    """What happened, in one line; ``given_boxes`` says that annotated boxes were tracked, not detections."""
    mistake = account.mistake
    body = _missed(account, asked) if mistake.kind == MISS else _false(account, asked)
    if given_boxes:
        body = f"the tracker was given annotated boxes; {body}"
    return f"{_head(mistake)}: {body}; {_heat(account)}."


def _head(mistake: Mistake) -> str:
    width, height = mistake.box[2:] - mistake.box[:2]
    kind = "Missed" if mistake.kind == MISS else "False alarm of"
    parts = [f"{kind} {mistake.label}", f"{width:.0f} x {height:.0f} px"]
    if mistake.kind == MISS and mistake.visibility is not None:
        parts.append("fully visible" if mistake.visibility >= 0.95 else f"{_percent(mistake.visibility)} visible")
    parts += [_CAUSES[mistake.cause]] if mistake.cause in _CAUSES else []
    return ", ".join(parts)


def _missed(account: Account, asked: Asked) -> str:
    fate, score, overlap = account.fate, _score(account.score), f"{account.overlap:.2f}"
    if fate == acc.UNSURE:
        which = "best" if account.overlap >= FOUND else "nearest"
        return f"the {which} candidate scored {score} (asked {asked.min_score:g}) and overlaps it by {overlap}"
    return {
        acc.UNKNOWN: "the checkpoint knows no such class",
        acc.NOTHING: "nothing that the network weighed is near it",
        acc.ASIDE: f"the nearest candidate scored {score}, but overlaps it by {overlap} (a match needs {FOUND})",
        acc.SUPPRESSED: f"a candidate scored {score} and overlaps it by {overlap}, but gave way to a surer box",
        acc.CUT: f"a candidate scored {score} and overlaps it by {overlap}, but too many boxes were surer",
        acc.DETECTED: f"it was detected, scored {score} and overlapped by {overlap}, but no track has it",
    }[fate]


def _false(account: Account, asked: Asked) -> str:
    score, near = _score(account.score), _near(account)
    if account.fate == acc.DETECTED:
        return f"it scored {score} (asked {asked.min_score:g}) and overlaps {near}"
    if account.box is None:
        return f"{_CARRIED}; it overlaps {near}"
    return f"{_CARRIED} (the best candidate there scored {score}); it overlaps {near}"


def _near(account: Account) -> str:
    if account.overlap_with is None or account.overlap <= 0:
        return "no annotated box"
    what = _WITH.get(account.overlap_with, account.overlap_with.replace("target of", "a target of"))
    return f"{what} by {account.overlap:.2f}"


def _heat(account: Account) -> str:
    inside, expected = _percent(account.inside), _percent(account.expected)
    what = "of the heat" if account.heat.method != "eigen" else "of what stands out at all, for want of a gradient,"
    return f"{inside} {what} lies in the box, which is {expected} of the frame"


def _score(score: float | None) -> str:
    if score is None:
        return "nothing"
    return f"{score:.2f}" if score >= 0.01 else f"{score:.3f}" if score >= 0.001 else "below 0.001"


def _percent(share: float) -> str:
    value = 100 * share
    return f"{value:.0f} %" if value >= 9.5 else f"{value:.1f} %" if value >= 0.05 or value == 0 else "below 0.1 %"
