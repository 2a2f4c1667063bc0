"""README.md: its YAML is valid, its tables name every key, stage, preset and figure as the code has them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
import yaml
from pydantic import BaseModel

from stages.detectors import FAMILIES
from stages.params import load_params
from stages.params.model import Detection, Params, Weights
from stages.params.postprocess import Postprocess
from stages.params.protocol_rules import ROLES
from stages.params.reid import Reid
from stages.params.scoring import Gate, Protocol
from stages.params.sources import FileSource, Source, Take
from stages.params.stage import Augment, Balance, Memory, Mixture, Stage
from stages.params.trackers import Tracker, _Tracker
from tests.docs.pages import PAGES, Block, blocks, cells, names
from tests.footage import ROOT

README = ROOT / "README.md"
YAML = [block for page in PAGES for block in blocks(page, "yaml")]
TABLE = {
    names(row[0])[0]: names(row[1]) for row in cells(README) if len(row) == 3 and row[0] != "`type`" and names(row[0])
}
KEYS = {key for row in cells(README) for key in names(row[0])}


def test_there_are_blocks():
    assert len(YAML) >= 2


@pytest.mark.parametrize("block", YAML, ids=lambda block: block.text.split(":")[0])
def test_a_block_is_valid_among_the_default_params(block: Block, tmp_path: Path):
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    for key, value in yaml.safe_load(block.text).items():
        assert key in Params.model_fields
        params[key] = params[key] | value if isinstance(params.get(key), dict) else value
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    loaded = load_params(tmp_path / "params.yaml")
    for key, value in yaml.safe_load(block.text).items():
        assert set(value) <= set(getattr(loaded, key))


def fields(*models: type[BaseModel]) -> set[str]:
    return {name for model in models for name in model.model_fields}


EXPECTED: dict[str, set[str]] = {
    "sources.NAME": fields(FileSource, Take) | {"format"},
    "weights": fields(Weights),
    "STAGE.mixture": fields(Mixture, Balance) | {"frames", "share"},
    "evaluation": fields(Params.model_fields["evaluation"].annotation, Detection),
    "reid.NAME": fields(Reid),
    "trackers.NAME": fields(_Tracker, Postprocess) | {"type"},
    "protocols.SOURCE": fields(Protocol),
    "gates.SOURCE": fields(Gate),
} | {
    name: fields(Params.model_fields[name].annotation)
    for name in ("compute", "logging", "videos", "explain", "report", "detector")
}


@pytest.mark.parametrize("block", EXPECTED)
def test_the_params_table_names_every_key(block: str):
    assert set(TABLE[block]) == EXPECTED[block]


def test_every_block_has_a_row():
    told = {key.partition(".")[0] for row in cells(README) if len(row) == 3 for key in names(row[0])}
    assert set(Params.model_fields) - {"stages"} <= told


def test_the_training_table_names_every_key():
    lines = [row for row in cells(README) if len(row) == 2]
    text = " ".join(cell for row in lines for cell in row)
    for key in (*fields(Stage) - {"mixture"}, *fields(Augment), *fields(Memory)):
        assert re.search(rf"`{key}\b", text), key


def test_tables_name_every_format_family_tracker_and_protocol():
    formats = {get_args(member.model_fields["format"].annotation)[0] for member in get_args(get_args(Source)[0])}
    trackers = {get_args(member.model_fields["type"].annotation)[0] for member in get_args(get_args(Tracker)[0])}
    for kind in (formats - {"world"}, set(FAMILIES), trackers, set(ROLES)):
        assert kind <= KEYS


def test_presets_and_what_they_cost_on_paper():
    presets = {path.stem for path in (ROOT / "presets").glob("*.yaml")}
    assert presets == set(re.findall(r"\| \[([\w-]+)\]\(presets/", README.read_text()))
    told = {names(row[0])[0]: row[1:] for row in cells(README) if len(row) == 4 and names(row[0])}
    params = load_params(ROOT / "presets/street-to-air.yaml")
    assert list(told) == list(params.stages)
    for name, stage in params.stages.items():
        frames = stage.mixture.frames or sum(budget.frames for budget in stage.mixture.sources.values())
        images = stage.epochs * frames
        steps = images // (stage.memory.batch * stage.memory.accumulate)
        assert told[name] == [f"{images:,}", f"{steps:,}", f"{images / 3600:.1f} / r"]


# Lines in the table of errors whose words are the system's, DVC's or the shell's, or stand in many messages.
ELSEWHERE = (
    "no space left",
    "Unable to read RWLock-file",
    "python: not found",
    "failed to connect to s3",
    "... sha256 ...",
)
_FILLED = re.compile(r"params\.yaml:\S+ [\w.]+: |\d+(?:\.\d+)?%?|\.\.\.|`\w*`|: ")  # what differs from line to line


def test_errors_in_the_table_are_the_codes():
    code = "\n".join(path.read_text() for path in (ROOT / "stages").rglob("*.py"))
    begin = README.read_text().index("| line says | remedy |")
    rows = README.read_text()[begin:].split("\n\n")[0].splitlines()[2:]
    told = [name for row in rows for name in names(row.split("|")[1])]
    assert len(told) >= 14 and set(ELSEWHERE) <= {line.split(" '")[0] for line in told}
    for line in told:
        fixed = [part.strip() for part in _FILLED.split(line) if len(part.strip()) > 8]
        assert line.split(" '")[0] in ELSEWHERE or any(words in code for words in fixed), line
