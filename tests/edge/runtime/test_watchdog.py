"""A chain that hangs ends its process, and the broker then publishes that the device is offline."""

import json
import re
import subprocess
import sys

import pytest

from edge.runtime.watchdog import HUNG, MAX_VITALS_GAP_S
from tests.conftest import ROOT
from tests.edge.runtime.test_operations import running
from tests.helpers.brokers import Listener, free_port

PROGRAM = """
import logging, sys, threading, time
from edge.runtime import watchdog
from tests.helpers.web import vitals

watchdog.MAX_VITALS_GAP_S = 0.2
dog = watchdog.Watchdog()
if "blocked log" in sys.argv:
    logging.getLogger().addHandler(logging.StreamHandler(sys.stderr))
    threading.Thread(target=lambda: (logging.getLogger().handlers[0].acquire(), time.sleep(600)), daemon=True).start()
    time.sleep(0.1)
dog.start()
for _ in range(5):
    time.sleep(0.05)
    dog.vitals(vitals())
print("chain", flush=True)
if "ends" in sys.argv:
    dog.close()
    time.sleep(0.5)
else:
    threading.Event().wait()  # a call that does not return
"""


def hang(*how: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", PROGRAM, *how], cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_a_call_that_does_not_return_ends_the_process_with_the_place_where_it_hangs():
    done = hang()
    assert (done.returncode, done.stdout) == (HUNG, "chain\n")
    assert "no vitals for 0.2 s: the chain hangs" in done.stderr
    assert re.search(r'File "<string>", line \d+ in <module>', done.stderr)


def test_a_log_that_blocks_does_not_prevent_the_end():
    assert hang("blocked log").returncode == HUNG


def test_a_chain_that_has_ended_is_not_watched():
    assert hang("ends").returncode == 0


def test_it_acts_before_systemd_does():
    """The unit's WatchdogSec is the second line of defence, for a process whose threads do not run at all."""
    unit = (ROOT / "deploy/radarecg.service").read_text()
    (watchdog_s,) = re.findall(r"^WatchdogSec=(\d+)$", unit, re.MULTILINE)
    assert int(watchdog_s) > MAX_VITALS_GAP_S + 1


HANGING = """
import threading
from edge.runtime import service
from edge.__main__ import main

class Hanging(service.Pipeline):
    def push(self, frame):
        if self.frames.received > 20:
            threading.Event().wait()
        return super().push(frame)

service.Pipeline = Hanging
raise SystemExit(main(["run", "--config", {path!r}]))
"""


@pytest.mark.slow
def test_a_service_that_hangs_ends_and_is_offline(tmp_path, mosquitto_port, cfg_50):
    path, data_port = tmp_path / "radarecg.toml", free_port()
    path.write_text(
        f'device = "radar-0001"\nnetwork.backend = "none"\n[radar]\ncfg = "{cfg_50}"\ndata_host = "127.0.0.1"\n'
        f"data_port = {data_port}\n[mqtt]\nport = {mosquitto_port}\n"
    )
    hub = Listener(mosquitto_port)
    with running("twin", "--cfg", cfg_50, "--port", data_port, "--truth-port", free_port()):
        done = subprocess.run(
            [sys.executable, "-c", HANGING.format(path=str(path))],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.returncode == HUNG, done.stderr
    gone = hub.wait_for("/status", matching=lambda message: json.loads(message.payload)["state"] == "offline")
    assert json.loads(gone.payload)["reason"] == "connection_lost"
    hub.close()
