"""Getting and keeping tracking data: ``python -m benchmarks.sources``, five minutes, 8 GB of temporary files.

Prints, each against what it replaces, in one run:
- 5 % of a remote ZIP of 2 GB, over a link held at 50 MB/s, against fetching the ZIP whole: bytes and time;
- packing frames into an archive against `cp -r` of the same files;
- reading frames from an archive in random order against reading the same JPEGs as files;
- `dvc push` and `dvc pull` of 20,000 frames as archives against loose files;
- drawing a mixture of 50,000 frames (`benchmarks.mixtures`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import yaml

from stages.formats.frames import ImageFrames
from stages.sequences.archive import Sequence, SequenceInfo, write_archive
from stages.transport.tree import FolderTree
from tests import s3
from tests.pipeline import ROOT, environment

WIDTH, HEIGHT = 640, 360
SEQUENCES, FRAMES = 40, 370  # of the remote ZIP: 2 GB
PUSHED = 40, 500  # sequences, and frames of each, of the DVC comparison
GT = np.array([[1, 1, 10, 10, 40, 80, 1, 1, 1.0]])


def main() -> None:
    """Print all figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pictures = make_pictures(100, quality=88)
        stream(folder / "stream", pictures)
        pack(folder / "pack", pictures)
        read(folder / "pack")
        push_and_pull(folder / "dvc", make_pictures(100, quality=30))
    subprocess.run([sys.executable, "-m", "benchmarks.mixtures"], cwd=ROOT, check=True)  # whose memory is its own


def make_pictures(count: int, quality: int) -> list[bytes]:
    """JPEGs of soft noise, all different."""
    rng = np.random.default_rng(0)
    coarse = (rng.integers(0, 255, (HEIGHT // 2, WIDTH // 2, 3), np.uint8) for _ in range(count))
    return [
        cv2.imencode(".jpg", cv2.resize(image, (WIDTH, HEIGHT)), [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        for image in coarse
    ]


def timed(action: Callable[[], object]) -> float:
    """Seconds that ``action`` took."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def stream(folder: Path, pictures: list[bytes]) -> None:
    """Part of a remote ZIP against the whole of it."""
    (folder / "remote/data").mkdir(parents=True)
    size = write_zip(folder / "remote/data/all.zip", pictures)
    server = s3.start(folder / "remote", "--bwlimit", "50M")
    try:
        whole = timed(lambda: fetch_whole(folder / "whole", server))
        print(f"remote ZIP of {size / 1e9:.2f} GB, whole: {whole:.1f} s")
        takes = {"2 of 40 sequences": {"sequences": 2}, "every 20th frame": {"stride": 20}}
        for number, (words, take) in enumerate(takes.items()):
            place = folder / f"part{number}"
            seconds = timed(lambda place=place, take=take: download(place, server, take))
            traffic = json.loads((place / "metrics/download/far.json").read_text())
            ratio = traffic["bytes_fetched"] / traffic["bytes_needed"]
            print(
                f"  {words}: {traffic['bytes_fetched'] / 1e6:.1f} MB, fetched/needed {ratio:.3f}, "
                f"{traffic['requests']} requests, {seconds:.1f} s: {whole / seconds:.1f} times faster than the whole"
            )
    finally:
        server.stop()
    shutil.rmtree(folder)


def write_zip(path: Path, pictures: list[bytes]) -> int:
    """A MOTChallenge ZIP of 40 sequences, frames stored; returns its size in bytes."""
    seqinfo = f"[Sequence]\nframeRate=10\nseqLength={FRAMES}\nimWidth={WIDTH}\nimHeight={HEIGHT}\nimExt=.jpg\n"
    gt = "".join(f"{frame},1,10,10,40,80,1,1,1\n" for frame in range(1, FRAMES + 1))
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(SEQUENCES):
            archive.writestr(f"s{number:02d}/seqinfo.ini", seqinfo)
            archive.writestr(f"s{number:02d}/gt/gt.txt", gt)
            for frame in range(1, FRAMES + 1):
                archive.writestr(f"s{number:02d}/img1/{frame:06d}.jpg", pictures[(frame * 7 + number) % len(pictures)])
    return path.stat().st_size


def fetch_whole(folder: Path, server: s3.S3Server) -> None:
    """Fetch the ZIP as one file."""
    folder.mkdir()
    code = f"from stages.transport.fetch import fetch; fetch('s3://data/all.zip', endpoint_url='{server.endpoint_url}')"
    run([sys.executable, "-c", code], folder, server.environment)


def download(folder: Path, server: s3.S3Server, take: dict) -> None:
    """Run the stage `download` on part of it."""
    folder.mkdir()
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["sources"]["far"] = {
        "format": "motchallenge",
        "path": "s3://data/all.zip",
        "endpoint_url": server.endpoint_url,
        "classes": {"pedestrian": "person"},
        "splits": {"train": 1.0},
        "take": take,
    }
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    run([sys.executable, "-m", "stages.download", "far"], folder, server.environment)


def run(command: list[str], folder: Path, extra: dict | None = None) -> None:
    """Run a command in ``folder`` and stop if it fails."""
    env = environment(folder / "home", **(extra or {})) | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{command}: {done.stderr[-2000:]}")


def pack(folder: Path, pictures: list[bytes], count: int = 6000) -> None:
    """Checking and packing frames into an archive against copying them."""
    (folder / "in/img1").mkdir(parents=True)
    paths = [f"img1/{number:06d}.jpg" for number in range(1, count + 1)]
    for number, path in enumerate(paths):
        (folder / "in" / path).write_bytes(pictures[number % len(pictures)])
    os.sync()
    copied, packed = [], []
    for _ in range(5):
        copied.append(timed(lambda: subprocess.run(["cp", "-r", folder / "in", folder / "copy"], check=True)))
        shutil.rmtree(folder / "copy")
        packed.append(timed(lambda: pack_once(folder, paths)))
    ratio = median(copied) / median(packed)
    print(f"packing {count} frames: {median(packed):.2f} s, cp -r {median(copied):.2f} s: {ratio:.2f} of its speed")


def pack_once(folder: Path, paths: list[str]) -> None:
    """Write one archive from the files in ``folder``/in."""
    frames = ImageFrames(FolderTree(folder / "in", "in"), paths)
    info = SequenceInfo("in", 10, WIDTH, HEIGHT, len(paths))
    write_archive(folder / "in.zip", info, frames.encoded(range(1, len(paths) + 1)), GT)


def read(folder: Path, rounds: int = 5) -> None:
    """Random access to frames, undecoded."""
    sequence = Sequence(folder / "in.zip")
    order = np.random.default_rng(0).permutation(sequence.info.length) + 1
    files = [folder / "in" / sequence.info.member(int(number)) for number in order]
    from_archive, from_files = [], []
    for _ in range(rounds):
        from_archive.append(timed(lambda: [sequence.encoded(int(number)) for number in order]))
        from_files.append(timed(lambda: [path.read_bytes() for path in files]))
    ratio = median(from_archive) / median(from_files)
    print(f"reading {len(order)} frames at random: archive / files {ratio:.2f}")


def push_and_pull(folder: Path, pictures: list[bytes]) -> None:
    """`dvc push`, then `dvc pull` with an empty cache."""
    (folder / "remote/skyward").mkdir(parents=True)
    server = s3.start(folder / "remote")
    try:
        seconds = {kind: push_and_pull_once(folder / kind, kind, pictures, server) for kind in ("loose", "archives")}
    finally:
        server.stop()
    for kind, (push, pull) in seconds.items():
        print(f"{PUSHED[0] * PUSHED[1]} frames as {kind}: dvc push {push:.1f} s, dvc pull {pull:.1f} s")
    print(f"  archives are {sum(seconds['loose']) / sum(seconds['archives']):.1f} times faster")


def push_and_pull_once(folder: Path, kind: str, pictures: list[bytes], server: s3.S3Server) -> tuple[float, float]:
    """Seconds of push and of pull."""
    data = folder / "data"
    data.mkdir(parents=True)
    for number in range(PUSHED[0]):
        # A byte behind the JPEG's end makes every frame a file of its own, as DVC keeps equal files once.
        frames = [pictures[i % len(pictures)] + f"{number} {i}".encode() for i in range(PUSHED[1])]
        if kind == "archives":
            write_archive(data / f"{number}.zip", SequenceInfo(str(number), 10, WIDTH, HEIGHT, PUSHED[1]), frames, GT)
            continue
        (data / str(number)).mkdir()
        for i, content in enumerate(frames, start=1):
            (data / str(number) / f"{i:06d}.jpg").write_bytes(content)
    dvc = lambda *arguments: run([sys.executable, "-m", "dvc", *arguments], folder, server.environment)  # noqa: E731
    dvc("init", "--no-scm", "--quiet")
    dvc("remote", "add", "--default", "storage", f"s3://skyward/{kind}")
    dvc("remote", "modify", "storage", "endpointurl", server.endpoint_url)
    dvc("add", "data")
    push = timed(lambda: dvc("push"))
    shutil.rmtree(data)
    shutil.rmtree(folder / ".dvc/cache")
    return push, timed(lambda: dvc("pull"))


if __name__ == "__main__":
    main()
