"""A real InfluxDB for a test."""

import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.helpers.brokers import free_port
from tests.helpers.publishing import wait


@contextmanager
def running_influxdb(folder: Path) -> Iterator[Callable[..., dict]]:
    """InfluxDB 1, whose language InfluxDB 2 answers too: sends a request, returns the answer."""
    if shutil.which("influxd") is None:
        pytest.skip("influxd is not installed (.ci/run installs it)")
    port, rpc_port = free_port(), free_port()
    folders = "\n".join(
        f'[{name}]\ndir = "{folder}/{name}"\n' + (f'wal-dir = "{folder}/wal"\n' if name == "data" else "")
        for name in ("meta", "data")
    )
    config = folder / "influxdb.conf"
    config.write_text(
        f'reporting-disabled = true\nbind-address = "127.0.0.1:{rpc_port}"\n{folders}'
        f'[http]\nbind-address = "127.0.0.1:{port}"\n'
    )

    def request(path: str, data: str = "", **parameters: str) -> dict:
        url = f"http://127.0.0.1:{port}/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(urllib.request.Request(url, data.encode(), method="POST"), timeout=60) as answer:
            return json.loads(answer.read() or b"{}")

    with subprocess.Popen(
        ["influxd", "-config", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            wait(lambda: _answers(request))
            yield request
        finally:
            server.kill()


def _answers(request) -> bool:
    try:
        request("query", q="CREATE DATABASE radarecg")
    except OSError:
        return False
    return True
