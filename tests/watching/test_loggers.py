from __future__ import annotations

import csv
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from stages.errors import InputError
from stages.params.model import Logging
from stages.watching import Step, Watchers, make_loggers
from stages.watching.metric_logger import flattened, texts
from tests.mlflow_server import MlflowServer

SETTINGS = {
    "epochs": 2,
    "lr": 0.001,
    "memory": {"batch": 8, "budget_gb": None},
    "freeze": ["backbone"],
    "compile": False,
    "note": "x" * 7000,
}
RESULT = {"select": "best", "metric": "mAP", "epoch": 2, "score": 0.4375}
EVERYTHING = Logging(tensorboard=True, dvclive=True, mlflow="runs/mlflow")


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of its own, and an environment that a logger may change."""
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_DISABLE_TELEMETRY", "MLFLOW_ALLOW_FILE_STORE", "DO_NOT_TRACK", "DVC_STUDIO_OFFLINE"):
        monkeypatch.setenv(name, "false")
    for name in ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_TIMEOUT", "DVC_NO_ANALYTICS"):
        monkeypatch.setenv(name, "0" if name.endswith("RETRIES") else "5")


def step_of(number: int) -> Step:
    losses = {"loss": 3.0 / number, "loss_box": 1.0 / number}
    return Step((number + 1) // 2, 2, number, 4, losses, {"backbone": 1e-4, "head": 1e-3}, 60.5, 812.25, 0.25, 4.5, 9.0)


def _train(logging: Logging, first: int = 1, last: int = 4, ends: bool = True) -> None:
    """Two epochs of two steps, or a part of them."""
    watchers = Watchers(make_loggers(logging))
    watchers.begin("stage1", SETTINGS, first - 1)
    for number in range(first, last + 1):
        watchers.step(step_of(number))
        if number % 2 == 0:
            row = {"epoch": number // 2, "lr": 1e-3, "loss": 3.0 / number}
            watchers.epoch(row | ({"mAP": 0.4375} if number == 4 else {"mAP": None}))
        watchers.flush()
    if ends:
        watchers.end(Path("models/stage1"), RESULT)


def _expected() -> dict[str, list[tuple[int, float]]]:
    steps = range(1, 5)
    return {
        "train/loss": [(n, 3.0 / n) for n in steps],
        "train/loss_box": [(n, 1.0 / n) for n in steps],
        "train/epoch": [(1, 1), (2, 1), (3, 2), (4, 2)],
        "lr/backbone": [(n, 1e-4) for n in steps],
        "lr/head": [(n, 1e-3) for n in steps],
        "speed/images_per_second": [(n, 60.5) for n in steps],
        "speed/memory_mb": [(n, 812.25) for n in steps],
        "speed/waited": [(n, 0.25) for n in steps],
        "epoch/lr": [(2, 1e-3), (4, 1e-3)],
        "epoch/loss": [(2, 1.5), (4, 0.75)],
        "epoch/mAP": [(4, 0.4375)],
        "result/epoch": [(4, 2)],
        "result/score": [(4, 0.4375)],
    }


def _of_tensorboard(folder: str) -> tuple[dict[str, list[tuple[int, float]]], dict[str, str], dict]:
    """Scalars, texts and hyperparameters in the event files of one run."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    events = EventAccumulator(folder).Reload()
    scalars = {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    texts = {
        tag.removesuffix("/text_summary"): events.Tensors(tag)[-1].tensor_proto.string_val[0].decode()
        for tag in events.Tags()["tensors"]
        if tag.endswith("/text_summary")
    }
    try:
        told = events.PluginTagToContent("hparams")["_hparams_/session_start_info"]
    except KeyError:  # the run has not ended
        return scalars, texts, {}
    start = HParamsPluginData.FromString(told).session_start_info
    return scalars, texts, {k: getattr(v, v.WhichOneof("kind")) for k, v in start.hparams.items()}


def _of_dvclive(folder: str) -> dict[str, list[tuple[int, float]]]:
    found = {}
    for path in sorted(Path(folder, "plots/metrics").rglob("*.tsv")):
        name = path.relative_to(Path(folder, "plots/metrics")).with_suffix("").as_posix()
        with path.open() as file:
            found[name] = [(int(r["step"]), float(r[path.stem])) for r in csv.DictReader(file, delimiter="\t")]
    return found


def _of_mlflow(store: str) -> tuple:
    """The only run of stage1: itself, and its metrics."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=str(Path(store).absolute()))
    (run,) = client.search_runs([client.get_experiment_by_name("stage1").experiment_id])
    histories = {name: client.get_metric_history(run.info.run_id, name) for name in run.data.metrics}
    return run, {name: [(m.step, m.value) for m in history] for name, history in histories.items()}


def _same(found: dict, expected: dict) -> bool:
    assert found.keys() == expected.keys()
    return all(found[name] == [(n, pytest.approx(value)) for n, value in expected[name]] for name in expected)


def test_every_logger_has_params_numbers_and_the_checkpoint():
    _train(EVERYTHING)
    scalars, texts, hyperparameters = _of_tensorboard("runs/stage1/tensorboard/1")
    assert _same(scalars, _expected())
    assert texts["checkpoint"] == "models/stage1" and "| memory.batch | 8 |" in texts["settings"]
    assert hyperparameters["lr"] == 0.001 and hyperparameters["freeze"] == '["backbone"]'

    assert _same(_of_dvclive("runs/stage1/dvclive"), _expected())
    settings = yaml.safe_load(Path("runs/stage1/dvclive/params.yaml").read_text())
    assert settings["checkpoint"] == "models/stage1" and settings["memory.batch"] == 8 and settings["compile"] is False
    summary = json.loads(Path("runs/stage1/dvclive/metrics.json").read_text())
    assert summary["step"] == 4 and summary["result"]["score"] == 0.4375 and summary["train"]["loss"] == 0.75

    run, metrics = _of_mlflow("runs/mlflow")
    assert _same(metrics, _expected())
    assert run.data.tags["checkpoint"] == "models/stage1" and run.data.tags["result.select"] == "best"
    assert run.info.status == "FINISHED" and run.data.params["lr"] == "0.001"
    assert run.data.params["memory.budget_gb"] == "none" and run.data.params["note"] == "x" * 6000
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == os.environ["DVC_STUDIO_OFFLINE"] == "true"


def test_a_resumed_run_goes_on_in_the_same_place():
    _train(EVERYTHING, last=4, ends=False)
    _train(EVERYTHING, first=3)  # what was saved was step 2
    assert sorted(path.name for path in Path("runs/stage1/tensorboard").iterdir()) == ["1"]
    assert _same(_of_tensorboard("runs/stage1/tensorboard/1")[0], _expected())
    assert _same(_of_dvclive("runs/stage1/dvclive"), _expected())
    run, metrics = _of_mlflow("runs/mlflow")
    assert run.info.status == "FINISHED"
    assert sorted(metrics["train/loss"]) == [(1, 3.0), (2, 1.5), *2 * [(3, 1.0)], *2 * [(4, 0.75)]]


def _steps_of_the_only_run() -> dict[str, list[int]]:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=str(Path("runs/mlflow").absolute()))
    runs = client.search_runs([client.get_experiment_by_name("stage1").experiment_id])
    [run] = [run.info.run_id for run in runs]
    return {name: [m.step for m in client.get_metric_history(run, name)] for name in ("train/loss", "epoch/loss")}


@pytest.mark.parametrize("how", ["all", "the run", "as MLflow does"])
def test_a_run_that_was_deleted_begins_anew(how: str):
    """Ours to keep is its number alone, beside the store."""
    from mlflow import MlflowClient

    logging = Logging(mlflow="runs/mlflow")
    _train(logging, last=2, ends=False)
    before = json.loads(Path("runs/stage1/mlflow.json").read_text())["run"]
    if how == "all":
        shutil.rmtree("runs/mlflow")
    elif how == "the run":
        [folder] = Path("runs/mlflow").glob(f"*/{before}")
        shutil.rmtree(folder)
    else:
        MlflowClient(tracking_uri=str(Path("runs/mlflow").absolute())).delete_run(before)
    _train(logging, first=3)
    assert _steps_of_the_only_run() == {"train/loss": [3, 4], "epoch/loss": [4]}
    assert json.loads(Path("runs/stage1/mlflow.json").read_text())["run"] != before


def test_a_server_that_knows_no_such_run_gets_a_new_one():
    with MlflowServer() as server:
        logging = Logging(mlflow=server.address)
        _train(logging, last=2, ends=False)
        server.lost = "r1"
        _train(logging, first=3)
        assert server.created == 2 and server.status == "FINISHED"
        server.away = True
        with pytest.raises(InputError, match=r"cannot log there .*: start the server, correct the address"):
            _train(logging, first=3)


def test_loggers_that_are_switched_on_in_mid_run_begin_there():
    _train(EVERYTHING, first=3)
    late = {name: [pair for pair in pairs if pair[0] > 2] for name, pairs in _expected().items()}
    assert _same(_of_tensorboard("runs/stage1/tensorboard/1")[0], late)
    assert _same(_of_dvclive("runs/stage1/dvclive"), late)
    assert _same(_of_mlflow("runs/mlflow")[1], late)


def test_a_fresh_run_is_a_new_one_and_one_that_stops_has_failed():
    _train(EVERYTHING)
    loggers = Watchers(make_loggers(EVERYTHING))
    loggers.begin("stage1", SETTINGS)
    loggers.step(step_of(1))
    loggers.end(None, {})
    assert [_of_tensorboard(f"runs/stage1/tensorboard/{n}")[0]["train/loss"][-1][0] for n in (1, 2)] == [4, 1]
    assert _of_dvclive("runs/stage1/dvclive")["train/loss"] == [(1, 3.0)]
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=str(Path("runs/mlflow").absolute()))
    runs = client.search_runs([client.get_experiment_by_name("stage1").experiment_id])
    assert sorted(run.info.status for run in runs) == ["FAILED", "FINISHED"]


def test_what_never_began_ends_without_a_word():
    Watchers(make_loggers(EVERYTHING)).end(None, {})
    assert not Path("runs").exists()


def test_nothing_is_imported_or_written_when_all_is_off():
    program = (
        "import sys; from stages.watching import make_loggers; from stages.params.model import Logging;"
        "assert make_loggers(Logging()) == [];"
        "heavy = {'mlflow', 'dvclive', 'tensorboard', 'torch', 'accelerate', 'tqdm', 'pandas'} & set(sys.modules);"
        "sys.exit(', '.join(heavy) or None)"
    )
    root = Path(__file__).resolve().parent.parent.parent
    done = subprocess.run([sys.executable, "-c", program], env=os.environ | {"PYTHONPATH": str(root)}, stderr=-1)
    assert (done.returncode, done.stderr) == (0, b"") and not list(Path().iterdir())


@pytest.mark.parametrize(
    ("logging", "module", "line"),
    [
        ({"tensorboard": True}, "torch.utils.tensorboard", r"logging\.tensorboard: the package tensorboard cannot"),
        ({"dvclive": True}, "dvclive", r"logging\.dvclive: the package dvclive cannot"),
        ({"mlflow": "runs/mlflow"}, "mlflow", r"logging\.mlflow: the package mlflow-skinny cannot"),
    ],
)
def test_a_missing_package_is_one_line(logging: dict, module: str, line: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=rf"^params\.yaml: {line} be imported \(.*\): install .*off$") as caught:
        Watchers(make_loggers(Logging(**logging))).begin("stage1", SETTINGS)
    assert "\n" not in str(caught.value)


def test_an_unreachable_server_is_one_line():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://me:pass@127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(InputError) as caught:
        Watchers(make_loggers(Logging(mlflow=address))).begin("stage1", SETTINGS)
    line = str(caught.value)
    assert line.startswith("params.yaml: logging.mlflow: http://127.0.0.1:") and "cannot log there" in line
    assert "\n" not in line and "pass" not in line and len(line) < 400


@pytest.mark.parametrize(
    ("logging", "line"),
    [
        ({"tensorboard": True, "folder": "file"}, r"logging\.folder: file is no folder: name another"),
        ({"dvclive": True, "folder": "file/runs"}, r"logging\.folder: file/runs is no folder: name another"),
        ({"mlflow": "file"}, r"logging\.mlflow: .*/file: cannot log there \(.*Not a directory"),
        ({"mlflow": "sqlite:///file"}, r"logging\.mlflow: sqlite:///file: cannot log there"),
    ],
)
def test_a_place_that_cannot_be_written_to_is_one_line(logging: dict, line: str):
    Path("file").touch()
    with pytest.raises(InputError, match=rf"^params\.yaml: {line}") as caught:
        Watchers(make_loggers(Logging(**logging))).begin("stage1", SETTINGS)
    assert "\n" not in str(caught.value)


def test_a_server_gets_numbers_together_and_may_be_away_for_a_while(capfd: pytest.CaptureFixture):
    with MlflowServer() as server:
        watchers = Watchers(make_loggers(Logging(mlflow=server.address)))
        watchers.begin("stage1", SETTINGS)
        assert server.params["memory.batch"] == "8" and server.experiment == "stage1"
        for number in (1, 2):
            watchers.step(step_of(number))
            watchers.flush()
        assert server.numbers == [] and server.batches == 1  # the settings
        server.away = True
        watchers.epoch({"epoch": 1, "loss": 1.5})
        watchers.flush()
        told = capfd.readouterr().err
        assert told.count("\n") == 1 and "17 numbers wait for the next epoch" in told
        server.away = False
        watchers.step(step_of(3))
        watchers.epoch({"epoch": 2, "loss": 1.0})
        assert server.batches == 2
        assert [(step, v) for name, step, v in server.numbers if name == "train/loss"] == [(1, 3.0), (2, 1.5), (3, 1.0)]
        assert [(step, v) for name, step, v in server.numbers if name == "epoch/loss"] == [(2, 1.5), (3, 1.0)]
        watchers.end(Path("models/stage1"), RESULT)
    assert server.tags["checkpoint"] == "models/stage1" and server.status == "FINISHED"
    assert json.loads(Path("runs/stage1/mlflow.json").read_text()) == {"store": server.address, "run": "r1"}


def test_in_an_experiment_nothing_is_added_to_git_and_files_go_to_the_main_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    main, copy = tmp_path / "main", tmp_path / "copy"
    for folder in (main, copy):
        folder.mkdir()
        git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run([*git, "init", "-q"], check=True)
        (folder / ".dvc").mkdir()
        (folder / ".dvc/config").write_text("[core]\n    analytics = false\n")
        (folder / ".dvc/.gitignore").write_text("/config.local\n/tmp\n/cache\n")
        (folder / "dvc.yaml").write_text("stages: {}\n")
        subprocess.run([*git, "add", "dvc.yaml", ".dvc"], check=True)
        subprocess.run([*git, "commit", "-qm", "begin"], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    monkeypatch.setenv("DVC_ROOT", str(main))
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", head)
    monkeypatch.setenv("DVC_EXP_NAME", "brave-run")
    monkeypatch.chdir(copy)
    _train(EVERYTHING)
    assert sorted(path.name for path in (main / "runs").iterdir()) == ["mlflow", "stage1"]
    assert _same(_of_dvclive(str(main / "runs/stage1/dvclive")), _expected())
    assert _of_mlflow(str(main / "runs/mlflow"))[0].info.run_name == "brave-run"
    for folder, changed in ((main, "?? runs/\n"), (copy, "")):
        status = subprocess.run(["git", "-C", str(folder), "status", "--porcelain"], capture_output=True, text=True)
        assert status.stdout == changed
        assert (folder / "dvc.yaml").read_text() == "stages: {}\n" and not list(folder.rglob("*.dvc/"))[1:]


def test_nested_settings_get_dotted_names():
    nested = {"a": {"b": {"c": 1}, "d": None}, "e": [{"f": 2}, 3], "g": (0.5, 1), "h": True, "i": Path("x/y")}
    assert flattened(nested) == {
        "a.b.c": 1,
        "a.d": "none",
        "e": '[{"f": 2}, 3]',
        "g": "[0.5, 1]",
        "h": True,
        "i": "x/y",
    }
    assert texts({"A": "Mixed Case"}, "s") == {"s.A": "Mixed Case"}
