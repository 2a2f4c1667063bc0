"""What makes no sense in ``reid``, beside the rest of params.yaml."""

from __future__ import annotations

from collections.abc import Iterator

from stages.params.model import Params
from stages.params.reid import Reid

Finding = tuple[tuple, str, str]

# What only drawing crops uses, only training, and only fetching.
_DRAWING = ("classes", "min_size", "min_visibility", "per_view")
_TRAINING = ("epochs", "identities", "crops", "lr", "weight_decay", "margin", "erasing")
_FETCHING = ("sha256", "endpoint_url", "anonymous")
REID_FILES = (".onnx", ".pt", ".pth", ".safetensors")


def reid_findings(params: Params) -> Iterator[Finding]:
    """All findings (place, what, remedy), in the order of the file."""
    for name, reid in params.reid.items():
        yield from _known(name, "sources", reid.sources, tuple(params.sources))
        yield from _known(name, "classes", reid.classes, params.classes)
        yield from _fetched(name, reid) if reid.path else _trained(name, reid)


def _known(name: str, key: str, given: tuple[str, ...], known: tuple[str, ...]) -> Iterator[Finding]:
    for index, each in enumerate(given):
        place = ("reid", name, key, index)
        if each not in known:
            yield place, f"`{each}` is none of the {key}", f"{key} are {', '.join(known)}"
        elif each in given[:index]:
            yield place, f"`{each}` stands twice", "delete one"


def _trained(name: str, reid: Reid) -> Iterator[Finding]:
    if not reid.sources:
        yield ("reid", name, "sources"), "missing: nothing to train on", "name sources, or give trained weights' `path`"
    for key in _FETCHING:
        if key in reid.model_fields_set:
            yield ("reid", name, key), "goes with `path`, and there is none", "delete it, or add `path`"


def _fetched(name: str, reid: Reid) -> Iterator[Finding]:
    for key in _TRAINING:
        if key in reid.model_fields_set:
            yield ("reid", name, key), "weights from `path` are not trained", "delete it, or delete `path`"
    for key in () if reid.sources else _DRAWING:
        if key in reid.model_fields_set:
            yield (
                ("reid", name, key),
                "acts only with `sources`, from which crops are drawn",
                "delete it, or add `sources`",
            )
    yield from _file(name, reid)


def _file(name: str, reid: Reid) -> Iterator[Finding]:
    last = (reid.path or "").partition("?")[0].rpartition("/")[2]
    if "$" not in last and not last.endswith(REID_FILES):  # the name may stand in an environment variable
        yield ("reid", name, "path"), "unknown kind of weights", f"name a file that ends in {', '.join(REID_FILES)}"
    if last.endswith(".onnx") and "model" in reid.model_fields_set:
        yield ("reid", name, "model"), "an ONNX file is a network of its own", "delete it"
    if reid.sha256 is None:
        what = "weights from outside need a sha256"
        yield ("reid", name, "sha256"), what, "add `sha256:` (sha256sum FILE prints it)"
