"""What frames look like, in 64 bits: difference hashes of frames sampled from sequence archives."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from stages.sequences.archive import Sequence, SequenceInfo

SAMPLES = 32  # frames of a sequence, evenly spread
_MOST = 8192  # frames of a source: about 20 s of decoding 1920x1080 on two cores
_WORKERS = 4  # decoding releases the interpreter

# Two frames look alike up to this many different bits of 64: more than ten is likely another image (Krawetz, below).
# Measured on MOT17, PETS and drone frames: recompressed, halved, brightened or cropped by 1% at most 6 bits, frames of
# two scenes at least 20.
NEAR = 10
_FLAT = 8  # grey levels; a frame with less contrast shows nothing to compare


def looks_of(paths: list[Path]) -> list[np.ndarray]:
    """Difference hashes of sampled frames, (samples,) uint64 an archive; frames without contrast are left out."""
    samples = max(1, min(SAMPLES, _MOST // max(1, len(paths))))
    with ThreadPoolExecutor(_WORKERS) as pool:
        return list(pool.map(lambda path: _looks(path, samples), paths))


def alike(hashes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which of ``hashes`` (N,) differ from which of ``others`` (M,) in at most `NEAR` bits; (N, M) bool."""
    return np.bitwise_count(hashes[:, None] ^ others[None, :]) <= NEAR


def difference_hash(grey: np.ndarray) -> int | None:
    """The 64-bit difference hash of an image (H, W) uint8: is each of 8x8 cells brighter than its right neighbour?

    N. Krawetz, "Kind of Like That", hackerfactor.com, 2013. None for an image without contrast.
    """
    import cv2

    small = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA).astype(np.int16)
    if small.max() - small.min() < _FLAT:
        return None
    bits = small[:, :-1] > small[:, 1:]
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def _looks(path: Path, samples: int) -> np.ndarray:
    archive = Sequence(path)
    count = min(samples, archive.info.length)
    places = np.unique(np.linspace(1, archive.info.length, count).round().astype(int))
    images = [_grey(archive, int(number)) for number in places]
    archive.close()
    hashes = [difference_hash(image) for image in images if image is not None]
    return np.array([value for value in hashes if value is not None], np.uint64)


def _grey(archive: Sequence, number: int) -> np.ndarray | None:
    """A frame in grey, decoded at an eighth of its size where that leaves enough of it; None where it is broken."""
    import cv2

    flags = {8: cv2.IMREAD_REDUCED_GRAYSCALE_8, 4: cv2.IMREAD_REDUCED_GRAYSCALE_4, 2: cv2.IMREAD_REDUCED_GRAYSCALE_2}
    flag = flags.get(_reduction(archive.info), cv2.IMREAD_GRAYSCALE)
    return cv2.imdecode(np.frombuffer(archive.encoded(number), np.uint8), flag)


def _reduction(info: SequenceInfo) -> int:
    """By how much a JPEG may shrink while it is decoded: four pixels a cell of the hash remain."""
    return next((by for by in (8, 4, 2) if min(info.width // 9, info.height // 8) >= 4 * by), 1)
