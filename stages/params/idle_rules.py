"""Keys that would do nothing beside others: every key is obeyed, so such a combination is a mistake."""

from __future__ import annotations

from collections.abc import Iterator

from stages.params.model import Params
from stages.params.stage import Stage

Finding = tuple[tuple, str, str]


def compute_findings(params: Params) -> Iterator[Finding]:
    """Hosts and their port: each host is one place, and one host alone needs no port."""
    hosts = params.compute.hosts
    for index, name in enumerate(hosts):
        if name in hosts[:index]:
            yield ("compute", "hosts", index), f"host `{name}` stands twice", "delete one: its place is its rank"
    if "port" in params.compute.model_fields_set and not hosts:
        yield ("compute", "port"), "there are no hosts to meet on it", "name them in compute.hosts, or delete it"


def idle_findings(name: str, stage: Stage) -> Iterator[Finding]:
    """Keys of one stage that never act."""
    augment, mixture = stage.augment, stage.mixture
    if augment.mosaic and augment.close_mosaic >= stage.epochs:
        what = f"no epoch of {stage.epochs} is left with a mosaic"
        yield (name, "augment", "close_mosaic"), what, "close it later, or delete augment.mosaic"
    if stage.lr_backbone is not None and "backbone" in stage.freeze and stage.thaw is None:
        yield (name, "lr_backbone"), "the backbone is frozen for good", "thaw it, or delete lr_backbone"
    if mixture.clip_length == 1 and len(mixture.intervals) > 1:
        what = f"{len(mixture.intervals)} intervals between the frames of clips of one frame"
        yield (name, "mixture", "intervals"), what, "set mixture.clip_length, or delete it"
    yield from _patience(name, stage)


def _patience(name: str, stage: Stage) -> Iterator[Finding]:
    """The first validation may be the best; the last but that of the last epoch is where a stage can end early."""
    last = (stage.epochs - 1) // stage.validate_every * stage.validate_every
    if stage.patience is not None and last < stage.validate_every + stage.patience:
        what = f"ends nothing before epoch {stage.epochs}, with a validation every {stage.validate_every}"
        yield (name, "patience"), what, "shorten it, train longer, or delete it"
