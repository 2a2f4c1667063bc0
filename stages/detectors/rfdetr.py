"""The `rfdetr` family: Roboflow's RF-DETR networks (nano to large) with their own loss, apart from their trainer."""

from __future__ import annotations

import argparse
import copy
import math
import types
from collections.abc import Callable
from pathlib import Path

import torch
import torchvision
from torch import nn
from torch.nn import functional

from stages.detectors.base import Architecture, Batch, ClassRows, Detector, Exportable
from stages.detectors.card import Card
from stages.detectors.frames import GREY
from stages.detectors.rfdetr_loss import LossByFrame
from stages.detectors.rfdetr_quietly import (
    COCO_CLASSES,
    ModelWeights,
    NestedTensor,
    build_criterion_from_config,
    build_model_from_config,
    config,
)
from stages.detectors.suppression import confident, suppressed
from stages.errors import InputError

# Every model's configuration class in the package, and what is changed in it. `base` and `large-2025` came first:
# patches of 14 pixels, and for `large-2025` a wider backbone.
VARIANTS: dict[str, tuple[str, dict]] = {
    "nano": ("RFDETRNanoConfig", {}),
    "small": ("RFDETRSmallConfig", {}),
    "medium": ("RFDETRMediumConfig", {}),
    "large": ("RFDETRLargeConfig", {}),
    "base": ("RFDETRBaseConfig", {}),
    "large-2025": ("RFDETRLargeDeprecatedConfig", {}),
}
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's colours: what DINOv2 was trained with


class RfDetr(Detector):
    """An RF-DETR network (`LWDETR`): a DINOv2 backbone that attends in windows, a projector and a deformable decoder.

    RF-DETR is of Robinson et al. (arXiv 2511.09554). ``stride`` is a patch's side times the windows in a row: 32
    pixels for most, 56 for `base` and `large-2025`. Any height and width that are multiples of it will do: the
    backbone's position embeddings are those of a square of the published size and are interpolated (bicubic) to
    others, so results are best near that size. A frame of fewer patches than the decoder has queries (300: below some
    288 pixels square) is padded with grey, as the package would mix up its queries. The package's class layers have a
    row more than classes, for a background that is never trained to be there; here they have none.
    """

    def __init__(self, architecture: Architecture):
        super().__init__(architecture)
        settings = _settings(architecture.model, len(architecture.classes))
        self.patch = settings.patch_size
        self.stride = settings.patch_size * settings.num_windows
        self.network = build_model_from_config(settings)
        embeddings = self.network.backbone[0].encoder.encoder.embeddings
        # A parameter that nothing uses but masked pretraining would stop processes that train together.
        mask = embeddings._parameters.pop("mask_token").detach()
        embeddings.register_buffer("mask_token", mask)
        theirs, _ = build_criterion_from_config(settings, config.TrainConfig(dataset_dir=".", output_dir="."))
        self.criterion = LossByFrame.like(theirs)
        for name, values in (("mean", _MEAN), ("std", _STD)):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)

    def forward(self, batch: Batch) -> dict[str, torch.Tensor]:
        """GIoU, IoU-aware classification and L1 losses, each summed over decoder layers and encoder."""
        outputs, size = self._run(batch.images)
        boxes = torchvision.ops.box_convert(batch.boxes, "xyxy", "cxcywh") / size
        counts = torch.bincount(batch.frame, minlength=len(batch)).tolist()
        pairs = zip(batch.classes.split(counts), boxes.split(counts), strict=True)
        targets = [{"labels": labels, "boxes": places} for labels, places in pairs]
        with torch.autocast(batch.images.device.type, enabled=False):
            return self.criterion.parts(_in_float32(outputs), targets)

    def _run(self, images: torch.Tensor) -> tuple[dict, torch.Tensor]:
        """The network's outputs, and the (4,) width, height, width, height in pixels that its boxes are shares of."""
        images = self.padded(images)
        scaled = (images.float() / 255 - self.mean) / self.std
        mask = torch.zeros_like(images[:, 0], dtype=torch.bool)  # nothing is outside a frame
        height, width = images.shape[-2:]
        size = torch.tensor([width, height, width, height], device=images.device)
        return self.network(NestedTensor(scaled, mask, no_padding=True)), size

    def padded(self, images: torch.Tensor) -> torch.Tensor:
        """Images with at least a patch for every query, grey to the right and below."""
        height, width = images.shape[-2:]
        if height * width // self.patch**2 >= self.network.num_queries:
            return images
        side = math.ceil(math.sqrt(self.network.num_queries) * self.patch / self.stride) * self.stride
        return functional.pad(images, (0, max(0, side - width), 0, max(0, side - height)), value=GREY)

    @torch.no_grad()
    def predict(self, images: torch.Tensor, min_score: float, nms_iou: float, max_objects: int) -> list[torch.Tensor]:
        """The decoder's set of boxes; those that overlap by more than ``nms_iou`` in a class are thinned out.

        The set holds few doubles: with ``nms_iou`` 1 it is left as it is. A query can stand for several classes.
        """
        outputs, size = self._run(images)
        boxes = torchvision.ops.box_convert(outputs["pred_boxes"].float(), "cxcywh", "xyxy") * size
        found = []
        for places, logits in zip(boxes, outputs["pred_logits"].float(), strict=True):
            scores, queries, classes = confident(logits.sigmoid().T, min_score)
            found.append(suppressed(places[queries], scores, classes, nms_iou, max_objects))
        return found

    def candidates(self, images: torch.Tensor, label: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Every query of the decoder's last layer."""
        outputs, size = self._run(images)
        boxes = torchvision.ops.box_convert(outputs["pred_boxes"][0].float(), "cxcywh", "xyxy") * size
        return boxes, outputs["pred_logits"][0, :, label].float().sigmoid()

    def heat_layers(self) -> list[str]:
        """DINOv2's maps, which the projector takes."""
        return ["backbone.0.encoder"]

    def exportable(self, min_score: float, nms_iou: float, max_objects: int) -> Exportable:
        """The decoder's queries, at any batch and one size."""
        return Exportable(_Queries(copy.deepcopy(self).eval()), "queries", ("batch",))

    def parts(self) -> dict[str, list[nn.Module]]:
        """DINOv2; the projector of its maps; the decoder with its queries and what reads boxes and classes from it."""
        network, backbone = self.network, self.network.backbone[0]
        head = [
            network.transformer,
            network.class_embed,
            network.bbox_embed,
            network.refpoint_embed,
            network.query_feat,
        ]
        return {"backbone": [backbone.encoder], "neck": [backbone.projector], "head": head}

    def class_tensors(self) -> dict[str, ClassRows]:
        """The decoder's class layer, and the encoder's: one for each group of queries."""
        return {name: ClassRows() for name in self.network.state_dict() if _is_class_tensor(name)}

    def blocks(self) -> list[nn.Module]:
        """The backbone's layers, the projector, and the decoder's layers."""
        network, backbone = self.network, self.network.backbone[0]
        layers = backbone.encoder.encoder.encoder.layer
        return [*layers, backbone.projector, *network.transformer.decoder.layers]

    @classmethod
    def published(cls, model: str) -> str:
        """Roboflow's own weights for ``model``, trained on COCO."""
        name = Path(_config_class(model).model_fields["pretrain_weights"].default).name
        return ModelWeights.get_url(name)

    @classmethod
    def read(cls, path: Path, model: str) -> tuple[dict[str, torch.Tensor], Card]:
        """An RF-DETR checkpoint (.pth): a dictionary with `model` and `args`, which name the classes.

        It is unpickled with PyTorch's `weights_only`, and namespaces allowed: nothing in it is run. Rows that belong
        to no class are left out: published weights have a row for every number from 0 to COCO's 90, ten of which
        are nobody's, and fine-tuned ones a last row for the background.
        """
        settings = _settings(model, 1)
        if path.suffix not in (".pth", ".pt"):
            raise InputError(str(path), f"unknown kind of weights `{path.suffix}`", "give a .pth or .safetensors file")
        try:
            with torch.serialization.safe_globals([argparse.Namespace, types.SimpleNamespace]):
                checkpoint = torch.load(path, map_location="cpu", weights_only=True)
            arguments = checkpoint.get("args") or {}
            arguments = arguments if isinstance(arguments, dict) else vars(arguments)
            tensors = {name: tensor.float() for name, tensor in checkpoint["model"].items()}
            rows = len(tensors["class_embed.bias"])
        except Exception as error:  # what a damaged pickle raises has no bounds
            reason = " ".join(str(error).split())[:120]
            raise InputError(str(path), f"no RF-DETR checkpoint ({reason})", "check the file") from None
        classes = _classes(path, rows, arguments.get("class_names"))
        places = torch.tensor(list(classes))
        for name in tensors:
            if _is_class_tensor(name):
                tensors[name] = tensors[name][places]
        tensors["_kp_active_mask"] = torch.zeros(0, 0, dtype=torch.bool)  # of key points; older files lack it
        names = tuple(classes.values())
        image_size = int(arguments.get("resolution") or settings.resolution)
        return tensors, Card(Architecture("rfdetr", model, names, len(names)), image_size)


class _Queries(nn.Module):
    """What a network finds as boxes (B, n, 4) x1 y1 x2 y2 in pixels and scores (B, n, classes)."""

    def __init__(self, detector: RfDetr):
        super().__init__()
        self.detector = detector
        embeddings = detector.network.backbone[0].encoder.encoder.embeddings
        embeddings.interpolate_pos_encoding = _remembering(embeddings.interpolate_pos_encoding)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        outputs, size = self.detector._run(images * 255)
        centre, half = outputs["pred_boxes"][..., :2], outputs["pred_boxes"][..., 2:] / 2
        return torch.cat([centre - half, centre + half], dim=-1) * size, outputs["pred_logits"].sigmoid()


def _remembering(interpolate: Callable) -> Callable:
    """Position embeddings that are made once for a size, before a trace, and are constants in it."""
    made: dict[tuple[int, int], torch.Tensor] = {}

    def remembered(patches: torch.Tensor, height: int, width: int) -> torch.Tensor:
        size = int(height), int(width)
        if size not in made:
            made[size] = interpolate(patches, *size)
        return made[size]

    return remembered


def _config_class(model: str) -> type:
    if model not in VARIANTS:
        known = ", ".join(VARIANTS)
        raise InputError("params.yaml: detector.model", f"no model `{model}`", f"name one of RF-DETR's: {known}")
    return getattr(config, VARIANTS[model][0])


def _settings(model: str, classes: int) -> object:
    """The package's configuration of a model whose class layers have exactly ``classes`` rows."""
    # The package adds a row to num_classes. A path of weights, which is never opened, keeps it from fetching DINOv2's.
    fixed = {"num_classes": classes - 1, "pretrain_weights": "/none", "device": "cpu"}
    return _config_class(model)(**fixed, **VARIANTS[model][1])


def _is_class_tensor(name: str) -> bool:
    return name.startswith(("class_embed.", "transformer.enc_out_class_embed."))


def _classes(path: Path, rows: int, names: object) -> dict[int, str]:
    """Which row of the class layers is which class."""
    named = [name for name in names if isinstance(name, str)] if isinstance(names, list | tuple) else []
    coco = list(COCO_CLASSES.values())
    if rows == max(COCO_CLASSES) + 1 and named in ([], coco):
        return dict(COCO_CLASSES)
    if not 0 < len(named) <= rows:
        what = f"{rows} rows of classes and {len(named)} names (args.class_names)"
        raise InputError(str(path), what, "give a checkpoint that names its classes")
    return dict(enumerate(named))


def _in_float32(outputs: dict) -> dict:
    """Outputs of the last layer, of those before it (a list) and of the encoder."""
    changed = {}
    for name, value in outputs.items():
        if isinstance(value, dict):
            changed[name] = _in_float32(value)
        elif isinstance(value, list):
            changed[name] = [_in_float32(layer) for layer in value]
        else:
            changed[name] = value.float()
    return changed
