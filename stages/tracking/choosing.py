"""The tracker that a user names on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import get_args

from pydantic import TypeAdapter

from stages.errors import InputError
from stages.params import Tracker
from stages.params.trackers import StrongSort


def choose_tracker(name: str, trackers: Mapping[str, Tracker]) -> Tracker:
    """The tracker called ``name`` in ``trackers``, or else the type of that name with its defaults.

    Raises `InputError` that names the nearest one there is, or what a type cannot do without.
    """
    if name in trackers:
        return trackers[name]
    known = sorted({*trackers, *tracker_types()})
    if name not in known:
        near = get_close_matches(name, known, n=1, cutoff=0.5)
        remedy = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(known)}"
        raise InputError(f"--tracker {name}", "no such tracker", remedy)
    chosen = TypeAdapter(Tracker).validate_python({"type": name})
    if isinstance(chosen, StrongSort):
        remedy = "describe it under `trackers` in params.yaml, with an entry of `reid`"
        raise InputError(f"--tracker {name}", "tracks by appearance, and no model is named", remedy)
    return chosen


def tracker_types() -> list[str]:
    """The values that a tracker's `type` can have."""
    union = get_args(Tracker)[0]
    return [get_args(member.model_fields["type"].annotation)[0] for member in get_args(union)]
