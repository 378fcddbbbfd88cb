"""The broker stopped and killed, the device killed: nothing may be missing. The long form is bench/outage.py itself."""

import json
import subprocess
import sys
from pathlib import Path

from tests.helpers.brokers import command

BENCH = Path(__file__).parents[3] / "bench/outage.py"


def test_nothing_is_lost_through_two_outages_and_two_kills(tmp_path):
    command("mosquitto", 1, tmp_path)  # skips where there is none
    short = ["--messages", "2000", "--rate", "300", "--outage", "2"]
    done = subprocess.run([sys.executable, BENCH, *short], capture_output=True, text=True, timeout=200)
    summary = json.loads(done.stdout.splitlines()[-1])
    assert (summary["taken"], summary["missing"]) == (2000, 0), done.stderr
    assert summary["live_in_order"]
    assert summary["backfill_in_order"]
    assert summary["live"] > 500
    assert summary["backfilled"] > 300  # one second of the two without a broker, at least
    assert done.returncode == 0
