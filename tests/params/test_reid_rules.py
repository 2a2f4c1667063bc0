"""What makes no sense in `reid`."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from stages.errors import InputError
from stages.params import Params, load_params
from stages.params.reid_rules import reid_findings
from tests.rectangles import write_params

FETCHED = {"path": "a.pt", "sha256": "0" * 64}


def params(tmp_path: Path, reid: dict) -> Params:
    """With rules of `reid` left to this test."""
    value = write_params(tmp_path).model_dump(mode="json", exclude_unset=True)
    return Params.model_validate_json(__import__("json").dumps(value | {"reid": {"people": reid}}))


@pytest.mark.parametrize(
    "reid",
    [
        {"sources": ["street", "air"], "classes": ["car"]},
        FETCHED,
        FETCHED | {"sources": ["street"], "model": "osnet_ain_x1_0"},
        FETCHED | {"sources": ["street"], "classes": ["car"], "min_size": 9, "min_visibility": 0.1, "per_view": 2},
        FETCHED | {"path": "$WEIGHTS", "model": "osnet_x1_0"},
        FETCHED | {"path": "https://example.org/a.onnx?signature=none"},
    ],
)
def test_what_makes_sense(tmp_path: Path, reid: dict):
    assert list(reid_findings(params(tmp_path, reid))) == []


@pytest.mark.parametrize(
    ("reid", "place", "what"),
    [
        ({}, "sources", "missing: nothing to train on"),
        ({"sources": ["sky"]}, "sources.0", "`sky` is none of the sources"),
        ({"sources": ["air", "air"]}, "sources.1", "`air` stands twice"),
        ({"sources": ["air"], "classes": ["dog"]}, "classes.0", "`dog` is none of the classes"),
        ({"sources": ["air"], "sha256": "0" * 64}, "sha256", "goes with `path`, and there is none"),
        ({"sources": ["air"], "anonymous": True}, "anonymous", "goes with `path`, and there is none"),
        ({"path": "a.pt"}, "sha256", "weights from outside need a sha256"),
        (FETCHED | {"path": "a.engine"}, "path", "unknown kind of weights"),
        (FETCHED | {"path": "a.onnx", "model": "osnet_x1_0"}, "model", "an ONNX file is a network of its own"),
        *(
            (FETCHED | {key: value}, key, "acts only with `sources`, from which crops are drawn")
            for key, value in {"classes": ["car"], "min_size": 9, "min_visibility": 0.1, "per_view": 2}.items()
        ),
        (FETCHED | {"epochs": 5}, "epochs", "weights from `path` are not trained"),
        (FETCHED | {"erasing": 0.5}, "erasing", "weights from `path` are not trained"),
    ],
)
def test_what_does_not(tmp_path: Path, reid: dict, place: str, what: str):
    [found] = reid_findings(params(tmp_path, reid))
    assert ".".join(map(str, found[0])) == f"reid.people.{place}"
    assert found[1] == what and found[2]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("model", "osnet_x0_2", "did you mean `osnet_x0_25`?"),
        ("image_size", [16, 128], "reid.people.image_size"),
        ("epoch", 5, "did you mean `epochs`?"),
        ("crops", 1, "greater than or equal to 2"),
        ("erasing", 1.5, "less than or equal to 1"),
    ],
)
def test_values_that_cannot_be(tmp_path: Path, key: str, value: object, message: str):
    write_params(tmp_path)
    path = tmp_path / "params.yaml"
    reid = {"reid": {"people": {"sources": ["street"], key: value}}}
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | reid, sort_keys=False))
    with pytest.raises(InputError) as caught:
        load_params(path)
    assert message in str(caught.value)
