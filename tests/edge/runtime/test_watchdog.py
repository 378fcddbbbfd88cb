"""A chain that hangs ends its process, and the broker then publishes that the device is offline."""

import json
import os
import re
import subprocess
import sys

import pytest

from edge.runtime.watchdog import HUNG, MAX_VITALS_GAP_S
from tests.conftest import ROOT
from tests.edge.runtime.test_operations import running
from tests.helpers.brokers import Listener, free_port
from tests.helpers.bundles import hanging
from tests.helpers.processes import child

PROGRAM = """
import logging, sys, threading, time
from edge.runtime import watchdog
from tests.helpers.web import vitals

watchdog.MAX_VITALS_GAP_S = 0.2


def on_hang():
    print("reported", flush=True)
    if "blocked report" in sys.argv:
        threading.Event().wait()


dog = watchdog.Watchdog(on_hang)
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
    assert (done.returncode, done.stdout) == (HUNG, "chain\nreported\n")
    assert "no vitals for 0.2 s: the chain hangs" in done.stderr
    assert re.search(r'File "<string>", line \d+ in <module>', done.stderr)


@pytest.mark.parametrize("what", ["log", "report"])
def test_what_blocks_does_not_prevent_the_end(what):
    assert hang(f"blocked {what}").returncode == HUNG


def test_a_chain_that_has_ended_is_not_watched():
    done = hang("ends")
    assert (done.returncode, done.stdout) == (0, "chain\n")


def test_it_acts_before_systemd_does():
    """The unit's WatchdogSec is the second line of defence, for a process whose threads do not run at all."""
    unit = (ROOT / "deploy/radarecg.service").read_text()
    (watchdog_s,) = re.findall(r"^WatchdogSec=(\d+)$", unit, re.MULTILINE)
    assert int(watchdog_s) > MAX_VITALS_GAP_S + 1


@pytest.mark.slow
def test_a_network_that_never_returns_ends_the_service_which_is_offline_until_it_runs_again(
    tmp_path, mosquitto_port, cfg_50
):
    """Started again at once, as by systemd. If that takes longer than the MQTT will's delay, the will comes too."""
    path, data_port, bundle = tmp_path / "radarecg.toml", free_port(), hanging(tmp_path / "hanging")
    path.write_text(
        f'device = "radar-0001"\nnetwork.bundle = "{bundle}"\n[radar]\ncfg = "{cfg_50}"\ndata_host = "127.0.0.1"\n'
        f"data_port = {data_port}\n[mqtt]\nport = {mosquitto_port}\n"
    )
    hub = Listener(mosquitto_port)
    command = [sys.executable, "-m", "edge", "run", "--config", str(path)]
    (tmp_path / "sitecustomize.py").write_text("import container_start\n")
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT / 'tests/container/hanging'}"}
    with running("twin", "--cfg", cfg_50, "--port", data_port, "--truth-port", free_port()):
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == HUNG, done.stderr
        with child(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL):
            states = [json.loads(hub.wait_for("/status").payload)]
            while len(states) < 3:
                status = json.loads(hub.wait_for("/status").payload)
                states += [status] if status["state"] != states[-1]["state"] else []
    assert [(each["state"], each["reason"]) for each in states] == [
        ("online", "started"),
        ("offline", "connection_lost"),
        ("online", "started"),
    ]
    assert states[0]["boot"] == states[1]["boot"] != states[2]["boot"]
    assert any(message.topic.endswith("/vitals") for message in hub.received)
    hub.close()
