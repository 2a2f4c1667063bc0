from __future__ import annotations

import fcntl
import io
import os
import pty
import struct
import termios
import threading
from pathlib import Path

import pytest

from stages.watching import Bar, Step, Watcher, Watchers


def step_of(number: int, losses: dict[str, float] | None = None, rates: dict[str, float] | None = None) -> Step:
    """Step ``number`` of 20 in two epochs."""
    return Step(
        epoch=(number - 1) // 10 + 1,
        epochs=2,
        step=number,
        steps=20,
        losses=losses or {"loss": 3.5, "loss_box": 1.25, "loss_cls": 2.25},
        rates=rates or {"backbone": 1e-4, "neck": 1e-3, "head": 1e-3},
        images_per_second=61.27,
        memory_mb=812.4,
        waited=0.0213,
        seconds=61.0,
        seconds_left=3723.4,
    )


class Clock:
    """A clock that is set by hand."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_without_a_terminal_a_line_an_epoch_and_one_every_30_seconds():
    stream, clock = io.StringIO(), Clock()
    bar = Bar(stream, clock)
    bar.begin("stage1", {})
    for number in range(1, 21):
        clock.now += 7
        bar.step(step_of(number))
        if number % 10 == 0:
            bar.epoch({"epoch": number // 10, "lr": 0.001, "loss": 3.25, "mAP": 0.4375 if number == 20 else None})
    bar.note("stage1: out of memory: goes on with batch 4")
    bar.end(Path("models/stage1"), {})
    line = "stage1: epoch {}/2, step {}/20, loss 3.5, (box 1.25, cls 2.25), lr 0.0001/0.001, 61.3 img/s, 812 MB, "
    line += "1:02:03 left"
    assert stream.getvalue().splitlines() == [
        line.format(1, 5),  # 35 s after the beginning
        line.format(1, 10),
        "stage1: epoch 1/2: lr 0.001, loss 3.25",
        line.format(2, 15),  # 35 s after the epoch's line
        line.format(2, 20),
        "stage1: epoch 2/2: lr 0.001, loss 3.25, mAP 0.4375",
        "stage1: out of memory: goes on with batch 4",
        "stage1: models/stage1",
    ]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _pictures(stream: io.StringIO) -> list[str]:
    return [text.strip() for text in stream.getvalue().replace("\n", "\r").split("\r") if text.strip()]


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        (140, "stage1  epoch 1/2  step 5/20  loss 3.5  (box 1.25, cls 2.25)  lr 0.0001/0.001  61.3 img/s  812 MB"),
        (99, "stage1  epoch 1/2  step 5/20  loss 3.5  lr 0.0001/0.001  61.3 img/s"),
        (98, "epoch 1/2  step 5/20  loss 3.5  lr 0.0001/0.001  61.3 img/s"),
        (82, "epoch 1/2  step 5/20  loss 3.5  lr 0.0001/0.001"),
        (78, "epoch 1/2  step 5/20  loss 3.5"),
        (50, "step 5/20  loss 3.5"),
    ],
)
def test_a_bar_shows_what_the_terminal_has_room_for(columns: int, shown: str):
    stream, clock = Terminal(), Clock()
    bar = Bar(stream, clock, columns)
    bar.begin("stage1", {}, done=4)  # resumed
    bar.step(step_of(5))
    pictures = _pictures(stream)
    bar.end(None, {})
    assert pictures[-1] == f"25%|##5       | {shown}  1:02:03 left"  # which is 5 of 20
    assert max(map(len, pictures)) <= columns


def test_a_bar_is_redrawn_ten_times_a_second_and_at_the_end():
    stream, clock = Terminal(), Clock()
    bar = Bar(stream, clock, 140)
    bar.begin("stage1", {})
    for number in range(1, 21):
        clock.now += 0.03
        bar.step(step_of(number))
    bar.end(None, {})
    steps = [text.split("step ")[1].split("/")[0] for text in _pictures(stream) if "step " in text]
    assert steps == ["1", "5", "9", "13", "17", "20"]  # 0.12 s are four steps


def test_lines_stand_above_the_bar_on_a_real_terminal():
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 90, 0, 0))
    seen: list[bytes] = []
    reader = threading.Thread(target=_read_all, args=(ours, seen))
    reader.start()
    with os.fdopen(theirs, "w") as stream:
        bar = Bar(stream)
        bar.begin("stage1", {})
        bar.step(step_of(1))
        bar.note("stage1: out of memory: goes on with batch 4")
        bar.step(step_of(20))
        bar.epoch({"epoch": 2, "loss": 3.25})
        bar.end(Path("models/stage1"), {})
    reader.join()
    os.close(ours)
    # What is left on a screen: behind the last carriage return of every line.
    screen = [line.split("\r")[-1].rstrip() for line in b"".join(seen).decode().replace("\r\n", "\n").split("\n")]
    assert screen == [
        "stage1: out of memory: goes on with batch 4",
        "stage1: epoch 2/2: loss 3.25",
        "stage1: models/stage1",
        "",
    ]
    assert "step 20/20" in b"".join(seen).decode()


def _read_all(descriptor: int, seen: list[bytes]) -> None:
    try:
        while data := os.read(descriptor, 65536):
            seen.append(data)
    except OSError:  # how a terminal's end shows
        pass


def test_watchers_tell_all_in_their_order():
    told: list[tuple] = []

    class Recorder(Watcher):
        def __init__(self, name: str):
            self.name = name

        def __getattribute__(self, what: str):
            if what in ("begin", "step", "epoch", "note", "flush", "end"):
                return lambda *args: told.append((self.name, what, *args))
            return super().__getattribute__(what)

    watchers, one = Watchers([Recorder("a"), Recorder("b")]), step_of(1)
    calls = [("begin", "stage1", {"lr": 1}, 3), ("step", one), ("epoch", {"epoch": 1}), ("note", "x"), ("flush",)]
    calls.append(("end", None, {}))
    for what, *args in calls:
        getattr(watchers, what)(*args)
    assert told == [(name, *call) for call in calls for name in "ab"]
