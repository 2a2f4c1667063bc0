"""What a benchmark's protocol demands of the source that it is chosen for: its classes, and the roles they have.

A source's classes are mapped in one place, `sources.NAME.classes`. A protocol maps nothing itself: where that mapping
would give other numbers than the benchmark's, it is an error. Which classes are scored stays the mapping's business:
several classes mapped onto one are scored as one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stages.params.model import Params
from stages.params.sources import FileSource, WorldSource

Finding = tuple[tuple, str, str]

_MOT17 = dict.fromkeys(("person_on_vehicle", "static_person", "distractor", "reflection"), "distractor")

# The roles that benchmarks give to classes; every other class is a target, or is not evaluated.
ROLES: Mapping[str, Mapping[str, str]] = {
    "mot15": {},
    "mot17": _MOT17,
    "mot20": _MOT17 | {"non_motorized_vehicle": "distractor"},
    "dancetrack": {},
    "visdrone": {"ignored regions": "region", "others": "region"},
    "bdd100k": dict.fromkeys(("other person", "other vehicle", "trailer", "crowd"), "region"),
    "kitti": {
        "Van": "distractor",
        "Person": "distractor",
        "Person_sitting": "distractor",
        "DontCare": "region",
    },
}

# Distractors of one class alone: to the tracks of other classes they are nothing.
NEIGHBOURS: Mapping[str, Mapping[str, str]] = {
    "kitti": {"Van": "Car", "Person": "Pedestrian", "Person_sitting": "Pedestrian"}
}


def protocol_findings(params: Params) -> Iterator[Finding]:
    """What `protocols` has wrong, as (place, what, remedy)."""
    for name, protocol in params.protocols.items():
        if name not in params.sources:
            yield ("protocols", name), "no such source", f"sources are {', '.join(params.sources)}"
        elif protocol.name in ROLES:
            yield from _unknown(name, params.sources[name], protocol.name)
            yield from _inexact(name, params.sources[name], protocol.name)


def _unknown(name: str, source: FileSource | WorldSource, protocol: str) -> Iterator[Finding]:
    """A source of another kind than the protocol is made for."""
    known = None if source.known_labels is None else set(source.known_labels.values())
    for native in ROLES[protocol]:
        if known is not None and native not in known:
            what = f"`{protocol}` is about a class `{native}`, which the source does not have"
            yield ("protocols", name, "name"), what, "choose another protocol, or name the class in the source's labels"
            return


def _inexact(name: str, source: FileSource | WorldSource, protocol: str) -> Iterator[Finding]:
    """Classes with another role than the benchmark gives them."""
    for native, target in source.classes.items():
        demanded = ROLES[protocol].get(native)
        if demanded is None and target in ("distractor", "region"):
            what = f"mapped to `{target}`, and `{protocol}` (protocols.{name}) knows no such {target}"
            remedy = "map it onto `drop` or a class, or score by the protocol `skyward`"
        elif demanded not in (None, target):
            what = f"mapped to `{target}`, and `{protocol}` (protocols.{name}) takes it as a {demanded}"
            remedy = f"map it onto `{demanded}`, or score by the protocol `skyward`"
        else:
            continue
        yield ("sources", name, "classes", native), what, remedy
