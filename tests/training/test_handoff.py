from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from stages.errors import InputError
from stages.training.handoff import hand_over, require_share
from tests.stub_detector import ARCHITECTURE, StubDetector

REST = sorted(set(StubDetector().network.state_dict()) - {"3.weight", "3.bias"})


def _network(*classes: str) -> StubDetector:
    return StubDetector(replace(ARCHITECTURE, classes=classes))


def _hand(parents: tuple[str, ...], children: tuple[str, ...], **extra: torch.Tensor) -> tuple:
    torch.manual_seed(0)
    parent, child = _network(*parents), _network(*children)
    fresh = child.network[3].weight.detach().clone()
    tensors = parent.network.state_dict() | extra
    return hand_over(child, tensors, parents), parent.network[3], child.network[3], fresh


def test_the_same_classes_load_whole():
    report, parent, child, _ = _hand(("person", "car"), ("person", "car"))
    assert sorted(report.loaded) == sorted([*REST, "3.weight", "3.bias"]) and report.share == 1.0
    assert report.reshaped == report.new == report.dropped == [] and torch.equal(parent.weight, child.weight)


@pytest.mark.parametrize(
    ("parents", "children", "rows", "new"),
    [
        (("person", "bicycle", "car"), ("person", "car"), {0: 0, 1: 2}, []),
        (("person", "car"), ("car", "person"), {0: 1, 1: 0}, []),
        (("person",), ("person", "car"), {0: 0}, ["car"]),
        (("bus", "car"), ("person", "car", "tram"), {1: 1}, ["person", "tram"]),
    ],
)
def test_class_rows_go_by_name(parents: tuple, children: tuple, rows: dict, new: list):
    report, parent, child, fresh = _hand(parents, children)
    assert report.reshaped == ["3.weight", "3.bias"] and sorted(report.loaded) == REST
    for number in range(len(children)):
        expected = parent.weight[rows[number]] if number in rows else fresh[number]
        assert torch.equal(child.weight[number], expected)
    assert all(torch.equal(child.bias[number], parent.bias[row]) for number, row in rows.items())
    assert report.new_classes == new and report.carried_classes == [children[number] for number in sorted(rows)]
    numbers = sum(t.numel() for t in _network(*children).network.state_dict().values())
    assert report.share == pytest.approx((numbers - 5 * len(new)) / numbers, abs=1e-6)


def test_no_common_class_leaves_the_class_rows_fresh():
    report, _, child, fresh = _hand(("bus",), ("person",))
    assert report.new == ["3.weight", "3.bias"] and report.reshaped == [] and torch.equal(child.weight, fresh)


def test_what_has_no_place_is_dropped_and_what_does_not_fit_is_new():
    extra = {"9.weight": torch.zeros(3), "2.weight": torch.zeros(5, 4, 1, 1)}
    report, *_ = _hand(("person", "car"), ("person", "car"), **extra)
    assert report.dropped == ["9.weight"] and report.new == ["2.weight"]
    card = report.card()
    assert card["tensors"] == {"loaded": len(REST) + 1, "reshaped": 0, "new": 1, "dropped": 1}
    assert card["new"] == ["2.weight"] and "loaded" not in card and card["share"] == report.share < 1


def test_too_little_is_one_clear_line():
    report, *_ = _hand(("person", "car"), ("person", "car"), **{"0.weight": torch.zeros(1)})
    require_share(report, report.share, "here")
    with pytest.raises(InputError) as caught:
        require_share(report, 0.95, "stage2: models/stage1")
    # 192 of the network's 243 numbers are those of 0.weight.
    text = "stage2: models/stage1: the parent gave 21.0% of the weights, 95% are asked for (min_loaded)"
    assert str(caught.value).startswith(text) and "0.weight" in str(caught.value)
