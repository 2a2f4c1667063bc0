"""Which mappings of classes a benchmark's protocol takes, and what is said of the others."""

from __future__ import annotations

from typing import get_args

import pytest
import yaml

from stages.params import load_params
from stages.params.protocol_rules import ROLES, protocol_findings
from stages.params.scoring import Protocol
from stages.scoring.protocols import rules_of

MOT17 = {"pedestrian": "person", "person_on_vehicle": "distractor", "static_person": "distractor", "car": "car"}
MOT17 |= {"distractor": "distractor", "reflection": "distractor", "crowd": "drop"}
KITTI = {"Car": "car", "Van": "distractor", "Pedestrian": "person", "DontCare": "region", "Truck": "car"}
BDD = {"pedestrian": "person", "rider": "person", "car": "car", "crowd": "region", "trailer": "region"}
VISDRONE = {"pedestrian": "person", "car": "car", "ignored regions": "region", "others": "region", "van": "drop"}
FORMATS = {"mot15": "motchallenge", "mot17": "motchallenge", "mot20": "motchallenge", "dancetrack": "motchallenge"}


def findings(folder, protocol, mapping, named="there", **source):
    """What is found wrong with one source's protocol: (place, what, remedy)."""
    form = {"format": FORMATS.get(protocol, protocol), "path": "nowhere", "classes": mapping} | source
    other = {"format": "motchallenge", "path": "nowhere", "classes": {"pedestrian": "person", "car": "car"}}
    stage = {"mixture": {"sources": {"there": {"frames": 4}}}, "epochs": 1, "lr": 0.001}
    params = {
        "seed": 0,
        "classes": ["person", "car"],
        "sources": {"there": form, "other": other},
        "detector": {"family": "yolo", "model": "yolo11-pico"},
        "weights": {"path": "scratch"},
        "curriculum": {"one": {"after": "pretrained"}},
        "one": stage | {"memory": {"batch": 1, "image_size": 64}},
        "evaluation": {"checkpoints": ["one"], "detection": {}},
        "trackers": {"bytetrack": {"type": "bytetrack"}},
    }
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(params, sort_keys=False))
    loaded = load_params(path)
    # Not by way of the file: reading it may already refuse what is looked for here.
    return list(protocol_findings(loaded.model_copy(update={"protocols": {named: Protocol(name=protocol)}})))


@pytest.mark.parametrize(
    ("protocol", "mapping"),
    [
        ("mot17", MOT17),
        ("mot17", MOT17 | {"car": "drop", "bicycle": "car", "occluder": "drop"}),  # they only take tracks
        ("mot20", MOT17 | {"non_motorized_vehicle": "distractor"}),
        ("mot15", {"pedestrian": "person"}),
        ("dancetrack", {"pedestrian": "person", "car": "drop"}),
        ("kitti", KITTI),
        ("kitti", KITTI | {"Person": "distractor", "Misc": "drop", "Car": "drop"}),
        ("bdd100k", BDD),
        ("visdrone", VISDRONE | {"people": "person"}),
    ],
)
def test_a_benchmarks_own_roles_are_right(tmp_path, protocol, mapping):
    assert findings(tmp_path, protocol, mapping, fps=30) == []


@pytest.mark.parametrize(
    ("protocol", "mapping", "native", "what"),
    [
        ("mot17", MOT17 | {"static_person": "drop"}, "static_person", "mapped to `drop`"),
        ("mot17", MOT17 | {"person_on_vehicle": "person"}, "person_on_vehicle", "takes it as a distractor"),
        ("mot17", MOT17 | {"crowd": "region"}, "crowd", "knows no such region"),
        ("mot17", MOT17 | {"non_motorized_vehicle": "distractor"}, "non_motorized_vehicle", "no such distractor"),
        ("mot20", MOT17 | {"non_motorized_vehicle": "drop"}, "non_motorized_vehicle", "takes it as a distractor"),
        ("dancetrack", MOT17, "person_on_vehicle", "knows no such distractor"),
        ("kitti", KITTI | {"Van": "car"}, "Van", "takes it as a distractor"),
        ("kitti", KITTI | {"Person_sitting": "person"}, "Person_sitting", "takes it as a distractor"),
        ("kitti", KITTI | {"DontCare": "drop"}, "DontCare", "takes it as a region"),
        ("bdd100k", BDD | {"trailer": "distractor"}, "trailer", "takes it as a region"),
        ("visdrone", VISDRONE | {"others": "drop"}, "others", "takes it as a region"),
    ],
)
def test_another_role_is_named_with_its_remedy(tmp_path, protocol, mapping, native, what):
    ((place, found, remedy),) = [
        each for each in findings(tmp_path, protocol, mapping, fps=30) if each[0][-1] == native
    ]
    assert place == ("sources", "there", "classes", native)
    assert what in found
    assert f"`{protocol}` (protocols.there)" in found
    assert remedy.endswith("score by the protocol `skyward`")


def test_every_benchmark_has_rules():
    names = get_args(Protocol.model_fields["name"].annotation)
    assert {"skyward", *ROLES} == set(names)
    assert all(rules_of(Protocol(name=name)) for name in names)


def test_skyward_takes_any_mapping(tmp_path):
    assert findings(tmp_path, "skyward", MOT17 | {"crowd": "region"}, format="motchallenge") == []


def test_a_protocol_for_no_source(tmp_path):
    assert findings(tmp_path, "mot17", MOT17, named="ther") == [
        (("protocols", "ther"), "no such source", "sources are there, other")
    ]


@pytest.mark.parametrize(("protocol", "native"), [("kitti", "Van"), ("bdd100k", "other person")])
def test_a_source_of_another_kind(tmp_path, protocol, native):
    ((place, what, _),) = findings(tmp_path, protocol, {"pedestrian": "person"}, format="motchallenge")
    assert place == ("protocols", "there", "name")
    assert what == f"`{protocol}` is about a class `{native}`, which the source does not have"
