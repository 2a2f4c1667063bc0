"""presets/: each is valid as it stands, and runs on miniatures of the data sets that it names."""

from __future__ import annotations

import csv
import json
import re
import shutil
import signal
from pathlib import Path

import pytest
import yaml
from accelerate.state import AcceleratorState

from stages import check, download, download_weights, finetune, mixture
from stages.errors import InputError
from stages.files import sha256_of
from stages.params import Params, load_params
from stages.params.model import Params as Model
from tests.footage import ROOT
from tests.presets.miniatures import PRESETS, read_preset, shrunk, write_miniatures

NAMES = [path.stem for path in PRESETS]
STREET_TO_AIR = ROOT / "presets/street-to-air.yaml"


@pytest.fixture(params=PRESETS, ids=NAMES)
def preset(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A preset's path; the working directory is an empty folder."""
    monkeypatch.chdir(tmp_path)
    return request.param


def test_there_are_three():
    assert NAMES == ["mot17-dancetrack", "mtmmc-cameras", "street-to-air"]


def test_it_passes_the_check_as_it_stands(preset: Path):
    shutil.copyfile(preset, "params.yaml")
    check.main()
    assert Path("data/params.ok").read_text() == "params.yaml is valid\n"
    missing = set(Model.model_fields) - {"stages", "logging"} - set(read_preset(preset))
    assert not missing  # so that DVC, which knows no default, finds every block


def test_it_says_where_data_comes_from(preset: Path):
    text = preset.read_text()
    for source in load_params(preset).sources.values():
        for path in source.paths:
            assert (
                path.startswith("data/raw/")
                and path.removeprefix("data/raw/").split("/")[0] in text.split("\nseed:")[0]
            )
    assert f"cp presets/{preset.name} params.yaml" in text


def test_the_weights_are_those_of_their_sha256(preset: Path, real_data: Path):
    params = load_params(preset)
    assert (params.detector.model, params.weights.path) == ("yolov8n", "published")
    assert params.weights.sha256 == sha256_of(real_data / "weights/yolov8n.pt")


def test_street_to_air_is_the_plan():
    params = load_params(STREET_TO_AIR)
    stages = params.stages
    assert list(stages) == ["bdd_foundation", "bdd_refinement", "vis_adaptation", "vis_specialist"]
    assert [stage.lr for stage in stages.values()] == [2e-5, 1e-5, 2e-5, 5e-6]
    assert [stage.lr_backbone for stage in stages.values()] == pytest.approx([s.lr / 10 for s in stages.values()])
    for stage in stages.values():  # one clip at a time, four to a step
        assert (stage.memory.batch, stage.memory.accumulate) == (stage.mixture.clip_length, 4)
        assert stage.memory.budget_gb == 24
    assert [stage.memory.image_size for stage in stages.values()] == [992, 992, 1088, 1088]
    frames = [stage.mixture.frames or stage.mixture.sources["bdd"].frames for stage in stages.values()]
    assert frames == [200 * videos for videos in (56, 150, 80, 150)]
    assert [stage.mixture.replay for stage in stages.values()] == [0, 0, 0.25, 0.25]


def test_it_runs_on_miniatures(preset: Path):
    params = _prepare(preset)
    seen: list[str] = []
    for name, stage in params.stages.items():
        mixture.main(name)
        summary = _rows(Path(f"data/mixtures/{name}/summary.csv"))
        trained = {row["source"]: int(row["frames"]) for row in summary if row["split"] == "train"}
        own = sum(frames for source, frames in trained.items() if source in stage.mixture.sources)
        seen += [source for source in stage.mixture.sources if source not in seen]
        assert set(trained) == (set(seen) if stage.mixture.replay else set(stage.mixture.sources))
        assert own == pytest.approx((1 - stage.mixture.replay) * sum(trained.values()), abs=1)
        clips = _rows(Path(f"data/mixtures/{name}/clips.csv"))
        lengths = [len(clip["frames"].split()) for clip in clips if clip["split"] == "train"]
        assert max(lengths) == stage.mixture.clip_length
        asked = {float(clip["interval"]) for clip in clips if clip["split"] == "train"}
        assert asked == set(stage.mixture.intervals)


def test_without_its_data_a_source_is_one_line_that_names_the_path(preset: Path):
    shutil.copyfile(preset, "params.yaml")
    for name, source in load_params().sources.items():
        with pytest.raises(InputError, match=re.escape(source.paths[0])) as caught:
            download.main(name)
        assert "\n" not in str(caught.value)
        assert not Path("data/sources", name).exists()


# Edits of street-to-air that contradict themselves, and what is said of each.
WRONG: dict[str, tuple[str, str, str]] = {
    "images of 1000 pixels": ("image_size: 992", "image_size: 1000", "bdd_foundation.memory.image_size"),
    "a batch of one frame": ("batch: 4,", "batch: 1,", "no multiple of mixture.clip_length (4)"),
    "a crowd dropped": ("crowd: region", "crowd: distractor", "takes it as a region"),
    "replay at the start": ("clip_length: 4\n", "clip_length: 4\n    replay: 0.2\n", "no stage before to replay"),
    "no hash": ("sha256: f59b", "# sha256: f59b", "weights from outside need a sha256"),
    "too late a drop": ("lr_drop: 8", "lr_drop: 12", "past the last epoch (12)"),
    "a name mistyped": ("gates:\n  bdd:", "gates:\n  bbd:", "sources are bdd, visdrone"),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_edit_that_makes_no_sense_is_refused(tmp_path: Path, case: str):
    old, new, words = WRONG[case]
    text = STREET_TO_AIR.read_text()
    assert old in text
    (tmp_path / "params.yaml").write_text(text.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        load_params(tmp_path / "params.yaml")
    assert words in str(caught.value)


def test_street_to_air_reads_boxes_as_its_comments_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    _prepare(STREET_TO_AIR)
    mixture.main("bdd_foundation")
    mixture.main("bdd_refinement")
    mixture.main("vis_adaptation")
    rows = {
        row["source"]: row for row in _rows(Path("data/mixtures/vis_adaptation/summary.csv")) if row["split"] == "train"
    }
    # Of six boxes in a frame of either set, two are people (walker and rider) and one or two are cars (car and van).
    assert rows["bdd"]["boxes_person"] == str(2 * int(rows["bdd"]["frames"]))
    assert rows["bdd"]["boxes_car"] == rows["bdd"]["frames"]
    assert rows["visdrone"]["boxes_car"] == rows["visdrone"]["boxes_person"] == str(2 * int(rows["visdrone"]["frames"]))
    # 0.2 and 0.4 seconds are 6 and 12 frames of the drone's clock, 1 and 2 of the car's.
    assert (rows["visdrone"]["interval_frames"], rows["bdd"]["interval_frames"]) == ("6 12", "1 2")


def test_its_first_stage_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    params = _prepare(STREET_TO_AIR)
    monkeypatch.setattr(finetune.os, "sched_getaffinity", lambda _: {0})  # one thread: frames are tiny
    download_weights.main()
    mixture.main("bdd_foundation")
    _train("bdd_foundation")
    _check_card(params, "bdd_foundation")


def _train(stage: str) -> None:
    """Train in this process. Signals are put back: a stage takes them over, as a program of its own."""
    signals = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    AcceleratorState._reset_state()  # a process settles on one precision
    finetune.main(stage)
    for number, handler in signals.items():
        signal.signal(number, handler)


def _check_card(params: Params, name: str) -> None:
    """What the optimizer saw is what the preset says."""
    stage, card = params.stages[name], json.loads(Path(f"models/{name}/card.json").read_text())
    rates = {group["part"]: group["base_lr"] for group in card["settings"]["groups"]}
    assert rates == {"backbone": stage.lr_backbone, "neck": stage.lr, "head": stage.lr}
    assert card["settings"]["effective_batch"] == 4 * stage.mixture.clip_length
    assert card["settings"]["batchnorm"].startswith("frozen")
    assert card["settings"]["lr_by_epoch"] == pytest.approx([stage.lr, stage.lr / 10])
    assert card["handoff"]["share"] == 1.0


def _prepare(preset: Path) -> Params:
    """Write the shrunk preset with a small network, and its miniatures; check the one and download the others."""
    params = shrunk(read_preset(preset))
    params |= {"detector": {"family": "simple", "model": "simple-tiny"}, "weights": {"path": "scratch"}}
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    write_miniatures(params)
    check.main()
    for source in params["sources"]:
        download.main(source)
    return load_params()


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
