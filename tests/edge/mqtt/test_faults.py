"""No message is lost when the broker or the device is stopped or killed; a short run of bench/outage.py."""

import json
import subprocess
import sys
from pathlib import Path

from tests.helpers.brokers import command

BENCH = Path(__file__).parents[3] / "bench/outage.py"


def test_nothing_is_lost_through_two_outages_and_two_kills(tmp_path):
    command("mosquitto", 1, tmp_path)  # skips if not installed
    short = ["--messages", "2000", "--rate", "300", "--outage", "2"]
    done = subprocess.run([sys.executable, BENCH, *short], capture_output=True, text=True, timeout=200)
    summary = json.loads(done.stdout.splitlines()[-1])
    assert (summary["taken"], summary["missing"]) == (2000, 0), done.stderr
    assert summary["live_in_order"]
    assert summary["backfill_in_order"]
    assert summary["live"] > 500
    assert summary["backfilled"] > 300  # at least one of the two seconds without a broker
    assert done.returncode == 0
