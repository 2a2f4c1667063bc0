from __future__ import annotations

from pathlib import Path

import pytest

from stages.errors import InputError
from stages.params import load_params, where

ROOT = Path(__file__).resolve().parents[2]
VALID = """\
seed: 0
classes: [person, car]
sources:
  street:
    format: world
    view: street
    sequences: {train: 2, val: 1, test: 1}
    frames: 50
    classes: {person: person, car: car, hidden: distractor}
  mot:
    format: motchallenge
    path: somewhere
    classes: {pedestrian: person, car: car}
    splits: {train: 0.5, val: 0.25, test: 0.25}
    take: {frames: 9}
  long:
    format: motchallenge
    path: elsewhere
    classes: {pedestrian: person}
    ranges: {a: {early: {frames: [1, 10], split: train}, late: {frames: [21, 30], split: test}}}
    gap: 10
detector: {family: yolo, model: yolo11-pico}
weights: {path: scratch}
curriculum:
  stage1: {after: pretrained}
  stage2: {after: stage1}
stage1:
  mixture: {sources: {street: {frames: 20}}, clip_length: 2, intervals: [0.5]}
  epochs: 4
  lr: 0.001
  augment: {flip: 0.5}
  memory: {batch: 4, image_size: 64}
stage2:
  mixture: {sources: {mot: {frames: 20}}, replay: 0.25}
  epochs: 4
  lr: 0.001
  memory: {batch: 4, image_size: 64}
evaluation:
  checkpoints: [stage1, stage2]
  detection: {min_score: 0.05}
trackers:
  byte: {type: bytetrack, max_gap: 2.0}
  oc: {type: ocsort}
"""


def _write(folder: Path, old: str = "", new: str = "") -> Path:
    """The valid file with ``old``, which stands in it exactly once, replaced by ``new``."""
    assert not old or VALID.count(old) == 1, old
    path = folder / "params.yaml"
    path.write_text(VALID.replace(old, new) if old else VALID)
    return path


def _error(folder: Path, old: str, new: str) -> str:
    with pytest.raises(InputError) as caught:
        load_params(_write(folder, old, new))
    message = str(caught.value)
    assert "\n" not in message
    return message.removeprefix(f"{folder}/")


def test_the_table_starts_from_valid_params(tmp_path: Path):
    params = load_params(_write(tmp_path))
    assert params.lineage("stage2") == ("stage1",) and params.lineage("stage1") == ()
    assert params.sources["mot"].labels[1] == "pedestrian" and params.sources["mot"].take.stride == 1
    assert params.sources["long"].ranges["a"]["late"].frames == (21, 30)
    assert params.stages["stage1"].mixture.intervals == (0.5,)


def test_the_repositorys_own_params_are_valid():
    assert load_params(ROOT / "params.yaml").classes


UNKNOWN = [
    ("seed: 0", "sed: 0", "params.yaml:1: sed", "seed"),
    ("weights: {path", "wieghts: {path", "params.yaml:23: wieghts", "weights"),
    ("stage2:\n  mixture", "stag2:\n  mixture", "params.yaml:33: stag2", "stage2"),
    ("view: street", "veiw: street", "params.yaml:6: sources.street.veiw", "view"),
    ("test: 1}", "tst: 1}", "params.yaml:7: sources.street.sequences.tst", "test"),
    ("path: somewhere", "pth: somewhere", "params.yaml:12: sources.mot.pth", "path"),
    ("take: {frames", "take: {frmes", "params.yaml:15: sources.mot.take.frmes", "frames"),
    ("[21, 30], split", "[21, 30], spilt", "params.yaml:20: sources.long.ranges.a.late.spilt", "split"),
    ("{family: yolo, model", "{family: yolo, modle", "params.yaml:22: detector.modle", "model"),
    ("weights: {path", "weights: {paht", "params.yaml:23: weights.paht", "path"),
    ("{after: stage1}", "{aftr: stage1}", "params.yaml:26: curriculum.stage2.aftr", "after"),
    ("clip_length: 2", "clip_lenght: 2", "params.yaml:28: stage1.mixture.clip_lenght", "clip_length"),
    (
        "{street: {frames: 20}}",
        "{street: {frame: 20}}",
        "params.yaml:28: stage1.mixture.sources.street.frame",
        "frames",
    ),
    ("augment: {flip", "augment: {flp", "params.yaml:31: stage1.augment.flp", "flip"),
    ("  augment: ", "  augmnt: ", "params.yaml:31: stage1.augmnt", "augment"),
    ("replay: 0.25", "repaly: 0.25", "params.yaml:34: stage2.mixture.repaly", "replay"),
    ("checkpoints: [", "checkpoint: [", "params.yaml:39: evaluation.checkpoint", "checkpoints"),
    ("{min_score", "{min_scroe", "params.yaml:40: evaluation.detection.min_scroe", "min_score"),
    ("max_gap", "max_gab", "params.yaml:42: trackers.byte.max_gab", "max_gap"),
    ("{type: ocsort}", "{type: ocsort, inertai: 0.1}", "params.yaml:43: trackers.oc.inertai", "inertia"),
    ("{type: ocsort}", "{typ: ocsort}", "params.yaml:43: trackers.oc.typ", "type"),
    ("format: world", "fromat: world", "params.yaml:5: sources.street.fromat", "format"),
]


@pytest.mark.parametrize(("old", "new", "place", "nearest"), UNKNOWN, ids=[row[2].split()[-1] for row in UNKNOWN])
def test_a_mistyped_key_is_named_with_its_place_and_the_nearest(tmp_path, old, new, place, nearest):
    number, _, key = place.rpartition(": ")
    message = _error(tmp_path, old, new)
    assert message.startswith(f"{number}: {key}: unknown key: did you mean `{nearest}`")


def test_memory_and_a_key_that_resembles_nothing(tmp_path: Path):
    path = _write(tmp_path)
    path.write_text(VALID.replace("memory: {batch", "memory: {bacth"))
    with pytest.raises(InputError, match=r"yaml:32: stage1\.memory\.bacth: unknown key: did you mean `batch`\?"):
        load_params(path)
    message = _error(tmp_path, "weights: {path: scratch}", "weights: {path: scratch, zzz: 1}")
    assert message.endswith("weights.zzz: unknown key: known here: path, sha256, endpoint_url, anonymous")


WRONG = [
    ("seed: 0", "seed: 1.5", "seed: should be a valid integer, not 1.5"),
    ("seed: 0", "seed: true", "seed: should be a valid integer, not true"),
    ("seed: 0", "seed: '0'", 'seed: should be a valid integer, not "0"'),
    ("seed: 0", "seed: 1e3", "seed: should be a valid integer, not 1000.0"),
    ("seed: 0", "seed: -1", "seed: should be greater than or equal to 0, not -1"),
    ("classes: [person, car]", "classes: person", 'classes: should be a list, not "person"'),
    ("classes: [person, car]", "classes: [1, car]", "classes.0: should be a valid string, not 1"),
    ("classes: [person, car]", "classes: []", "classes: holds nothing: give at least 1"),
    ("classes: [person, car]", "classes: [no, car]", "classes.0: should be a valid string, not false"),
    ("format: world", "format: wordl", 'sources.street.format: no such format "wordl": did you mean `world`?'),
    ("    format: world\n", "", "sources.street.format: missing: add the key"),
    ("view: street", "view: sea", 'sources.street.view: no such value "sea": known here: street, air'),
    ("sequences: {train: 2, val: 1, test: 1}", "sequences: 4", "sources.street.sequences: should be a block of keys"),
    ("frames: 50", "frames: 0", "sources.street.frames: should be greater than or equal to 1, not 0"),
    ("train: 0.5,", "trian: 0.5,", 'sources.mot.splits.trian: no such value "trian": did you mean `train`?'),
    ("train: 0.5,", "train: 1.5,", "sources.mot.splits.train: should be less than or equal to 1, not 1.5"),
    ("train: 0.5,", "train: half,", 'sources.mot.splits.train: should be a valid number, not "half"'),
    ("[21, 30]", "[21, 30, 40]", "sources.long.ranges.a.late.frames: holds 3: give at most 2"),
    ("split: test", "split: tset", 'sources.long.ranges.a.late.split: no such value "tset": did you mean `test`?'),
    ("family: yolo", "family: yollo", 'detector.family: no such value "yollo": did you mean `yolo`?'),
    ("weights: {path: scratch}", "weights: scratch", 'weights: should be a block of keys, not "scratch"'),
    ("weights: {path: scratch}", "weights: {path: a.pt, sha256: abc}", "weights.sha256: string should match pattern"),
    ("epochs: 4\n  lr: 0.001\n  augment", "epochs: 4.0\n  lr: 0.001\n  augment", "stage1.epochs: should be a valid"),
    ("lr: 0.001\n  augment", "lr: '0.001'\n  augment", 'stage1.lr: should be a valid number, not "0.001"'),
    ("lr: 0.001\n  augment", "lr: true\n  augment", "stage1.lr: should be a valid number, not true"),
    ("lr: 0.001\n  augment", "lr: 0\n  augment", "stage1.lr: should be greater than 0, not 0"),
    ("lr: 0.001\n  augment", "lr: .nan\n  augment", "stage1.lr: should be a finite number, not NaN"),
    ("lr: 0.001\n  augment", "lr: .inf\n  augment", "stage1.lr: should be a finite number, not Infinity"),
    ("lr: 0.001\n  augment", "lr:\n  augment", "stage1.lr: should be a valid number, not null"),
    ("  lr: 0.001\n  augment", "  augment", "stage1.lr: missing: add the key"),
    ("intervals: [0.5]", "intervals: []", "stage1.mixture.intervals: holds nothing: give at least 1"),
    ("intervals: [0.5]", "intervals: [0.0]", "stage1.mixture.intervals.0: should be greater than 0, not 0.0"),
    ("{street: {frames: 20}}", "{}", "stage1.mixture.sources: holds nothing: give at least 1"),
    ("replay: 0.25", "replay: 1.0", "stage2.mixture.replay: should be less than 1, not 1.0"),
    ("replay: 0.25", "balance: {sizes: 1.5}", "stage2.mixture.balance.sizes: should be less than or equal to 1, not"),
    ("replay: 0.25", "balance: 1.0", "stage2.mixture.balance: should be a block of keys, not 1.0"),
    ("replay: 0.25", "frames: 0", "stage2.mixture.frames: should be greater than or equal to 1, not 0"),
    ("{street: {frames: 20}}", "{street: {share: 0}}", "stage1.mixture.sources.street.share: should be greater than 0"),
    ("flip: 0.5", "flip: 1.5", "stage1.augment.flip: should be less than or equal to 1, not 1.5"),
    ("augment: {flip: 0.5}", "freeze: [bakbone]", 'stage1.freeze.0: no such value "bakbone": did you mean `backbone`?'),
    ("augment: {flip: 0.5}", "optimizer: adam", 'stage1.optimizer: no such value "adam": did you mean `adamw`?'),
    ("augment: {flip: 0.5}", "augment: {scale: 0.3}", "stage1.augment.scale: should be a list, not 0.3"),
    ("augment: {flip: 0.5}", "augment: {scale: [0.5]}", "stage1.augment.scale.1: missing"),
    ("augment: {flip: 0.5}", "augment: {scale: [0, 1]}", "stage1.augment.scale.0: should be greater than 0, not 0"),
    ("augment: {flip: 0.5}", "augment: {crop: 2}", "stage1.augment.crop: should be less than or equal to 1, not 2"),
    ("augment: {flip: 0.5}", "augment: {mosaic: -1}", "stage1.augment.mosaic: should be greater than or equal to 0"),
    ("augment: {flip: 0.5}", "thaw: 0", "stage1.thaw: should be greater than or equal to 1, not 0"),
    ("augment: {flip: 0.5}", "patience: 0", "stage1.patience: should be greater than or equal to 1, not 0"),
    ("augment: {flip: 0.5}", "keep_every: 0", "stage1.keep_every: should be greater than or equal to 1, not 0"),
    ("augment: {flip: 0.5}", "compile: 1", "stage1.compile: should be a valid boolean, not 1"),
    ("augment: {flip: 0.5}", "optimizer: moun", 'stage1.optimizer: no such value "moun": did you mean `muon`?'),
    (
        "weights: {path: scratch}",
        "compute: {devices: 0}\nweights: {path: scratch}",
        "compute.devices: should be greater",
    ),
    ("[stage1, stage2]", "[]", "evaluation.checkpoints: holds nothing: give at least 1"),
    ("{type: ocsort}", "{type: ocsrt}", 'trackers.oc.type: no such type "ocsrt": did you mean `ocsort`?'),
    ("{type: ocsort}", "", "trackers.oc: should be a block of keys, not null"),
    ("{type: ocsort}", "{type: ocsort, use_byte: 1}", "trackers.oc.use_byte: should be a valid boolean, not 1"),
    ("stage2: {after: stage1}", "stage3: {after: stage1}", "stage2: unknown key: did you mean `stage3`, which"),
    (
        "stage2: {after: stage1}",
        "stage2: {after: stage1}\n  x: {after: stage2}",
        "curriculum.x: the stage has no block",
    ),
    ("stage2: {after: stage1}", "seed: {after: stage1}", "curriculum.seed: the name is taken"),
    ("seed: 0", "seed: 0\nstages: {}", "stages: unknown key: each stage has its own top-level block"),
    ("view: street", "format: world", "sources.street.format: the key stands twice in one block: delete one"),
    ("seed: 0", "seed: 0\nseed: 1", "seed: the key stands twice in one block: delete one of the two"),
    (
        "lr: 0.001\n  augment",
        "lr: {{ lr }}\n  augment",
        "yaml:30: stage1.lr: a key is a block in braces, not text: put",
    ),
    ("seed: 0", "seed: 0\n? [a, b]\n: 1", "yaml:2: a key is a list, not text: put it in quotes, or fill in `{{ }}`"),
    ("seed: 0", "seed: 0\n2020-01-01: 1", "yaml:2: a key is `2020-01-01`, a timestamp, not text: put it in quotes"),
    ("seed: 0", "seed: 0\n!!binary YQ==: 1", "yaml:2: a key is `YQ==`, a binary, not text"),
    ("view: street", "view: street\n    1: 2", "yaml:7: sources.street.1: unknown key"),
    ("seed: 0", "seed: 0\n~: 1", "null: unknown key"),
    ("seed: 0", "seed: [0", "not YAML (expected"),
    ("seed: 0", "seed: 2020-13-45", "not YAML in UTF-8 (month must be in 1..12)"),
    ("seed: 0", "seed: &a [*a]", "not YAML in UTF-8 (maximum recursion"),
]


@pytest.mark.parametrize(("old", "new", "expected"), WRONG, ids=[f"{i}-{row[2][:40]}" for i, row in enumerate(WRONG)])
def test_a_wrong_value_is_named(tmp_path, old, new, expected):
    assert expected in _error(tmp_path, old, new)


MEMORY = [
    ("image_size: 48", "stage1.memory.image_size: should be a multiple of 32, not 48"),
    ("image_size: [64, 48]", "stage1.memory.image_size.1: should be a multiple of 32, not 48"),
    ("image_size: [64, big]", 'stage1.memory.image_size.1: should be a valid integer, not "big"'),
    ("image_size: []", "stage1.memory.image_size: holds nothing: give at least 1"),
    ("image_size: 64, gradient_checkpointing: 1", "stage1.memory.gradient_checkpointing: should be a valid boolean"),
    ("image_size: 64, max_objects: 0", "stage1.memory.max_objects: should be greater than or equal to 1, not 0"),
    ("image_size: 64, budget_gb: 0", "stage1.memory.budget_gb: should be greater than 0, not 0"),
    ("image_size: 64, on_oom: [spilt]", 'stage1.memory.on_oom.0: no such value "spilt": did you mean `split`?'),
    ("image_size: 64, on_oom: split", 'stage1.memory.on_oom: should be a list, not "split"'),
]


@pytest.mark.parametrize(("block", "expected"), MEMORY)
def test_a_wrong_value_of_memory_is_named(tmp_path: Path, block: str, expected: str):
    path = _write(tmp_path)
    path.write_text(VALID.replace("image_size: 64", block, 1))
    with pytest.raises(InputError) as caught:
        load_params(path)
    assert str(caught.value).startswith(f"{path}:32: {expected}") and "\n" not in str(caught.value)


def test_image_sizes_ascend(tmp_path: Path):
    path = _write(tmp_path)
    path.write_text(VALID.replace("image_size: 64", "image_size: [96, 32, 64, 32]", 1))
    stages = load_params(path).stages
    assert stages["stage1"].memory.image_sizes == (32, 64, 96) and stages["stage2"].memory.image_sizes == (64,)


def test_curriculum_as_a_list(tmp_path: Path):
    entries = "curriculum:\n  stage1: {after: pretrained}\n  stage2: {after: stage1}"
    message = _error(tmp_path, entries, "curriculum: [stage1, stage2]")
    assert message.startswith("params.yaml:24: curriculum: should be a block of keys")


@pytest.mark.parametrize("text", ["1e-5", "1e-05", "3e-06", "1.0e-5", "2.e-4", ".5e-3", "1E-5", "+1e-5", "0.00001"])
def test_floats_however_they_are_written(tmp_path: Path, text: str):
    lr = load_params(_write(tmp_path, "lr: 0.001\n  augment", f"lr: {text}\n  augment")).stages["stage1"].lr
    assert type(lr) is float and lr == float(text)


def test_whole_numbers_stay_whole(tmp_path: Path):
    params = load_params(_write(tmp_path, "seed: 0", "seed: 3"))
    assert type(params.seed) is int and params.seed == 3
    assert type(load_params(_write(tmp_path, "max_gap: 2.0", "max_gap: 2")).trackers["byte"].max_gap) is float


@pytest.mark.parametrize("content", ["", "- a\n", "text"])
def test_a_file_without_keys(tmp_path: Path, content: str):
    (tmp_path / "params.yaml").write_text(content)
    with pytest.raises(InputError, match="holds no keys"):
        load_params(tmp_path / "params.yaml")


def test_no_file_and_no_utf8(tmp_path: Path):
    with pytest.raises(InputError, match=r"params\.yaml: no such file: run from the repository's top"):
        load_params(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_bytes(b"seed: \xff\n")
    with pytest.raises(InputError, match="not YAML in UTF-8"):
        load_params(tmp_path / "params.yaml")


def test_params_are_frozen(tmp_path: Path):
    params = load_params(_write(tmp_path))
    with pytest.raises(ValueError, match="frozen"):
        params.stages["stage1"].lr = 1.0


def test_where_names_the_line_or_that_of_the_nearest_parent(tmp_path: Path):
    path = _write(tmp_path)
    assert where("stage2", "mixture", "replay", path=path) == f"{path}:34: stage2.mixture.replay"
    assert where("stage2", "warmup", path=path) == f"{path}:33: stage2.warmup"
    assert where("evaluation", "checkpoints", 1, path=path) == f"{path}:39: evaluation.checkpoints.1"
