from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from stages.detectors import ClassRows
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


class _Anchored(StubDetector):
    """Its last layer holds, at each of two anchors, background, two rows for every class, and something behind."""

    def __init__(self, classes: tuple[str, ...]):
        super().__init__(replace(ARCHITECTURE, classes=classes))
        self.network[3] = nn.Conv2d(4, 2 * (1 + len(classes) + 1) * 2, 1)

    def class_tensors(self) -> dict[str, ClassRows]:
        return {f"3.{kind}": ClassRows(repeats=2, before=1, behind=1, each=2) for kind in ("weight", "bias")}


def _hand_numbers(parents: tuple[str, ...], children: tuple[str, ...], tensor: torch.Tensor | None = None) -> tuple:
    """Hand over a bias of 0, 1, 2... into one of -1."""
    parent, child = _Anchored(parents), _Anchored(children)
    tensors = parent.network.state_dict()
    tensors["3.bias"] = torch.arange(float(len(tensors["3.bias"]))) if tensor is None else tensor
    child.network[3].bias.data.fill_(-1)
    report = hand_over(child, tensors, parents)
    return report, child.network[3].bias.view(2, -1, 2).tolist(), parent.network[3].weight, child.network[3].weight


def test_rows_of_background_and_of_known_classes_are_found_at_every_anchor():
    report, bias, theirs, ours = _hand_numbers(("bus", "car", "person"), ("person", "tram", "car"))
    # The parent's rows are background, bus, car, person, behind: 0 1, 2 3, 4 5, 6 7, 8 9 and ten more behind it.
    assert bias == [
        [[0, 1], [6, 7], [-1, -1], [4, 5], [8, 9]],
        [[10, 11], [16, 17], [-1, -1], [14, 15], [18, 19]],
    ]
    assert torch.equal(ours.view(2, 5, 2, 4)[:, [0, 1, 3, 4]], theirs.view(2, 5, 2, 4)[:, [0, 3, 2, 4]])
    assert report.reshaped == ["3.weight", "3.bias"] and report.new_classes == ["tram"]
    numbers = sum(tensor.numel() for tensor in _Anchored(("a", "b", "c")).network.state_dict().values())
    # Of each tensor, the two rows of one class at two anchors are fresh: 4 numbers of the bias, 16 of the weight.
    assert report.share == pytest.approx(1 - 20 / numbers, abs=1e-6)


def test_without_a_known_class_background_is_handed_over_all_the_same():
    report, bias, *_ = _hand_numbers(("bus",), ("person", "car"))
    fresh = [[-1, -1], [-1, -1]]
    assert bias == [[[0, 1], *fresh, [4, 5]], [[6, 7], *fresh, [10, 11]]]
    assert report.reshaped == ["3.weight", "3.bias"] and report.carried_classes == []


def test_a_class_that_the_parent_names_twice_is_taken_where_it_is_named_first():
    report, bias, *_ = _hand_numbers(("N/A", "car", "N/A"), ("car", "N/A"))
    assert bias[0] == [[0, 1], [4, 5], [2, 3], [8, 9]] and report.new_classes == []


def test_rows_that_do_not_fit_the_class_list_are_new():
    report, bias, *_ = _hand_numbers(("bus", "car"), ("person", "car"), torch.arange(14.0))
    assert report.new == ["3.bias"] and report.reshaped == ["3.weight"] and bias == [[[-1, -1]] * 4] * 2
    # With the same classes too, and then the weight is simply loaded.
    report, bias, *_ = _hand_numbers(("person", "car"), ("person", "car"), torch.arange(14.0))
    assert report.new == ["3.bias"] and report.reshaped == [] and bias == [[[-1, -1]] * 4] * 2


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
    text = "stage2: models/stage1: the parent gave 20.9% of the weights, 95% are asked for (min_loaded)"
    assert str(caught.value).startswith(text) and "0.weight" in str(caught.value)
