"""A real S3 server on loopback: `rclone serve s3`, with access keys, on a free port."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ACCESS_KEY, SECRET_KEY = "skyward-tests", "only-on-loopback-0123456789"


@dataclass
class S3Server:
    """Buckets are the folders in ``root``; stop it with `stop`."""

    root: Path
    port: int
    process: subprocess.Popen

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> Mapping[str, str]:
        """What a client needs to be let in; it looks for keys nowhere else."""
        return credentials(ACCESS_KEY, SECRET_KEY)

    def bucket(self, name: str) -> Path:
        """Make a bucket; files put into the folder are its objects."""
        folder = self.root / name
        folder.mkdir(exist_ok=True)
        return folder

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


def credentials(access_key: str, secret_key: str) -> dict[str, str]:
    """The environment variables that boto3 and DVC read, and those that keep them from looking elsewhere."""
    return {
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret_key,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def start(root: Path, *options: str) -> S3Server:
    """Start a server whose buckets are the folders in ``root``, with rclone's ``options``, and wait for its answer."""
    port = free_port()
    command = [_rclone(), "serve", "s3", str(root), "--addr", f"127.0.0.1:{port}"]
    command += ["--auth-key", f"{ACCESS_KEY},{SECRET_KEY}", "--config", "", *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _wait(process, port)
    return S3Server(root, port, process)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _rclone() -> str:
    beside = Path(sys.executable).parent / "rclone"
    return str(beside) if beside.exists() else shutil.which("rclone") or "rclone"


def _wait(process: subprocess.Popen, port: int) -> None:
    for _ in range(200):
        if process.poll() is not None:
            raise RuntimeError(f"rclone ended with status {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    process.terminate()
    raise RuntimeError("rclone does not answer")
