"""As much of an MLflow server, on loopback, as a run needs: it keeps what it is told, can be away, and can lose it."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class MlflowServer:
    """Use it as a context; `address` is where it listens."""

    def __init__(self):
        self.experiment, self.status, self.away, self.batches = "", "", False, 0
        self.created, self.lost = 0, ""  # runs, and the one of them that is not there any more
        self.params: dict[str, str] = {}
        self.tags: dict[str, str] = {}
        self.numbers: list[tuple[str, int, float]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(parse_qs(urlsplit(self.path).query))

            def do_POST(self) -> None:
                self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def _answer(self, asked: dict) -> None:
                code, reply = outer.answer(urlsplit(self.path).path.split("/mlflow/")[-1], asked)
                body = json.dumps(reply).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, what: str, asked: dict) -> tuple[int, dict]:
        """Status and reply to one request."""
        if self.away:
            return 503, {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "away"}
        if what == "experiments/get-by-name":
            return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such experiment"}
        if what == "runs/get" and asked["run_id"] == [self.lost]:
            return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such run"}
        if what == "runs/create":
            self.created += 1
        if what == "experiments/create":
            self.experiment = asked["name"]
            return 200, {"experiment_id": "7"}
        if what == "runs/log-batch":
            self.batches += 1
            self.params |= {param["key"]: param["value"] for param in asked.get("params", [])}
            self.numbers += [(m["key"], int(m["step"]), float(m["value"])) for m in asked.get("metrics", [])]
        if what == "runs/set-tag":
            self.tags[asked["key"]] = asked["value"]
        if what == "runs/update":
            self.status = asked["status"]
        name = f"r{self.created}"
        info = {"run_id": name, "run_uuid": name, "experiment_id": "7", "status": "RUNNING", "start_time": 1}
        return 200, {"run": {"info": info, "data": {}}, "run_info": info}

    def __enter__(self) -> MlflowServer:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
