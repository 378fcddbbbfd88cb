"""A FHIR server for tests: answers as configured and records what it receives."""

import http.server
import json
import threading
from collections.abc import Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import NamedTuple


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str] = MappingProxyType({})
    body: bytes = b""


class Request(NamedTuple):
    method: str
    path: str
    resource: dict | None
    headers: dict[str, str]


class Server(http.server.ThreadingHTTPServer):
    """Answers POST with the next of `answers`, a status or an Answer, then with 201; GET always with 200."""

    def __init__(self, *answers: int | Answer, tls=None) -> None:
        self.answers, self.requests = list(answers), []
        super().__init__(("127.0.0.1", 0), Handler)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server_port}/fhir/Observation"

    @property
    def stored(self) -> list[dict]:
        """What it created."""
        return [request.resource for request in self.requests if request.method == "POST"]

    def handle_error(self, request, client_address) -> None:
        """A client that breaks off the TLS handshake is no news."""


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = self.server.answers.pop(0) if self.server.answers else 201
        answer = answer if isinstance(answer, Answer) else Answer(answer)
        self.server.requests.append(Request("POST", self.path, json.loads(body), dict(self.headers)))
        self._send(answer)

    def do_GET(self):
        self.server.requests.append(Request("GET", self.path, None, dict(self.headers)))
        self._send(Answer(200, {"Content-Type": "application/fhir+json"}, b'{"resourceType": "Bundle"}'))

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_):
        pass


@contextmanager
def running_server(*answers: int | Answer, tls=None):
    with Server(*answers, tls=tls) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()
