"""A web server on loopback that serves a folder and can misbehave."""

from __future__ import annotations

import functools
import hashlib
import threading
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class WebServer:
    """Serves ``root``.

    ``asked`` are the paths asked for, ``headers`` what came with them; ``answers`` are statuses to give first, one a
    request.
    """

    root: Path
    port: int = 0
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    redirects: dict[str, str] = field(default_factory=dict)
    short: int = 0  # how many answers to break off half-way

    def address(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def start(self) -> ThreadingHTTPServer:
        server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, self))
        self.port = server.server_port
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, web: WebServer, *args):
        self.web = web
        super().__init__(*args, directory=str(web.root))

    def do_GET(self) -> None:
        self.web.asked.append(self.path)
        self.web.headers.append(dict(self.headers))
        path = self.web.root / self.path.partition("?")[0].lstrip("/")
        if self.web.answers:
            self.send_error(self.web.answers.pop(0))
        elif self.path in self.web.redirects:
            self.send_response(302)
            self.send_header("Location", self.web.redirects[self.path])
            self.end_headers()
        elif not path.is_file():
            self.send_error(404)
        else:
            self._send(path.read_bytes())

    def _send(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.md5(content).hexdigest()}"')
        self.end_headers()
        if self.web.short:
            self.web.short -= 1
            content = content[: len(content) // 2]
        self.wfile.write(content)

    def log_message(self, *args) -> None:
        pass
