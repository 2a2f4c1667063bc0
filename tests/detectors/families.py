"""What every detector family must do, as checks that the families' tests share."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torchvision

from stages.detectors import Architecture, Batch, Detector, build
from stages.detectors.card import Card
from stages.detectors.checkpoint import load_detector, save_checkpoint
from stages.errors import InputError
from tests.rectangles import boxes_of, picture

CLASSES = ("person", "car")


def fresh(family: str, model: str, classes: tuple[str, ...] = CLASSES, base: int | None = None) -> Detector:
    """A network with fresh weights, always the same; torch is set to one thread."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    return build(Architecture(family, model, classes, base or len(classes)))


def frames(*numbers: int, scale: int = 1) -> Batch:
    """Frames of the rectangles' world, (64 * scale) pixels square, a red person and a blue car in each."""
    images = torch.stack([torch.from_numpy(picture(n)[..., ::-1].copy()).permute(2, 0, 1) for n in numbers])
    images = images.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
    sides = torch.cat([torch.from_numpy(boxes_of(n)) for n in numbers])
    boxes = torchvision.ops.box_convert(sides, "xywh", "xyxy").float() * scale
    places = torch.arange(len(numbers)).repeat_interleave(2)
    return Batch(images, boxes, torch.tensor([0, 1] * len(numbers)), places, tuple(map(str, numbers)))


def without_boxes(batch: Batch, *empty: int) -> Batch:
    """The batch with the boxes of frames ``empty`` (places in the batch) taken away."""
    kept = ~torch.isin(batch.frame, torch.tensor(empty))
    return Batch(batch.images, batch.boxes[kept], batch.classes[kept], batch.frame[kept], batch.names)


def learn(
    detector: Detector,
    batch: Batch,
    steps: int,
    lr: float = 1e-3,
    until: float = 0.0,
    before: Callable[[int], object] = torch.manual_seed,
    decay: bool = False,
) -> torch.Tensor:
    """Train on one batch again and again with AdamW; returns the loss at every step.

    It stops early once the mean of five losses is at most ``until`` of the first. ``before`` is called with the step's
    number before each. With ``decay`` the learning rate falls to zero in a line.
    """
    detector.train()
    detector.begin_training(epochs=1)
    optimizer = torch.optim.AdamW(detector.parameters(), lr=lr, weight_decay=0.0, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / 10) * (1 - step / steps if decay else 1)
    )
    losses: list[torch.Tensor] = []
    for step in range(steps):
        before(step)
        loss = sum(detector(batch).values())
        assert loss.ndim == 0 and loss.isfinite()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(detector.parameters(), 10.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        losses.append(loss.detach())
        if torch.stack(losses[-5:]).mean() <= until * losses[0]:
            break
    return torch.stack(losses)


@torch.no_grad()
def settle_batchnorm(detector: Detector, batch: Batch, passes: int = 1) -> None:
    """Let BatchNorm's running statistics become those of the batch, which short training leaves behind."""
    norms = [module for module in detector.train().modules() if isinstance(module, torch.nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over the passes
    for _ in range(passes):
        detector(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def assert_right(detector: Detector, batch: Batch, iou: float = 0.6, min_score: float = 0.1) -> None:
    """Every box is found with its class and at least ``iou``, and nothing false scores as high as a true one."""
    for frame, rows in enumerate(detector.eval().predict(batch.images, min_score, 0.5, 20)):
        assert_best_first(rows, len(detector.architecture.classes))
        inside = batch.frame == frame
        boxes, classes = batch.boxes[inside], batch.classes[inside]
        same = rows[:, None, 5].long() == classes[None]
        good = (torchvision.ops.box_iou(rows[:, :4], boxes) >= iou) & same  # (found, true)
        assert good.any(0).all(), f"frame {frame}: boxes missed:\n{rows}\n{boxes}"
        assert good[: len(boxes)].any(1).all(), f"frame {frame}: a false alarm among the best:\n{rows}\n{boxes}"


def assert_best_first(rows: torch.Tensor, classes: int) -> None:
    """(n, 6) rows with falling scores and classes below ``classes``."""
    assert rows.ndim == 2 and rows.shape[1] == 6
    assert (rows[:-1, 4] >= rows[1:, 4]).all() and set(rows[:, 5].tolist()) <= set(map(float, range(classes)))


def assert_obeys_thresholds(detector: Detector, images: torch.Tensor, min_score: float) -> None:
    """Fewer objects, higher scores and less overlap where they are asked for. Something scores ``min_score``."""
    detector.eval()
    best = detector.predict(images, 0.0, 0.5, 3)
    assert all(len(rows) <= 3 for rows in best) and any(len(rows) for rows in best)
    sure = detector.predict(images, min_score, 0.5, 50)
    assert all((rows[:, 4] >= min_score).all() for rows in sure) and any(len(rows) for rows in sure)
    for rows in detector.predict(images, 0.0, 0.3, 50):
        overlap = torchvision.ops.box_iou(rows[:, :4], rows[:, :4]).fill_diagonal_(0)
        assert (overlap[rows[:, None, 5] == rows[None, :, 5]] <= 0.3 + 1e-4).all()


def assert_saved_whole(detector: Detector, batch: Batch, folder: Path) -> None:
    """A checkpoint that is saved and loaded predicts the same boxes, to the last bit."""
    size = max(batch.images.shape[-2:])
    save_checkpoint(folder / "saved", detector.network.state_dict(), Card(detector.architecture, size))
    loaded, card = load_detector(folder / "saved")
    assert card.architecture == detector.architecture and card.image_size == size
    ours, theirs = (d.eval().predict(batch.images, 0.0, 0.5, 20) for d in (detector, loaded))
    assert any(len(rows) for rows in ours)
    assert all(torch.equal(mine, other) for mine, other in zip(ours, theirs, strict=True))


def assert_parts_are_whole(detector: Detector) -> None:
    """Every parameter is in exactly one of backbone, neck and head, and all can be trained."""
    parts = detector.parts()
    assert list(parts) == ["backbone", "neck", "head"]
    counted = [id(p) for modules in parts.values() for module in modules for p in module.parameters()]
    assert sorted(counted) == sorted(id(p) for p in detector.parameters())
    assert all(p.requires_grad for p in detector.parameters())


def assert_class_tensors_count(detector: Detector) -> None:
    """The first dimension of every class tensor is repeats * (before + classes + behind) * each."""
    state, classes = detector.network.state_dict(), len(detector.architecture.classes)
    assert detector.class_tensors()
    for name, rows in detector.class_tensors().items():
        expected = rows.repeats * (rows.before + classes + rows.behind) * rows.each
        assert state[name].shape[0] == expected, name


def assert_only_class_tensors_differ(one: Detector, other: Detector) -> None:
    """Two networks for different numbers of classes (and the same base) differ in their class tensors alone."""
    ours, theirs = one.network.state_dict(), other.network.state_dict()
    assert list(ours) == list(theirs)
    assert {name for name in ours if ours[name].shape != theirs[name].shape} == set(one.class_tensors())


def assert_blocks_recompute(detector: Detector, batch: Batch, bits: bool = True) -> None:
    """No block is within another, all are called, and computing them twice leaves loss and gradient as they are.

    With ``bits`` false, as they are within rounding.
    """
    blocks = detector.blocks()
    # Modules without parameters may be shared: Ultralytics' layers have one activation between them.
    inside = [id(m) for block in blocks for m in block.modules() if any(True for _ in m.parameters())]
    assert blocks and len(inside) == len(set(inside))
    detector.train()
    plain, state = _gradient(detector, batch), detector.state_dict()
    calls: list[int] = []
    for place, block in enumerate(blocks):
        block.forward = _twice(block.forward, place, calls)
    again = _gradient(detector, batch)
    for block in blocks:
        del block.forward
    assert set(calls) == set(range(len(blocks))) and state.keys() == detector.state_dict().keys()
    tolerance = {"rtol": 0, "atol": 0} if bits else {}
    torch.testing.assert_close(again, plain, **tolerance)


def _twice(forward: Callable, place: int, calls: list[int]) -> Callable:
    def recomputed(*args: object, **kwargs: object) -> object:
        calls.append(place)
        return torch.utils.checkpoint.checkpoint(forward, *args, use_reentrant=False, **kwargs)

    return recomputed


def _gradient(detector: Detector, batch: Batch) -> list[torch.Tensor]:
    """The loss and every parameter's gradient."""
    torch.manual_seed(1)
    detector.zero_grad()
    loss = sum(detector(batch).values())
    loss.backward()
    return [loss.detach(), *(torch.zeros(()) if p.grad is None else p.grad.clone() for p in detector.parameters())]


def unequal_frames() -> Batch:
    """Four frames, 64 pixels square, of two boxes, one, none and twelve, most of which frame nothing."""
    batch = frames(1, 5, 9, 13)
    corners = torch.rand(10, 2, generator=torch.Generator().manual_seed(6)) * 40
    more = Batch(batch.images, torch.cat([corners, corners + 16], 1), torch.arange(10) % 2, torch.full((10,), 3))
    kept = [0, 1, 2, 6, 7]
    ours, theirs = ((given.boxes, given.classes, given.frame) for given in (batch, more))
    columns = (torch.cat([own[kept], other]) for own, other in zip(ours, theirs, strict=True))
    return Batch(batch.images, *columns, batch.names)


def assert_mean_over_frames(detector: Detector, rel: float = 1e-3, prepare: Callable | None = None) -> None:
    """However `unequal_frames` are cut, the mean of the pieces, each with its share of frames, is that of the whole.

    Of every part of the loss, and of the gradient. A loss divided by the boxes of a batch fails. BatchNorm goes by its
    running statistics, since those of a batch tie its frames to one another. ``prepare`` takes away what is drawn at
    random, where a loss samples.
    """
    batch = unequal_frames()
    if prepare:
        prepare(detector)
    settle_batchnorm(detector, batch)
    freeze_batchnorm(detector)
    whole, gradient = _mean_of(detector, [batch])
    assert sum(whole.values()) > 0.01 and gradient.norm() > 1e-3
    for cuts in ((0, 1, 2, 3, 4), (0, 3, 4)):
        pieces = [batch.piece(start, stop) for start, stop in itertools.pairwise(cuts)]
        parts, summed = _mean_of(detector, pieces)
        assert parts == pytest.approx(whole, rel=rel)
        assert (summed - gradient).norm() <= rel * gradient.norm()


def freeze_batchnorm(detector: Detector) -> None:
    """Let BatchNorm go by its running statistics."""
    for module in detector.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.eval()


def _mean_of(detector: Detector, pieces: list[Batch]) -> tuple[dict[str, float], torch.Tensor]:
    """Parts of the loss and the gradient of all parameters, (n,), as means over the frames of all pieces."""
    detector.zero_grad()
    sums: dict[str, float] = {}
    count = sum(len(piece) for piece in pieces)
    for piece in pieces:
        torch.manual_seed(2)
        parts = detector(piece)
        (sum(parts.values()) * len(piece) / count).backward()
        for name, part in parts.items():
            sums[name] = sums.get(name, 0.0) + float(part.detach()) * len(piece) / count
    return sums, torch.cat([p.grad.flatten() for p in detector.parameters() if p.grad is not None])


def assert_any_number_of_boxes(detector: Detector, batch: Batch, many: int = 1000) -> None:
    """A frame without boxes, a batch without boxes, and ``many`` boxes in a frame have finite losses and gradients."""
    detector.train()
    generator = torch.Generator().manual_seed(3)
    height, width = batch.images.shape[-2:]
    corners = torch.rand(many, 2, generator=generator) * torch.tensor([width - 8.0, height - 8.0])
    crowd = Batch(
        batch.images[:1].repeat(2, 1, 1, 1),
        torch.cat([corners, corners + 2 + 6 * torch.rand(many, 2, generator=generator)], 1),
        torch.randint(len(detector.architecture.classes), (many,), generator=generator),
        torch.ones(many, dtype=torch.int64),
        ("first", "second"),
    )
    for given in (without_boxes(batch, 0), without_boxes(batch, *range(len(batch))), crowd):
        detector.zero_grad()
        parts = detector(given)
        assert all(name.startswith("loss_") and part.ndim == 0 for name, part in parts.items())
        sum(parts.values()).backward()
        assert all(part.isfinite() for part in parts.values())
        assert all(p.grad is None or p.grad.isfinite().all() for p in detector.parameters())
    detector.zero_grad()


def assert_works_in_half_precision(detector: Detector, batch: Batch) -> None:
    """Under autocast to bfloat16 the loss is near that of full precision, and has a gradient."""
    detector.train()
    torch.manual_seed(4)
    full = float(sum(detector(batch).values()).detach())
    torch.manual_seed(4)
    with torch.autocast("cpu", torch.bfloat16):
        half = sum(detector(batch).values())
    half.backward()
    detector.zero_grad()
    assert float(half.detach()) == pytest.approx(full, rel=0.2)


def assert_any_shape(detector: Detector, sides: tuple[int, int]) -> None:
    """Frames of ``sides`` (height, width in strides) have a loss, and their boxes lie in the frame."""
    height, width = (side * detector.stride for side in sides)
    images = torch.randint(0, 256, (1, 3, height, width), generator=torch.Generator().manual_seed(5)).to(torch.uint8)
    box = torch.tensor([[width / 2, height / 4, width - 2.0, height - 2.0]])
    none = torch.zeros(1, dtype=torch.int64)
    assert sum(detector.train()(Batch(images, box, none, none)).values()).isfinite()
    rows = detector.eval().predict(images, 0.0, 0.9, 50)[0]
    assert rows.shape[1] == 6 and rows.isfinite().all()


def assert_input_error(call: Callable[[], object], *texts: str) -> None:
    """The call raises an `InputError` of one line that contains ``texts``."""
    with pytest.raises(InputError) as caught:
        call()
    line = str(caught.value)
    assert "\n" not in line and all(text in line for text in texts), line


@torch.no_grad()
def shake(network: torch.nn.Module) -> None:
    """Draw BatchNorm's numbers of a TorchVision model at random, small variances too, and make its head sure."""
    for name, module in network.named_modules():
        if hasattr(module, "running_var"):
            module.running_mean.normal_(0, 0.1)
            module.running_var.copy_(10 ** torch.empty_like(module.running_var).uniform_(-5, 0.3))
            module.weight.copy_(torch.empty_like(module.weight).uniform_(0.2, 0.6) * module.running_var.sqrt())
            module.bias.normal_(0, 0.1)
        if name.endswith(("cls_score", "cls_logits", "classification_head.module_list.0.1")):
            module.weight.mul_(20)
            module.bias.clamp_(min=-3)


def assert_predicts_like(detector: Detector, makers: torch.nn.Module, images: torch.Tensor, least: int = 5) -> None:
    """The detector finds what TorchVision's own model finds, given the thresholds at which that one stands.

    Labels of ``makers`` count background as 0. The order of equal scores may differ.
    """
    module = getattr(makers, "roi_heads", makers)
    thresholds = module.score_thresh, module.nms_thresh, module.detections_per_img
    with torch.no_grad():
        theirs = makers.eval()([image / 255 for image in images])
    ours = detector.eval().predict(images, *thresholds)
    for rows, expected in zip(ours, theirs, strict=True):
        assert len(rows) == len(expected["boxes"]) >= least
        torch.testing.assert_close(rows[:, 4], expected["scores"], rtol=1e-4, atol=1e-5)
        own, other = (
            torch.cat([boxes, 100.0 * classes[:, None], 100.0 * scores[:, None]], 1)
            for boxes, scores, classes in (
                (rows[:, :4], rows[:, 4], rows[:, 5]),
                (expected["boxes"], expected["scores"], expected["labels"] - 1),
            )
        )
        assert torch.cdist(own, other, compute_mode="donot_use_mm_for_euclid_dist").min(1).values.max() < 0.02


def assert_refuses_foreign_files(family: type[Detector], model: str, folder: Path) -> None:
    """A damaged file, a pickle that would run something, other tensors and an unknown suffix are clear errors."""
    path = folder / "weights.pth"
    path.write_bytes(b"not a file of PyTorch's")
    assert_input_error(lambda: family.read(path, model), str(path), "no PyTorch state dict")
    torch.save({"model": {"weight": torch.zeros(2)}}, path)
    damaged = path.read_bytes()[:-200]
    assert_input_error(lambda: family.read(path, model), str(path), f"no weights of a `{model}`")
    path.write_bytes(damaged)
    assert_input_error(lambda: family.read(path, model), str(path), "no PyTorch state dict")
    torch.save({"model": Batch}, path)  # a class: not among what is harmless
    assert_input_error(lambda: family.read(path, model), str(path), "no PyTorch state dict")
    torch.save([1, 2], path)
    assert_input_error(lambda: family.read(path, model), str(path), "no PyTorch state dict")
    assert_input_error(lambda: family.read(folder / "weights.onnx", model), "unknown kind of weights `.onnx`")
