"""`python -m stages.gate`: bounds that are kept, broken and not measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from drawing_project import lay_out

from stages.curriculum.gates import bounds
from stages.curriculum.results import SUMMARY, read_results
from stages.curriculum.summary import summarise
from stages.errors import InputError
from stages.gate import GATES, main
from stages.params import Params, load_params
from stages.params.gate_rules import gate_findings


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch) -> None:
    """Stage 2 forgot .2 of street, stage 3 .3; air was gained. The last HOTA is .5 on street, .75 on air."""
    monkeypatch.chdir(tmp_path)
    params = lay_out()
    SUMMARY.write_text(json.dumps(summarise(params, read_results(params))))


def set_gates(gates: dict, **more) -> Params:
    document = yaml.safe_load(Path("params.yaml").read_text()) | {"gates": gates} | more
    Path("params.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    return load_params()


def test_bounds_are_held_against_the_worst_stage_and_the_last_checkpoint():
    params = set_gates({"street": {"max_forgetting": 0.25, "min_HOTA": 0.5}, "air": {"max_forgetting": 0.0}})
    found = [each.row for each in bounds(params, json.loads(SUMMARY.read_text()))]
    assert [tuple(row.values()) for row in found] == [
        ("street", "max_forgetting", 0.25, 0.3, "stage3", False, False),
        ("street", "min_HOTA", 0.5, 0.5, "stage3", True, False),
        ("air", "max_forgetting", 0.0, -0.05, "stage3", True, False),
    ]


def test_broken_gates_are_printed_and_fail_only_where_they_say_so(capsys):
    gate = {"max_forgetting": 0.05, "min_HOTA": 0.6}
    set_gates({"street": gate, "air": {"min_HOTA": 0.7, "fail": True}})
    main()
    assert capsys.readouterr().out.splitlines() == [
        "gate street.max_forgetting: 0.3 after stage3, at most 0.05: NOT KEPT",
        "gate street.min_HOTA: 0.5 after stage3, at least 0.6: NOT KEPT",
        "gate air.min_HOTA: 0.75 after stage3, at least 0.7: kept",
    ]
    set_gates({"street": gate | {"fail": True}})
    what = (
        r"gates\.street\.max_forgetting: the gate is not kept \(0\.3 after stage3, at most 0\.05; 1 more not kept\): "
    )
    with pytest.raises(InputError, match=rf"^params\.yaml:\d+: {what}replay more"):
        main()
    assert capsys.readouterr().out.count("NOT KEPT") == 2  # all are printed before
    common = {"source": "street", "checkpoint": "stage3", "kept": False, "fail": True}
    assert json.loads(GATES.read_text()) == [
        common | {"bound": "max_forgetting", "limit": 0.05, "value": 0.3},
        common | {"bound": "min_HOTA", "limit": 0.6, "value": 0.5},
    ]


def test_what_cannot_be_measured_is_not_kept():
    summary = json.loads(SUMMARY.read_text())
    summary["stage3"]["air"]["HOTA"] = None
    SUMMARY.write_text(json.dumps(summary))
    set_gates({"air": {"min_HOTA": 0.1, "fail": True}})
    with pytest.raises(InputError, match=r"the gate is not kept \(not measured, at least 0\.1\)"):
        main()


def test_no_gates_no_words(capsys):
    set_gates({})
    main()
    assert capsys.readouterr().out == ""
    assert json.loads(GATES.read_text()) == []


def lose_summary():
    SUMMARY.unlink()
    return r"^metrics/curriculum\.json: no such scores"


def old_summary():
    SUMMARY.write_text(json.dumps({"stage1": {}, "forgetting": {}}))
    return r"^metrics/curriculum\.json: has no `pretrained`: it is older than params\.yaml"


def untested_source():
    summary = json.loads(SUMMARY.read_text())
    del summary["stage3"]["street"]
    SUMMARY.write_text(json.dumps(summary))
    return r"^params\.yaml:\d+: gates\.street: the source has no test sequence"


@pytest.mark.parametrize("harm", [lose_summary, old_summary, untested_source])
def test_bad_summary(harm):
    set_gates({"street": {"min_HOTA": 0.1}})
    message = harm()
    with pytest.raises(InputError, match=message):
        main()


FILES = {"format": "motchallenge", "path": "nowhere", "classes": {"pedestrian": "person"}}


@pytest.mark.parametrize(
    ("gates", "place", "what"),
    [
        ({"sky": {"min_HOTA": 0.5}}, "sky", "no such source"),
        ({"street": {}}, "street", "no bound"),
        ({"street": {"fail": True}}, "street", "no bound"),
        ({"files": {"min_HOTA": 0.5}}, "files", "the source has no test split, so it is never scored"),
        ({"untested": {"min_HOTA": 0.5}}, "untested", "the source has no test split, so it is never scored"),
        ({"ranged": {"max_forgetting": 0.5}}, "max_forgetting", "no evaluated stage comes after"),
    ],
)
def test_gates_that_make_no_sense(gates, place, what):
    document = yaml.safe_load(Path("params.yaml").read_text())
    air = document["sources"]["air"]
    sources = document["sources"] | {
        "files": FILES | {"splits": {"train": 0.5, "val": 0.5}},
        "untested": air | {"sequences": {"train": 1}},
        "ranged": FILES | {"splits": {"train": 1.0}, "ranges": {"a": {"end": {"frames": [1, 9], "split": "test"}}}},
    }
    params = set_gates({}, sources=sources)
    params = params.model_copy(update={"gates": _gates(gates)})
    findings = list(gate_findings(params))
    assert [(found[0][-1], found[1][: len(what)]) for found in findings] == [(place, what)]


def _gates(gates: dict) -> dict:
    from stages.params.scoring import Gate

    return {name: Gate.model_validate_json(json.dumps(gate)) for name, gate in gates.items()}


def test_gates_that_make_sense_have_no_findings():
    assert list(gate_findings(set_gates({"street": {"max_forgetting": 0.1}, "air": {"min_HOTA": 0.1}}))) == []


def test_what_stages_may_not_be_called():
    params = load_params()
    taken = dict.fromkeys(("forgetting", "backward_transfer", "forward_transfer"), params.curriculum["stage1"])
    findings = gate_findings(params.model_copy(update={"curriculum": taken, "gates": {}}))
    assert [found[0] for found in findings] == [("curriculum", name) for name in taken]


@pytest.mark.parametrize("value", [-0.1, 1.5, "much"])
def test_bounds_are_shares(value):
    with pytest.raises(InputError, match=r"gates\.street\.max_forgetting"):
        set_gates({"street": {"max_forgetting": value}})
