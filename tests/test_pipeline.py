"""DVC as users use it: a whole run in a clone, then what people do with it. Tests share the clone, in this order."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from tests.pipeline import SMALL, Clone, clone_repository, environment
from tests.s3 import S3Server, credentials


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory, s3_remote: S3Server) -> Clone:
    """A clone in which the pipeline has run once; its remote is the S3 server's bucket `skyward`."""
    clone = clone_repository(tmp_path_factory.mktemp("pipeline") / "clone", **s3_remote.environment)
    clone.dvc("remote", "modify", "storage", "endpointurl", s3_remote.endpoint_url)
    clone.dvc("repro")
    clone.commit("Run")
    return clone


def outputs(clone: Clone) -> dict[str, str]:
    """The hash of every output in dvc.lock, but what runs cost and the page that tells it."""
    lock = yaml.safe_load((clone.folder / "dvc.lock").read_text())
    found = {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage["outs"]}
    return {path: md5 for path, md5 in found.items() if not path.startswith(("metrics/runs/", "plots/report"))}


def _ran(printed: str) -> set[str]:
    return {line.split("'")[1] for line in printed.splitlines() if line.startswith("Running stage")}


def test_everything_is_there(clone: Clone):
    names = [
        "metrics/curriculum.json",
        "models/stage2/model.safetensors",
        "plots/forgetting.png",
        "plots/matrix.png",
        "plots/report.html",
        "plots/report/timeline.png",
        "metrics/gates.json",
    ]
    for checkpoint in ("stage1", "stage2"):
        names += [f"plots/videos/{checkpoint}/{source}.mp4" for source in SMALL["sources"]]
        names += [f"plots/videos/{checkpoint}/{source}.diagnosis.mp4" for source in SMALL["sources"]]
        names += [f"plots/videos/{checkpoint}/worst.csv", f"plots/explain/{checkpoint}/explain.csv"]
    assert [name for name in names if not (clone.folder / name).is_file()] == []
    curriculum = json.loads((clone.folder / "metrics/curriculum.json").read_text())
    assert set(curriculum) == {"stage1", "stage2", "forgetting", "backward_transfer", "forward_transfer"}
    assert set(curriculum["stage2"]["street"]) == {"HOTA", "MOTA", "IDF1", "mAP"}


def test_status_is_clean_and_git_holds_no_data(clone: Clone):
    assert "up to date" in clone.dvc("status")
    assert clone.git("status", "--short") == ""
    tracked = clone.git("ls-files", "data", "models", "plots", "metrics").split()
    assert all(name.endswith((".gitignore", ".json")) for name in tracked)


def test_second_repro_runs_nothing(clone: Clone):
    assert "Running stage" not in clone.dvc("repro")


def test_a_typo_fails_before_any_work_though_all_was_up_to_date(clone: Clone):
    params = clone.params()
    params["stage2"]["lrr"] = 1.0e-4
    clone.write_params(params)
    printed = clone.dvc("repro", status=255)
    assert printed.count("Running stage") == 1
    assert "Running stage 'check'" in printed
    line = next(line for line in printed.splitlines() if line.startswith("error: "))
    assert "stage2.lrr: unknown key: did you mean `lr`?" in line
    clone.git("checkout", "--quiet", ".")
    assert "Running stage" not in clone.dvc("repro")


def test_a_third_stage_is_an_edit_of_params_alone(clone: Clone):
    params = clone.params()
    params["curriculum"]["stage3"] = {"after": "stage2"}
    params["stage3"] = params["stage1"] | {"lr": 1.0e-4}
    params["evaluation"]["checkpoints"] = [*params["evaluation"]["checkpoints"], "stage3"]
    clone.write_params(params)
    ran = _ran(clone.dvc("repro"))
    assert "finetune@stage3" in ran
    assert not ran & {"finetune@stage1", "finetune@stage2", "download@street", "detect@stage1"}
    card = json.loads((clone.folder / "models/stage3/card.json").read_text())
    parent = json.loads((clone.folder / "models/stage2/card.json").read_text())
    assert card["parent"] == {"name": "stage2", "sha256": parent["sha256"]}
    assert card["handoff"]["share"] == 1
    assert "stage3" in json.loads((clone.folder / "metrics/curriculum.json").read_text())
    clone.git("checkout", "--quiet", ".")
    clone.git("clean", "--quiet", "--force", "-d", "metrics")
    clone.dvc("checkout")


def test_a_trackers_options_run_no_network(clone: Clone):
    params = clone.params()
    params["trackers"]["bytetrack"]["match_thresh"] = 0.7
    clone.write_params(params)
    again = {f"{stage}@{name}-bytetrack" for stage in ("track", "score") for name in ("stage1", "stage2")}
    again |= {f"{stage}@{name}" for stage in ("draw_videos", "explain") for name in ("stage1", "stage2")}
    assert _ran(clone.dvc("repro")) - {"gate"} == {"check", "plot", "report"} | again
    params["trackers"]["bot"] = {"type": "botsort"}  # which asks how the camera moves, in all test sequences
    clone.write_params(params)
    ran = _ran(clone.dvc("repro", "track"))
    assert {"features@stage1", "features@stage2", "track@stage2-bot"} <= ran
    assert not {name for name in ran if name.startswith(("detect@", "finetune@", "reid"))}
    for checkpoint in ("stage1", "stage2"):
        shutil.rmtree(clone.folder / "data/tracks" / checkpoint / "bot")
    clone.git("checkout", "--quiet", ".")
    clone.dvc("checkout")


def test_without_trackers_detection_alone_is_scored_and_told(clone: Clone):
    params = clone.params() | {"trackers": {}, "gates": {}}
    clone.write_params(params)
    ran = _ran(clone.dvc("repro"))
    assert {"plot", "report", "draw_videos@stage1", "explain@stage2"} <= ran
    assert not {name for name in ran if name.startswith(("detect@", "track@", "finetune@"))}
    assert "params.yaml names no tracker" in (clone.folder / "plots/report.html").read_text()
    scores = json.loads((clone.folder / "metrics/curriculum.json").read_text())["stage2"]["street"]
    assert scores["HOTA"] is None and scores["mAP"] is not None
    clone.git("checkout", "--quiet", ".")
    clone.dvc("checkout")


def test_a_gate_that_is_not_kept_fails_the_run_last(clone: Clone):
    params = clone.params()
    params["gates"] = {"air": {"min_HOTA": 1.0, "fail": True}}
    clone.write_params(params)
    printed = clone.dvc("repro", status=255)
    assert _ran(printed) == {"check", "report", "gate"}
    assert "gates.air.min_HOTA: the gate is not kept (" in printed
    clone.git("checkout", "--quiet", ".")
    clone.dvc("checkout")


def test_an_experiment_retrains_only_what_it_changes(clone: Clone):
    clone.git("checkout", "--quiet", "-b", "slower")
    printed = clone.dvc("exp", "run", "-S", "stage2.lr=1e-5")
    assert "Running stage 'finetune@stage2'" in printed
    assert "Running stage 'finetune@stage1'" not in printed
    card = json.loads((clone.folder / "models/stage2/card.json").read_text())
    assert {group["base_lr"] for group in card["settings"]["groups"]} == {1e-5}
    clone.commit("Learn slower")
    shown = clone.dvc("metrics", "diff", "--all", "main").strip().splitlines()  # also what did not change
    assert any("stage2.street.HOTA" in line for line in shown)
    assert len(shown) <= 40
    [name] = clone.dvc("exp", "list", "--all-commits", "--name-only").split()
    clone.run("python", "-m", "stages.compare", "main", name)
    page = (clone.folder / "plots/compare.html").read_text()
    assert f'<p class="label">{name}</p>' in page and "stage2.lr" in page and "stage1.lr</td>" not in page
    clone.git("checkout", "--quiet", "main")
    clone.dvc("checkout")


def test_plots_show_every_series(clone: Clone):
    clone.dvc("plots", "show", "--out", "shown")
    page = next((clone.folder / "shown").glob("*.html")).read_text()
    titles = ("Training loss", "Learning rate", "HOTA over", "Detection against", "HOTA gained", "What mistakes come")
    for needle in (*titles, "What the mixtures hold", '"stage": "stage2"', '"checkpoint": "stage1"', "hota.png"):
        assert needle in page
    shutil.rmtree(clone.folder / "shown")


def test_a_second_run_gives_the_same_bytes(clone: Clone, tmp_path: Path):
    again = clone_repository(tmp_path / "again")
    again.dvc("repro", "gate", "explore")  # which stand on everything else
    assert outputs(again) == outputs(clone)


def test_push_clone_pull(clone: Clone, tmp_path: Path, s3_remote: S3Server):
    clone.dvc("push")
    other = Clone(tmp_path / "other", environment(tmp_path / "home", **s3_remote.environment))
    clone.git("clone", "--quiet", str(clone.folder), str(other.folder))
    other.dvc("pull")
    for name in ("models/stage2/model.safetensors", "metrics/curriculum.json", "data/sources/air/index.csv"):
        assert (other.folder / name).read_bytes() == (clone.folder / name).read_bytes()
    assert "up to date" in other.dvc("status")


def test_a_wrong_key_is_one_clear_error_and_leaves_nothing(clone: Clone, tmp_path: Path):
    wrong = environment(tmp_path / "home", **credentials("skyward-tests", "not-the-key"))
    other = Clone(tmp_path / "other", wrong)
    clone.git("clone", "--quiet", str(clone.folder), str(other.folder))
    printed = other.dvc("pull", status=1)
    cause, consequence = [line for line in printed.splitlines() if line.startswith("ERROR")]
    assert "failed to connect to s3" in cause and "Forbidden" in cause
    assert "failed to pull" in consequence
    assert "not-the-key" not in printed
    held = [path for top in ("data", "models") for path in (other.folder / top).rglob("*") if path.is_file()]
    assert all(path.name == ".gitignore" for path in held)


def test_no_secret_in_git_or_lock(clone: Clone, s3_remote: S3Server):
    secret = s3_remote.environment["AWS_SECRET_ACCESS_KEY"]
    held = [path for path in clone.git("ls-files").split() if path != "tests/s3.py"]  # where the secret is made
    assert [path for path in held if secret in (clone.folder / path).read_text(errors="ignore")] == []
