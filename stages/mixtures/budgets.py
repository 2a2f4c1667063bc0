"""How many frames of each source a stage trains on, and what is said where a source has fewer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from fractions import Fraction

from stages.errors import InputError
from stages.params import FileSource, Mixture, Params, WorldSource, where


def budgets(params: Params, stage: str, seen: Iterable[str]) -> dict[str, int]:
    """Frames to draw from each source: what the mixture names, and the replay of sources ``seen``.

    Replay is that share of the whole mixture, spread evenly over the sources of the stages before that this stage
    does not name itself. Where sources have shares, the whole is `mixture.frames`, replay included, and exactly that
    many come out; where they have frames, replay comes on top of them. Raises `InputError` for a source, or a replay,
    that gets no frame.
    """
    mixture = params.stages[stage].mixture
    own, replay = _own_and_replay(mixture)
    for source, frames in own.items():
        if not frames:
            what = f"`{source}` gets none of {mixture.frames} frames"
            raise InputError(where(*budget_key(params, stage, source)), what, "raise its share or mixture.frames")
    return own | (_replayed(stage, own, replay, seen) if mixture.replay else {})


def _own_and_replay(mixture: Mixture) -> tuple[dict[str, int], int]:
    """Frames by source that the mixture names, and frames that are replayed."""
    replay = _exactly(mixture.replay)
    if mixture.frames is None:
        own = {source: budget.frames for source, budget in mixture.sources.items()}
        return own, round(sum(own.values()) * replay / (1 - replay))
    again = round(mixture.frames * replay)
    return apportion(mixture.frames - again, {name: b.share for name, b in mixture.sources.items()}), again


def _replayed(stage: str, own: Mapping[str, int], frames: int, seen: Iterable[str]) -> dict[str, int]:
    earlier = [source for source in seen if source not in own]
    if not earlier:
        what = "the stages before had no other source to replay"
        raise InputError(where(stage, "mixture", "replay"), what, "set it to 0")
    if not frames:
        remedy = "raise it, raise the budgets, or set it to 0"
        raise InputError(where(stage, "mixture", "replay"), "that share of so few frames is no frame", remedy)
    shares = apportion(frames, dict.fromkeys(earlier, Fraction(1, len(earlier))))
    return {source: share for source, share in shares.items() if share}


def apportion(total: int, shares: Mapping[str, float | Fraction]) -> dict[str, int]:
    """Whole numbers that sum to ``total``, each its share rounded down or up (largest remainders, first ones first)."""
    exact = {name: total * _exactly(share) for name, share in shares.items()}
    whole = {name: math.floor(value) for name, value in exact.items()}
    left = total - sum(whole.values())
    for name in sorted(exact, key=lambda name: whole[name] - exact[name])[:left]:
        whole[name] += 1
    return whole


def _exactly(share: float | Fraction) -> Fraction:
    """The number as it is written: 0.1 is a tenth."""
    return share if isinstance(share, Fraction) else Fraction(str(share))


def budget_key(params: Params, stage: str, source: str) -> tuple[str, ...]:
    """The key in params.yaml that decides how many frames ``stage`` takes of ``source``."""
    budget = params.stages[stage].mixture.sources.get(source)
    if budget is None:
        return stage, "mixture", "replay"
    return stage, "mixture", "sources", source, "share" if budget.frames is None else "frames"


def shortage(params: Params, stage: str, source: str, asked: int, found: int, frames: int) -> InputError:
    """What to raise where clips for ``found`` of ``asked`` frames can be had from ``frames`` training frames."""
    what = f"`{source}` has clips for {found} of the {asked} frames asked for; its training split has {frames} frames"
    shorter = ", or shorten clip_length or the intervals" if params.stages[stage].mixture.clip_length > 1 else ""
    remedy = f"{more_of(params, source)}, or ask for at most {found}{shorter}"
    return InputError(where(*budget_key(params, stage, source)), what, remedy)


def more_of(params: Params, name: str) -> str:
    """Which keys make a source give more frames, with their values now."""
    key, source = f"sources.{name}", params.sources[name]
    if isinstance(source, WorldSource):
        return f"raise {key}.frames ({source.frames}) or {key}.sequences.train ({source.sequences.train})"
    keys = list(_limits(f"{key}.take", source))
    return " or ".join(keys) if keys else f"give {key} a larger training split (all of it is taken)"


def _limits(key: str, source: FileSource) -> Iterable[str]:
    take = source.take
    if take.frames is not None:
        yield f"raise {key}.frames ({take.frames})"
    if isinstance(take.sequences, int):
        yield f"raise {key}.sequences ({take.sequences})"
    elif take.sequences is not None:
        yield f"name more in {key}.sequences ({len(take.sequences)})"
    if take.stride > 1:
        yield f"lower {key}.stride ({take.stride})"
