"""A FHIR server for tests and bench/hub_faults.py: creates conditionally, updates, processes batches; or fails."""

import http.server
import itertools
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

FHIR = {"Content-Type": "application/fhir+json"}


class Answer(NamedTuple):
    """`is_processed`: the request is carried out before it is answered so. Status 0: the connection ends instead."""

    status: int
    headers: Mapping[str, str] = MappingProxyType({})
    body: bytes = b""
    is_processed: bool = False


class Request(NamedTuple):
    method: str
    path: str
    resource: dict | None
    headers: dict[str, str]


class Server(http.server.ThreadingHTTPServer):
    """Keeps resources by type and search; a request is answered with the next of `answers` while there are any.

    `refuse`: returns the status with which a resource is refused, or None.
    """

    daemon_threads = True

    def __init__(self, *answers: int | Answer, tls=None, port: int = 0, resources: dict | None = None) -> None:
        self.answers: Iterator[int | Answer] = iter(answers)
        self.requests: list[Request] = []
        self.resources: dict[tuple[str, str], dict] = {} if resources is None else resources
        self.writes: Counter[tuple[str, str]] = Counter()
        self.refuse: Callable[[dict], int | None] = lambda resource: None
        self._lock, self._unnamed = threading.Lock(), itertools.count()
        super().__init__(("127.0.0.1", port), Handler)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.base = f"{'https' if tls else 'http'}://127.0.0.1:{self.server_port}/fhir"
        self.url = f"{self.base}/Observation"

    @property
    def stored(self) -> list[dict]:
        """All Observations, in order of creation."""
        return [resource for (kind, _), resource in list(self.resources.items()) if kind == "Observation"]

    def script(self, answers: Iterable[int | Answer]) -> None:
        """Answer the next requests so."""
        self.answers = iter(answers)

    def execute(self, method: str, url: str, if_none_exist: str | None, resource: dict) -> tuple[int, dict | None]:
        """Carry out one request; return the status, and the resource that the server has then."""
        if status := self.refuse(resource):
            return status, None
        parts = urlsplit(url)
        search = unquote(parts.query) if method == "PUT" else if_none_exist or f"unnamed {next(self._unnamed)}"
        if method == "PUT":
            assert parse_qs(parts.query)["identifier"]
        key = (parts.path.rsplit("/", 1)[-1], search)
        with self._lock:
            existed = key in self.resources
            if method == "PUT" or not existed:
                self.resources[key] = resource
                self.writes[key] += 1
            return 200 if existed else 201, self.resources[key]

    def handle_error(self, request, client_address) -> None:
        """A client that breaks off the TLS handshake is no news."""


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        resource = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(Request(self.command, self.path, resource, dict(self.headers)))
        answer = next(self.server.answers, None)
        answer = Answer(answer) if isinstance(answer, int) else answer
        done = self._process(resource) if answer is None or answer.is_processed else None
        self._send(answer or done)

    def do_PUT(self):
        self.do_POST()

    def do_GET(self):
        self.server.requests.append(Request("GET", self.path, None, dict(self.headers)))
        self._send(Answer(200, FHIR, b'{"resourceType": "Bundle"}'))

    def _process(self, resource: dict) -> Answer:
        if resource.get("resourceType") != "Bundle":
            status, kept = self.server.execute(self.command, self.path, self.headers["If-None-Exist"], resource)
            return Answer(status, FHIR, json.dumps(kept or {"resourceType": "OperationOutcome"}).encode())
        entries = []
        for entry in resource["entry"]:
            request = entry["request"]
            arguments = (request["method"], request["url"], request.get("ifNoneExist"), entry["resource"])
            status, kept = self.server.execute(*arguments)
            outcome = {} if kept else {"outcome": {"resourceType": "OperationOutcome"}}
            entries.append({"resource": kept, "response": {"status": f"{status} As It Is", **outcome}})
        bundle = {"resourceType": "Bundle", "type": "batch-response", "entry": entries}
        return Answer(200, FHIR, json.dumps(bundle).encode())

    def _send(self, answer: Answer) -> None:
        if not answer.status:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_):
        pass


@contextmanager
def running_server(*answers: int | Answer, tls=None, port: int = 0, resources: dict | None = None):
    with Server(*answers, tls=tls, port=port, resources=resources) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()
