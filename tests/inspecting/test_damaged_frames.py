"""Images that pass for whole at their header and their end: only a strict decoder sees what they lack."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from stages.errors import InputError
from stages.formats.frames import DamagedImage
from stages.inspecting.examine import Rendered

KINDS = {
    "baseline": {},
    "progressive": {"progressive": True},
    "whole colour": {"subsampling": 0},
    "restarts": {"restart_marker_blocks": 2},
    "grey": {"mode": "L"},
}


def image(mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    Image.effect_noise((63, 47), 80).convert(mode).save(file, **{"format": "JPEG", **options})
    return file.getvalue()


def decode(content: bytes) -> bytes:
    return Rendered([content], (63, 47)).decode(1, (63, 47))


@pytest.mark.parametrize("kind", KINDS)
def test_whole_and_halved(kind: str):
    content = image(**KINDS[kind])
    assert decode(content) == content
    with pytest.raises(DamagedImage, match=r"^frame 1: damaged"):
        decode(content[: len(content) // 2] + content[-2:])


def test_a_png_is_decoded_by_the_ordinary_check():
    content = image(format="PNG")
    assert decode(content) == content
    with pytest.raises(InputError, match=r"^frame 1: truncated or no image"):
        decode(content[: len(content) // 2] + content[-12:])
