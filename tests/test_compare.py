"""`python -m stages.compare A B`: differences over the same sequences, from the workspace and from git revisions."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from dvc.repo import Repo
from tracking_results import results_of

from stages.compare import main, read_run
from stages.errors import InputError
from stages.scoring.parts import write_parts

SCORES = Path("plots/scores")


@pytest.fixture
def runs(tmp_path, monkeypatch) -> Path:
    """`good` and `bad` tracks of the same six sequences, and post-processed ones of `bad` as good as `good`."""
    monkeypatch.chdir(tmp_path)
    good, bad = results_of(range(6)), results_of(range(6), noise=8)
    write_parts(SCORES / "good/bytetrack/parts.csv", {"street": good, "air": dict(list(good.items())[:3])})
    write_parts(SCORES / "bad/bytetrack/parts.csv", {"street": bad, "street.post": good})
    return tmp_path


def test_worse_tracks_are_worse_by_more_than_chance(runs, capsys):
    main("good/bytetrack", "bad/bytetrack")
    title, street, *lines = capsys.readouterr().out.splitlines()
    assert title == "good/bytetrack -> bad/bytetrack, all classes pooled: difference and its 95 % interval"
    assert street == "street, 6 sequences"
    assert [line.split()[0] for line in lines] == ["HOTA", "MOTA", "IDF1"]
    assert all(line.endswith("worse, by more than chance") for line in lines)
    first, _, second, difference = lines[0].split()[1:5]
    assert float(second) - float(first) == pytest.approx(float(difference), abs=2e-4)


def test_the_other_way_round_is_better_and_the_same_is_neither(runs, capsys):
    main("bad/bytetrack", "good/bytetrack")
    assert capsys.readouterr().out.count("better, by more than chance") == 3
    main("good/bytetrack", "bad/bytetrack.post")
    assert capsys.readouterr().out.count("no difference") == 3
    main("bad/bytetrack", "bad/bytetrack.post", label="car")
    assert "car" in capsys.readouterr().out.splitlines()[0]


def test_a_source_with_few_sequences_has_no_interval(runs, capsys):
    main("good/bytetrack", "good/bytetrack")
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "air, 3 sequences",
        "  no interval: fewer than 5 sequences have ground truth",
    ]


def other_sequences():
    write_parts(SCORES / "bad/bytetrack/parts.csv", {"street": results_of([0, 1, 2, 3, 4, 6])})
    return "good/bytetrack, bad/bytetrack: street: scored over other sequences (s5, s6): "


def other_truth():
    path = SCORES / "bad/bytetrack/parts.csv"
    lines = path.read_text().splitlines()
    fields = lines[1].split(",")
    fields[-6] = str(int(fields[-6]) + 1)  # CLR_FN
    path.write_text("\n".join([lines[0], ",".join(fields), *lines[2:]]))
    return "good/bytetrack, bad/bytetrack: street: scored against other ground truth: "


def too_few():
    for name in ("good", "bad"):
        write_parts(SCORES / name / "bytetrack/parts.csv", {"street": results_of(range(4))})
    return "good/bytetrack, bad/bytetrack: no source has 5 test sequences with ground truth"


def nothing_in_common():
    write_parts(SCORES / "bad/bytetrack/parts.csv", {"sky": results_of(range(6))})
    return "bad/bytetrack: no source in common with good/bytetrack: "


def lost():
    (SCORES / "bad/bytetrack/parts.csv").unlink()
    return "plots/scores/bad/bytetrack/parts.csv: no such scores: "


@pytest.mark.parametrize("harm", [other_sequences, other_truth, too_few, nothing_in_common, lost])
def test_what_cannot_be_compared(runs, harm):
    expected = harm()
    with pytest.raises(InputError) as caught:
        main("good/bytetrack", "bad/bytetrack")
    assert str(caught.value).startswith(expected)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("good", "good: not a run: "),
        ("good/", "good/: not a run: "),
        ("good/bytetrack/street", "good/bytetrack/street: not a run: "),
        ("good/bytetrack.post", r"good/bytetrack\.post: plots/scores/good/bytetrack/parts\.csv has no such tracks"),
        ("none:good/bytetrack", r"none:plots/scores/good/bytetrack/parts\.csv: cannot be read \("),
    ],
)
def test_names_that_are_no_runs(runs, name, what):
    with pytest.raises(InputError, match=f"^{what}"):
        read_run(name)


def test_no_such_class(runs):
    with pytest.raises(InputError, match="--label bus: no such class in good/bytetrack: street has person, car"):
        main("good/bytetrack", "bad/bytetrack", label="bus")


def test_a_revision_is_read_from_dvcs_cache(runs, capsys):
    git = ["git", "-c", "user.name=n", "-c", "user.email=n@localhost"]
    subprocess.run([*git, "init", "-q"], check=True)
    with Repo.init() as repo:
        repo.add("plots/scores/bad/bytetrack")
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", "bad", "--no-verify"], check=True)
    write_parts(SCORES / "bad/bytetrack/parts.csv", {"street": results_of(range(6), noise=1)})
    main("HEAD:bad/bytetrack", "bad/bytetrack")
    assert capsys.readouterr().out.count("better, by more than chance") == 3
    with pytest.raises(InputError, match=r"HEAD:plots/scores/other/bytetrack/parts\.csv: cannot be read"):
        read_run("HEAD:other/bytetrack")
