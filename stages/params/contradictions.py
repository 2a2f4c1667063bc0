"""Params that are each valid and together make no sense; every rule yields (place, what, remedy)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from stages.params.gate_rules import gate_findings
from stages.params.idle_rules import compute_findings, idle_findings
from stages.params.model import PRETRAINED, Params
from stages.params.protocol_rules import protocol_findings
from stages.params.reid_rules import reid_findings
from stages.params.sources import ROLES, FileSource, WorldSource
from stages.params.stage import Mixture
from stages.params.tracking_rules import tracker_findings

Finding = tuple[tuple, str, str]

# What gives access, in an address: a user name or password, or a query such as presigned addresses have.
_SECRET = re.compile(r"://[^/]*@|[?&]([\w-]*(signature|token|credential|secret|password|accesskeyid)|sig|key)=", re.I)


def contradictions(params: Params) -> Iterator[Finding]:
    """All findings, in the order of the file."""
    yield from _classes(params)
    yield from _addresses(params)
    for name, source in params.sources.items():
        yield from _source_classes(params, name, source)
        yield from _source_splits(name, source)
    yield from _weights(params)
    yield from compute_findings(params)
    yield from _curriculum(params)
    for name in params.stages:
        yield from _mixture(params, name)
        yield from _schedule(params, name)
        yield from idle_findings(name, params.stages[name])
    yield from _evaluation(params)
    yield from reid_findings(params)
    yield from tracker_findings(params)
    yield from protocol_findings(params)
    yield from gate_findings(params)


def _classes(params: Params) -> Iterator[Finding]:
    for index, name in enumerate(params.classes):
        if name in params.classes[:index]:
            yield ("classes", index), f"class `{name}` stands twice", "delete one"
        if name in ROLES:
            yield ("classes", index), f"`{name}` is a role, not a class", f"roles are {', '.join(ROLES)}"
        if not any(name in source.classes.values() for source in params.sources.values()):
            yield ("classes", index), f"no source maps a class onto `{name}`", "map one in sources.NAME.classes"


def _addresses(params: Params) -> Iterator[Finding]:
    """No secret stands in params.yaml: git keeps that file, and dvc.lock its values."""
    addresses = {("weights", "path"): params.weights.path, ("logging", "mlflow"): params.logging.mlflow or ""}
    for name, reid in params.reid.items():
        addresses |= {("reid", name, "path"): reid.path or "", ("reid", name, "endpoint_url"): reid.endpoint_url or ""}
    for name, source in params.sources.items():
        if isinstance(source, FileSource):
            one = isinstance(source.path, str)
            addresses |= {("sources", name, "path", *(() if one else (i,))): p for i, p in enumerate(source.paths)}
            addresses["sources", name, "endpoint_url"] = source.endpoint_url or ""
    for place, address in addresses.items():
        if _SECRET.search(address):
            what = "the address holds a signature, a key or a password, which git and dvc.lock would keep"
            yield place, what, "put the address into an environment variable, and write $ITS_NAME here"


def _source_classes(params: Params, name: str, source: WorldSource | FileSource) -> Iterator[Finding]:
    for native, target in source.classes.items():
        place = ("sources", name, "classes", native)
        if target not in (*params.classes, *ROLES):
            known = ", ".join((*params.classes, *ROLES))
            yield place, f"mapped to `{target}`, which is nothing", f"map it onto one of {known}"
        labels = source.known_labels
        if labels is not None and native not in labels.values():
            known = ", ".join(dict.fromkeys(labels.values()))
            yield place, f"the source has no class `{native}`", f"its classes are {known}"
    if isinstance(source, WorldSource):
        for native in set(source.known_labels.values()) - set(source.classes):
            yield ("sources", name, "classes"), f"class `{native}` is mapped to nothing", "add it"


def _source_splits(name: str, source: WorldSource | FileSource) -> Iterator[Finding]:
    if isinstance(source, WorldSource):
        if not any(source.sequences.model_dump().values()):
            yield ("sources", name, "sequences"), "no sequence in any split", "ask for at least one"
        return
    if isinstance(source.sha256, str | tuple) and len(source.hashes) != len(source.paths):
        what = f"{len(source.hashes)} hashes for {len(source.paths)} paths"
        yield ("sources", name, "sha256"), what, "give one for every path"
    if source.splits:
        yield from _split_shares(("sources", name, "splits"), source.splits)
    for sequence, ranges in source.ranges.items():
        yield from _ranges(("sources", name, "ranges", sequence), ranges, source.gap)


def _split_shares(place: tuple, splits: dict) -> Iterator[Finding]:
    shares = [value for value in splits.values() if isinstance(value, float)]
    names = [sequence for value in splits.values() if isinstance(value, tuple) for sequence in value]
    if shares and names:
        yield place, "shares and lists are mixed", "give every split a share, or every split a list"
    elif shares and abs(sum(shares) - 1) > 1e-9:
        yield place, f"the shares sum to {sum(shares):g}", "make them sum to 1"
    for sequence in names:
        if names.count(sequence) > 1:
            yield place, f"sequence `{sequence}` stands in two splits", "keep it in one"


def _ranges(place: tuple, ranges: dict, gap: int) -> Iterator[Finding]:
    ordered = sorted(ranges.items(), key=lambda item: item[1].frames)
    for name, piece in ordered:
        if piece.frames[0] > piece.frames[1]:
            yield (*place, name, "frames"), "the first frame is behind the last", "give [first, last]"
    for (_, before), (name, piece) in pairwise(ordered):
        free = piece.frames[0] - before.frames[1] - 1
        if free < (gap if piece.split != before.split else 0):
            what = "overlaps the range before it" if free < 0 else f"only {free} frames behind another split"
            yield (*place, name, "frames"), what, f"leave at least {gap} frames between splits (`gap`)"


def _weights(params: Params) -> Iterator[Finding]:
    scratch = params.weights.path == "scratch"
    if scratch and params.weights.sha256:
        yield ("weights", "sha256"), "weights from scratch have no sha256", "delete it, or name the weights' path"
    if not scratch and params.weights.sha256 is None:
        yield ("weights",), "weights from outside need a sha256", "add `sha256:` (sha256sum FILE prints it)"


def _curriculum(params: Params) -> Iterator[Finding]:
    for name, entry in params.curriculum.items():
        place = ("curriculum", name, "after")
        if name == PRETRAINED:
            yield ("curriculum", name), f"`{PRETRAINED}` is what a curriculum starts from", "choose another name"
        elif entry.after == name:
            yield place, "a stage cannot come after itself", f"name another stage, or `{PRETRAINED}`"
        elif entry.after != PRETRAINED and entry.after not in params.curriculum:
            known = ", ".join((PRETRAINED, *(other for other in params.curriculum if other != name)))
            yield place, f"comes after `{entry.after}`, which is no stage", f"name one of {known}"
        elif _in_a_circle(params, name):
            yield place, "the stages come after one another in a circle", f"start one after `{PRETRAINED}`"


def _in_a_circle(params: Params, name: str) -> bool:
    seen: set[str] = set()
    while name != PRETRAINED and name in params.curriculum and name not in seen:
        seen.add(name)
        name = params.curriculum[name].after
    return name in seen


def _mixture(params: Params, name: str) -> Iterator[Finding]:
    mixture = params.stages[name].mixture
    for source in mixture.sources:
        if source not in params.sources:
            known = ", ".join(params.sources)
            yield (name, "mixture", "sources", source), "no such source", f"sources are {known}"
    yield from _budgets((name, "mixture"), mixture)
    for lacked in mixture.lacks:
        if lacked not in params.classes:
            yield (name, "mixture", "lacks"), f"no class `{lacked}`", f"classes are {', '.join(params.classes)}"
    if mixture.replay and params.curriculum[name].after == PRETRAINED:
        yield (name, "mixture", "replay"), "there is no stage before to replay", "set it to 0"


def _budgets(place: tuple, mixture: Mixture) -> Iterator[Finding]:
    """Sources have frames, or they have shares of a number of frames."""
    shares = [budget.share for budget in mixture.sources.values() if budget.share is not None]
    for source, budget in mixture.sources.items():
        here = (*place, "sources", source)
        if budget.frames is None and budget.share is None:
            yield here, "no budget", "give it `frames` or a `share`"
        elif budget.frames is not None and budget.share is not None:
            yield (*here, "share"), "beside a number of frames", "delete one of the two"
        elif budget.frames is not None and shares:
            yield (*here, "frames"), "frames and shares are mixed", "give every source a share, or every source frames"
    if shares and mixture.frames is None:
        yield (*place, "frames"), "missing: sources have shares of it", "add the whole mixture's number of frames"
    if not shares and mixture.frames is not None:
        yield (*place, "frames"), "the sources have frames of their own", "delete it, or give the sources shares"
    if shares and abs(sum(shares) - 1) > 1e-9:
        yield (*place, "sources"), f"the shares sum to {sum(shares):g}", "make them sum to 1"


def _schedule(params: Params, name: str) -> Iterator[Finding]:
    stage = params.stages[name]
    if stage.warmup >= stage.epochs:
        yield (name, "warmup"), f"{stage.warmup:g} epochs of {stage.epochs} are warm-up", "make it shorter"
    if (stage.schedule == "step") != (stage.lr_drop is not None):
        yield (name, "lr_drop"), f"schedule is `{stage.schedule}`", "`lr_drop` goes with `schedule: step` and no other"
    elif stage.lr_drop is not None and stage.lr_drop >= stage.epochs:
        yield (name, "lr_drop"), f"past the last epoch ({stage.epochs})", "drop earlier or train longer"
    if stage.memory.batch % stage.mixture.clip_length:
        what = f"no multiple of mixture.clip_length ({stage.mixture.clip_length})"
        yield (name, "memory", "batch"), what, "batches hold whole clips: change one of the two"
    if stage.validate_every > stage.epochs:
        yield (name, "validate_every"), f"never in {stage.epochs} epochs", "validate more often"
    if stage.augment.scale[0] > stage.augment.scale[1]:
        yield (name, "augment", "scale"), "the first is above the second", "give [from, to]"
    if stage.augment.close_mosaic and not stage.augment.mosaic:
        yield (name, "augment", "close_mosaic"), "there is no mosaic to close", "set augment.mosaic, or delete it"
    if stage.keep_every is not None and stage.keep_every > stage.epochs:
        yield (name, "keep_every"), f"never in {stage.epochs} epochs", "keep more often, or delete it"
    if stage.patience is not None and stage.patience < stage.validate_every:
        what = f"shorter than from one validation to the next ({stage.validate_every} epochs)"
        yield (name, "patience"), what, "lengthen it, or validate more often"
    yield from _freezing(params, name)


def _freezing(params: Params, name: str) -> Iterator[Finding]:
    stage = params.stages[name]
    if stage.thaw is not None and not stage.freeze:
        yield (name, "thaw"), "nothing is frozen", "name the parts in `freeze`, or delete it"
    elif stage.thaw is not None and stage.thaw >= stage.epochs:
        yield (name, "thaw"), f"never in {stage.epochs} epochs", "thaw earlier, or delete it"
    elif stage.thaw is None and set(stage.freeze) == {"backbone", "neck", "head"}:
        yield (name, "freeze"), "nothing is left to train", "thaw a part"


def _evaluation(params: Params) -> Iterator[Finding]:
    known = (PRETRAINED, *params.curriculum)
    checkpoints = params.evaluation.checkpoints
    for index, name in enumerate(checkpoints):
        place = ("evaluation", "checkpoints", index)
        if name not in known:
            yield place, f"no checkpoint `{name}`", f"checkpoints are {', '.join(known)}"
        if name in checkpoints[:index]:
            yield place, f"checkpoint `{name}` stands twice", "delete one"
    if params.evaluation.engine == "local" and (params.evaluation.address or params.evaluation.gpus):
        key = "address" if params.evaluation.address else "gpus"
        yield ("evaluation", key), "engine is `local`, which has none", "set `engine: ray`, or delete it"
    gpus = params.evaluation.gpus
    if gpus > 1 and gpus % 1:
        yield ("evaluation", "gpus"), f"{gpus:g} is above 1 and not whole", "give a share of one GPU, or whole ones"
    if "detections" in params.trackers:
        yield ("trackers", "detections"), "the name is taken by the detections' own scores", "choose another name"
