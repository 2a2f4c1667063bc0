"""A Ray cluster of two nodes on this machine: the bytes of local processes, on both nodes, and killed workers."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fanout_jobs as jobs
import numpy as np
import pytest
import torch
from stored_project import write_project

from stages.detectors import build
from stages.detectors.base import Architecture
from stages.detectors.card import Card
from stages.detectors.checkpoint import save_checkpoint
from stages.detectors.recording import Detecting, pieces
from stages.errors import InputError
from stages.fanout import Engine, fan_out
from stages.fanout.cluster import QUIET, room_on
from stages.params import load_params
from stages.sequences.index import open_sequence
from stages.tracking.stored import Tracking


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address, of nodes that say they have a GPU each, which nothing uses.

    Ray takes 127.0.0.1 for the machine's own address, so it cannot be kept to loopback.
    """
    os.environ.update(QUIET)
    from ray.cluster_utils import Cluster

    logging.getLogger("ray").setLevel(logging.CRITICAL)
    nodes = Cluster()
    try:
        for _ in range(2):
            nodes.add_node(
                num_cpus=1,
                num_gpus=1,
                object_store_memory=80_000_000,
                include_dashboard=False,
                include_log_monitor=False,
            )
        yield nodes.address
    finally:
        nodes.shutdown()


@dataclass
class Both:
    """Detects and tracks, so that a worker has to start only once; tells on which node."""

    detecting: Detecting
    tracking: Tracking

    def __call__(self, job: tuple[str, Any]) -> tuple[np.ndarray, str]:
        kind, what = job
        found = self.detecting(what) if kind == "detect" else self.tracking(what)[0]
        return found, os.environ.get("RAY_NODE_ID") or _node()


def _node() -> str:
    import ray

    return ray.get_runtime_context().get_node_id() if ray.is_initialized() else "here"


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """With a checkpoint of random weights, which finds something everywhere."""
    monkeypatch.chdir(tmp_path)
    write_project(evaluation={"detection": {"min_score": 0.001, "nms_iou": 0.5, "max_objects": 20, "batch": 8}})
    torch.manual_seed(0)
    architecture = Architecture("simple", "simple-tiny", ("person", "car"), 2)
    save_checkpoint(Path("models/stage1"), build(architecture).network.state_dict(), Card(architecture, 64))
    return tmp_path


def test_detections_and_tracks_are_the_same_on_both_nodes(project, cluster, monkeypatch):
    params = load_params()
    both = Both(
        Detecting(Path("models/stage1"), params.classes, params.evaluation.detection),
        Tracking(params, "stage1", "bytetrack"),
    )
    cut = [piece for source in ("street", "air") for piece in pieces(source, open_sequence(source, "one"), 1)]
    work = [("detect", piece) for piece in cut] + [("track", (source, "one")) for source in ("street", "air")] * 3
    names = [str(what) for _, what in work]
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    here = list(fan_out(both, work, Engine(), names=names))
    there = list(fan_out(both, work, Engine("ray", cluster), names=names))
    assert [found.tobytes() for found, _ in there] == [found.tobytes() for found, _ in here]
    assert all(len(found) for found, _ in here)
    assert {node for _, node in here} == {"here"}
    assert len({node for _, node in there}) == 2


@pytest.mark.parametrize(
    ("resources", "gpus", "workers"),
    [
        ({"CPU": 4.0}, 0, 4),
        ({"CPU": 4.0}, 0.5, 0),
        ({"CPU": 4.0, "GPU": 1.0}, 0.5, 2),
        ({"CPU": 8.0, "GPU": 2.0}, 0.3, 6),  # three to a GPU
        ({"CPU": 8.0, "GPU": 3.0}, 2, 1),
        ({"CPU": 8.0, "GPU": 1.0}, 2, 0),
        ({"GPU": 1.0}, 1, 0),
    ],
)
def test_room_on_a_node(resources, gpus, workers):
    assert room_on(resources, gpus) == workers


def test_no_worker_spans_nodes(cluster):
    """Two nodes with a GPU each have none for a worker with two, which Ray would wait for."""
    with pytest.raises(InputError, match=r"no node with a CPU and 2 GPUs for a worker: lower evaluation\.gpus"):
        list(fan_out(abs, [1, 2], Engine("ray", cluster, gpus=2), names=["1", "2"]))


def test_a_killed_worker_is_replaced_and_nothing_else_is_said(cluster, tmp_path, capfd):
    names = [f"sequence {number}" for number in range(8)]
    assert list(fan_out(jobs.Killing(str(tmp_path), 4), range(8), Engine("ray", cluster), names=names)) == [
        number * number for number in range(8)
    ]
    line = "warning: sequence 4: its process was killed, another begins it anew\n"
    assert capfd.readouterr() == ("", line)
