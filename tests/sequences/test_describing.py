"""stages/sequences/describing.py: frames are gone through once for all."""

from __future__ import annotations

import threading
from itertools import islice

import numpy as np
import pytest

from stages.sequences.describing import embed_all, share


class Frames:
    """Says how often each of so many frames was taken."""

    def __init__(self, count: int):
        self.count, self.taken = count, 0

    def __iter__(self):
        for number in range(self.count):
            self.taken += 1
            yield np.full((2, 2, 3), number, np.uint8)


def values(frames) -> list[int]:
    return [int(frame[0, 0, 0]) for frame in frames]


def fail(frames) -> None:
    next(iter(frames))
    raise ValueError("no such thing")


@pytest.mark.parametrize("consumers", [0, 1, 2, 5])
def test_all_see_all_frames_which_are_taken_once(consumers):
    frames = Frames(30 if consumers else 0)
    assert share(frames, [values] * consumers) == [list(range(30))] * consumers
    assert frames.taken == frames.count


def test_one_that_has_had_enough_does_not_stop_the_others():
    assert share(Frames(30), [lambda frames: values(islice(frames, 3)), values]) == [[0, 1, 2], list(range(30))]


@pytest.mark.parametrize("others", [[], [values], [values, fail]])
def test_an_error_is_raised_and_no_thread_stays(others):
    threads = threading.active_count()
    with pytest.raises(ValueError, match="no such thing"):
        share(Frames(100), [fail, *others])
    assert threading.active_count() == threads


def test_an_unreadable_frame():
    def frames():
        yield np.zeros((2, 2, 3), np.uint8)
        raise OSError("unreadable")

    with pytest.raises(OSError, match="unreadable"):
        share(frames(), [values, values])


def test_embeddings_stand_in_the_rows_of_their_boxes():
    class Embedder:
        dimension = 3

        def __call__(self, frame, boxes):
            return np.column_stack([boxes[:, 0], boxes[:, 3], np.full(len(boxes), frame[0, 0, 0])])

    boxes = np.array([[3, 10, 0, 0, 5, 1, 0], [1, 20, 0, 0, 6, 1, 0], [3, 30, 0, 0, 7, 1, 1]], float)
    found = embed_all(Embedder(), Frames(4), boxes)
    assert found.dtype == np.float16
    assert found.tolist() == [[10, 5, 2], [20, 6, 0], [30, 7, 2]]
    assert embed_all(Embedder(), Frames(4), np.empty((0, 7))).shape == (0, 3)
