"""Every command in README.md and docs/ is run by a test: here, where that is cheap, or by the test that is named."""

from __future__ import annotations

import ast
import inspect
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from importlib import import_module
from pathlib import Path

import pytest

from stages import errors
from tests.docs.pages import PAGES, blocks, commands
from tests.footage import ROOT
from tests.pipeline import environment

COMMANDS = sorted({command for page in PAGES for command in commands(page)})
PIPELINE, KILLS, PRESETS = "tests/test_pipeline.py", "tests/test_kills.py", "tests/presets/test_presets.py"
HERE = "tests/docs/test_commands.py"

# A command, as a pattern: the test that runs it, and words that this test has to hold.
RUN_BY: dict[str, tuple[str, tuple[str, ...]]] = {
    r"make repro|make test|source \.venv/bin/activate": (f"{HERE}::test_make_and_activate", ("make", "activate")),
    r"TORCH_BACKEND=cpu make repro": (f"{HERE}::test_another_build_of_torch", ("TORCH_BACKEND=cpu", "make")),
    r"dvc repro": (f"{PIPELINE}::test_second_repro_runs_nothing", ('dvc("repro")',)),
    r"dvc exp run -S stage2\.lr=1e-5": (
        f"{PIPELINE}::test_an_experiment_retrains_only_what_it_changes",
        ('"exp", "run", "-S", "stage2.lr=1e-5"',),
    ),
    r"dvc exp run --temp": (
        f"{KILLS}::test_experiments_go_on_from_the_main_repository",
        ('"exp", "run", "--temp"', '"exp", "run", "--queue"'),
    ),
    r"dvc metrics diff( main)?": (
        f"{PIPELINE}::test_an_experiment_retrains_only_what_it_changes",
        ('"metrics", "diff"', '"main"'),
    ),
    r"dvc plots show": (f"{PIPELINE}::test_plots_show_every_series", ('"plots", "show"',)),
    r"dvc push|dvc pull": (f"{PIPELINE}::test_push_clone_pull", ('dvc("push")', 'dvc("pull")')),
    r"dvc dag": ("tests/docs/test_dag.py::test_the_readme_draws_what_dvc_says", ("dvc_dag()",)),
    r"python -m tests\.docs\.dag": ("tests/docs/test_dag.py::test_the_command_writes_it", ("main(",)),
    r"dvc remote (modify|add) .*|export AWS_.*": (f"{HERE}::test_remotes", ("dvc remote", "_run(")),
    r"tensorboard --logdir runs": (f"{HERE}::test_tensorboard", ("tensorboard", "--logdir", "runs")),
    r"cp presets/street-to-air\.yaml params\.yaml": (
        f"{PRESETS}::test_it_passes_the_check_as_it_stands",
        ("copyfile", "params.yaml"),
    ),
    r"python -m stages\.compare main HEAD": (
        "tests/reporting/test_comparing.py::test_a_revision_and_the_workspace",
        ('main("', "PAGE"),
    ),
    r"python -m stages\.compare \w+/\w+ \w+/\w+": (
        "tests/test_compare.py::test_worse_tracks_are_worse_by_more_than_chance",
        ('main("good/bytetrack", "bad/bytetrack")',),
    ),
    r"python -m stages\.compare main:\w+/\w+ \w+/\w+": (
        "tests/test_compare.py::test_a_revision_is_read_from_dvcs_cache",
        ('main("HEAD:bad/bytetrack", "bad/bytetrack")',),
    ),
    r"python -m stages\.side_by_side \w+/\w+ \w+/\w+": (
        "tests/test_side_by_side.py::test_tracks_of_the_first_test_sequence",
        ('main("stage1/bytetrack", "stage1/ocsort")',),
    ),
    r"python -m stages\.explain( stage2)?": (
        "tests/test_explain.py::test_a_row_and_a_picture_of_each_mistake_and_the_same_bytes_twice",
        ("main(", "EXPLAIN"),
    ),
    r"python -m stages\.lineage models/stage2": (
        "tests/test_lineage.py::test_the_chain_is_printed",
        ('lineage.main("models/stage2")',),
    ),
    r"python -m stages\.export_model( models/stage2 --to onnx)?": (
        "tests/test_export_model.py::test_onnx_by_the_command",
        ('"stages.export_model", "models/coco", "--to", "onnx"',),
    ),
    r"python -m stages\.track_video( walk\.mp4 --checkpoint models/stage2 --tracker bytetrack)?": (
        "tests/test_track_video.py::test_video_and_text",
        ("walk.mp4", "walk.txt"),
    ),
    r"python -m stages\.inspect \w+": ("tests/test_inspect.py::test_a_clean_source", ("stages.inspect",)),
    r"python -m stages\.export motchallenge\|coco\|coco-video\|yolo\|jsonl SOURCE FOLDER": (
        "tests/test_export.py::test_the_command_writes_a_folder_at_once",
        ("stages.export", 'run("coco", "town"'),
    ),
    r"(REAL_DATA=folder )?python -m benchmarks\..*": (f"{HERE}::test_benchmarks_can_start", ("benchmarks",)),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_test_runs_it(command: str):
    found = [entry for pattern, entry in RUN_BY.items() if re.fullmatch(pattern, command)]
    assert len(found) == 1, f"{len(found)} entries of RUN_BY for: {command}"
    node, words = found[0]
    source = _source(node)
    assert [word for word in words if word not in source] == [], node


def _source(node: str) -> str:
    """The text of a test with the helpers and fixtures of its file that it names, or of a file of tests."""
    path, _, name = node.partition("::")
    text = (ROOT / path).read_text()
    if not name:
        return text
    functions = {
        each.name: ast.get_source_segment(text, each) or ""
        for each in ast.parse(text).body
        if isinstance(each, ast.FunctionDef)
    }
    assert name in functions, f"no test {node}"
    return "\n".join(
        [functions[name], *(functions[word] for word in set(re.findall(r"\w+", functions[name])) & set(functions))]
    )


def test_no_entry_is_left_over():
    unused = [pattern for pattern in RUN_BY if not any(re.fullmatch(pattern, command) for command in COMMANDS)]
    assert unused == []


WITH_ARGUMENTS = [command for command in COMMANDS if re.match(r"python -m stages\.\w+ [^|]+$", command)]


@pytest.mark.parametrize("command", WITH_ARGUMENTS)
def test_its_words_are_what_the_command_takes(command: str):
    _, _, module, *words = command.split()
    values, options = errors._arguments(import_module(module).main, words)
    assert [*values, *options.values()] == [word for word in words if not word.startswith("--")]


BENCHMARKS = sorted({command.split("python -m ")[1] for command in COMMANDS if "-m benchmarks." in command})


@pytest.mark.parametrize("words", BENCHMARKS)
def test_benchmarks_can_start(words: str):
    """They take minutes and print what docs/figures.md says; that they start with these words is seen without a run."""
    name, *arguments = words.split()
    text = (ROOT / f"{name.replace('.', '/')}.py").read_text()
    assert re.search(r'^if __name__ == "__main__":\n    (run_stage\(main\)|main\(\))$', text, re.MULTILINE)
    main = import_module(name).main  # benchmarks.NAME imports, and takes the words
    values, options = errors._arguments(main, arguments)
    inspect.signature(main).bind(*values, **options)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest project that `make` can set up, run and test: one stage and one test, in this environment.

    Its .venv links to this one, and is marked as ready: nothing is installed.
    """
    folder = tmp_path_factory.mktemp("small")
    for name in ("Makefile", "requirements.txt", "params.yaml", "pyproject.toml"):
        shutil.copyfile(ROOT / name, folder / name)
    (folder / "tests").mkdir()
    (folder / "tests/test_one.py").write_text("def test_one():\n    assert 1\n")
    (folder / "dvc.yaml").write_text("stages:\n  check:\n    cmd: python -m stages.check\n    outs: [data/params.ok]\n")
    (folder / ".venv").mkdir()
    for path in Path(sys.prefix).iterdir():
        if path.name != "ready":
            (folder / ".venv" / path.name).symlink_to(path)
    (folder / ".venv/ready").touch()
    _run(folder, "git init --quiet && dvc init --quiet")
    return folder


def _run(folder: Path, command: str) -> str:
    """Run a line as a shell does, with this project's stages; returns what it printed."""
    home = environment(folder.parent / "home", PYTHONPATH=str(ROOT))
    done = subprocess.run(["bash", "-ec", command], cwd=folder, env=home, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_make_and_activate(small: Path):
    assert "Running stage 'check'" in _run(small, "make repro")
    assert (small / "data/params.ok").read_text() == "params.yaml is valid\n"
    assert "1 passed" in _run(small, "make test")
    assert _run(small, "source .venv/bin/activate && command -v dvc").strip().endswith(".venv/bin/dvc")


def test_make_stops_at_a_key_that_is_wrong(small: Path):
    text = (small / "params.yaml").read_text()
    (small / "params.yaml").write_text(text.replace("seed: 0", "sede: 0"))
    try:
        kept = environment(small / "home", PYTHONPATH=str(ROOT))
        done = subprocess.run(["make", "repro"], cwd=small, env=kept, capture_output=True, text=True)
    finally:
        (small / "params.yaml").write_text(text)
    assert done.returncode == 2 and "sede: unknown key: did you mean `seed`?" in done.stderr


def test_another_build_of_torch(small: Path):
    printed = _run(small, "TORCH_BACKEND=cpu make --dry-run --always-make repro")
    assert "--torch-backend cpu -r requirements.txt" in printed
    assert "--torch-backend" not in _run(small, "make --dry-run --always-make repro")


def test_remotes(tmp_path: Path):
    """All lines about the remote, in their order, in a repository with this one's configuration."""
    _run(tmp_path, "git init --quiet && dvc init --quiet")
    shutil.copyfile(ROOT / ".dvc/config", tmp_path / ".dvc/config")
    lines = [command for command in commands(ROOT / "README.md") if re.match("dvc remote|export AWS", command)]
    console = [line for block in blocks(ROOT / "README.md", "console") for line in block.text.splitlines()]
    in_blocks = [line for line in lines if any(each.startswith(line) for each in console)]
    assert len(in_blocks) == 4 and len(lines) == 5
    shown = _run(tmp_path, "\n".join([*in_blocks, "cat .dvc/config", "env | grep ^AWS_"]))
    assert "s3://your-bucket/skyward" in shown and "endpointurl = https://s3.example.org" in shown
    assert "region = eu-central-1" in shown and "AWS_SECRET_ACCESS_KEY=..." in shown
    [other] = set(lines) - set(in_blocks)
    shown = _run(tmp_path, f"{other}; cat .dvc/config")
    assert "url = /some/folder" in shown and "endpointurl" not in shown


def test_tensorboard(tmp_path: Path):
    """It serves what the logger writes."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(tmp_path / "runs/stage1/tensorboard/1"))
    writer.add_event(_event(Summary))
    writer.close()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["tensorboard", "--logdir", "runs", "--port", str(port), "--load_fast", "false"]
    kept = environment(tmp_path / "home")
    server = subprocess.Popen(command, cwd=tmp_path, env=kept, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert b"stage1/tensorboard/1" in _served(f"http://127.0.0.1:{port}/data/runs", b"stage1")
    finally:
        server.terminate()
        server.wait(30)


def _event(summary: type) -> object:
    from tensorboard.compat.proto.event_pb2 import Event

    value = summary.Value(tag="train/loss", simple_value=1.0)
    return Event(step=1, wall_time=time.time(), summary=summary(value=[value]))


def _served(address: str, wanted: bytes) -> bytes:
    """What the address answers once ``wanted`` is in it, or after half a minute."""
    end, answer = time.monotonic() + 30, b""
    while wanted not in answer and time.monotonic() < end:
        time.sleep(0.3)
        try:
            answer = urllib.request.urlopen(address, timeout=5).read()
        except OSError:
            continue
    return answer
