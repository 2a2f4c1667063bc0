"""Small networks of the families whose smallest model is large."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

# Three convolutions, attention over the coarsest map, a decoder of two layers: 0.2 million parameters.
RTDETR = """\
nc: 80
backbone:
  - [-1, 1, Conv, [16, 3, 4]]
  - [-1, 1, Conv, [32, 3, 2]]
  - [-1, 1, Conv, [64, 3, 2]]
head:
  - [-1, 1, AIFI, [64, 4]]
  - [[1, 3], 1, RTDETRDecoder, [nc, 64, 30, 4, 4, 2, 128]]
"""


@contextmanager
def thin_rfdetr() -> Iterator[None]:
    """A model `tiny`: nano with a backbone of three thin layers, 16 queries in three groups: 1.2 million parameters."""
    from stages.detectors import rfdetr

    dinov2 = sys.modules["rfdetr.models.backbone.dinov2"]
    thin = {"num_hidden_layers": 3, "hidden_size": 96, "num_attention_heads": 3}
    decoder = {"hidden_dim": 64, "sa_nheads": 4, "ca_nheads": 4, "num_queries": 16, "num_select": 16, "group_detr": 3}
    whole = dinov2.get_config
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dinov2, "get_config", lambda *of: whole(*of) | thin)
        patch.setitem(dinov2.size_to_width, "small", 96)
        patch.setitem(rfdetr.VARIANTS, "tiny", ("RFDETRNanoConfig", decoder | {"out_feature_indexes": [1, 2, 3]}))
        yield
