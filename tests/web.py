"""A web server on loopback that serves a folder, by ranges too, and can misbehave."""

from __future__ import annotations

import functools
import hashlib
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ENDLESS = 1 << 30


@dataclass(frozen=True)
class Fault:
    """What goes wrong, from the request number ``after`` (from 0) on, ``times`` times.

    ``kind``: a status; `close` and `stall` half-way through the body; `few` and `many` bytes; `other range`; `changed`:
    another ETag; `whole`: 200 to a range; `loop`: a redirect to itself; `garbage`: no HTTP at all.
    """

    kind: str
    after: int = 0
    times: int = ENDLESS


@dataclass
class WebServer:
    """Serves ``root``.

    ``asked`` are the paths asked for, ``headers`` what came with them; ``answers`` are statuses to give first, one a
    request. ``sent`` counts the bytes of bodies, ``ranges`` are the (first byte, byte behind the last) that were sent.
    """

    root: Path
    port: int = 0
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    redirects: dict[str, str] = field(default_factory=dict)
    short: int = 0  # how many answers to break off half-way
    fault: Fault | None = None
    knows_ranges: bool = True
    names_versions: bool = True
    retry_after: str = ""
    rate: float = 0.0  # bytes a second, of one answer; 0: as fast as can be
    sent: int = 0
    ranges: list[tuple[int, int]] = field(default_factory=list)
    connections: int = 0
    read: dict[Path, tuple] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def address(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def start(self) -> ThreadingHTTPServer:
        server = _Server(("127.0.0.1", 0), functools.partial(_Handler, self))
        self.port = server.server_port
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server

    def content(self, path: Path) -> tuple[bytes, str]:
        """A file's content and its MD5, read once as long as it does not change."""
        stat = path.stat()
        with self.lock:
            if path not in self.read or self.read[path][0] != (stat.st_mtime_ns, stat.st_size):
                content = path.read_bytes()
                self.read[path] = ((stat.st_mtime_ns, stat.st_size), content, hashlib.md5(content).hexdigest())
            return self.read[path][1:]

    def forget(self) -> None:
        """Begin to count anew."""
        self.asked.clear()
        self.headers.clear()
        self.ranges.clear()
        self.sent = 0


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *args) -> None:
        """A client that was killed is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, web: WebServer, *args):
        self.web = web
        super().__init__(*args)

    def setup(self) -> None:
        super().setup()
        self.web.connections += 1

    def do_GET(self) -> None:
        web = self.web
        with web.lock:
            number = len(web.asked)
            web.asked.append(self.path)
            web.headers.append(dict(self.headers))
            status = web.answers.pop(0) if web.answers else 0
        fault = web.fault
        kind = fault.kind if fault and fault.after <= number < fault.after + fault.times else ""
        path = web.root / self.path.partition("?")[0].lstrip("/")
        if status or kind.isdecimal():
            self._status(status or int(kind))
        elif kind == "loop" or self.path in web.redirects:
            self._status(302, web.redirects.get(self.path, self.path))
        elif kind == "garbage":
            self.wfile.write(b"\0\1\2 good day\r\n\r\n")
            self.close_connection = True
        elif not path.is_file():
            self._status(404)
        else:
            self._send(*self.web.content(path), kind)

    def _status(self, status: int, location: str = "") -> None:
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        if self.web.retry_after:
            self.send_header("Retry-After", self.web.retry_after)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"sorry")

    def _send(self, content: bytes, digest: str, kind: str) -> None:
        etag = f'"{digest}{kind if kind == "changed" else ""}"'
        start, end, status = 0, len(content), 200
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        held = self.headers.get("If-Range", etag) == etag
        if wanted and held and self.web.knows_ranges and kind != "whole":
            start, end, status = int(wanted[1]), min(len(content), int(wanted[2]) + 1), 206
            if start >= len(content):
                return self._status(416)
        shift = 1 if kind == "other range" else 0
        body = content[start + shift : end + shift]
        body = {"few": body[: len(body) // 2], "many": body + b"more"}.get(kind, body)
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start + shift}-{end + shift - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(body)))
        if self.web.names_versions:
            self.send_header("ETag", etag)
        self.end_headers()
        self._body(start, body, kind)

    def _body(self, start: int, body: bytes, kind: str) -> None:
        cut = kind in ("close", "stall") or self.web.short > 0
        self.web.short -= min(1, self.web.short)
        body = body[: len(body) // 2] if cut else body
        for at in range(0, len(body), 1 << 14):
            block = body[at : at + (1 << 14)]
            self.wfile.write(block)
            with self.web.lock:
                self.web.sent += len(block)
            time.sleep(len(block) / self.web.rate if self.web.rate else 0)
        with self.web.lock:
            self.web.ranges.append((start, start + len(body)))
        if kind == "stall":
            time.sleep(1.5)
        self.close_connection = self.close_connection or cut

    def log_message(self, *args) -> None:
        pass
