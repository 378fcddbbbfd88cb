"""The example subscriber beside a real device and broker."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from edge.core.types import Quality
from tests.helpers.network import Link
from tests.helpers.processes import child
from tests.helpers.publishing import GOOD, connected

SUBSCRIBER = Path(__file__).parents[1] / "examples/subscriber.py"


def test_the_subscriber_prints_live_and_late_seconds_once_each(mosquitto_port, tmp_path, mmecg):
    moving = replace(
        GOOD, heart_rate_bpm=None, breathing_rate_bpm=None, quality=Quality("unusable", 0.1, ("body_movement",))
    )
    command = [sys.executable, SUBSCRIBER, "127.0.0.1", str(mosquitto_port)]
    with Link(mosquitto_port) as link, child(command, stdout=subprocess.PIPE, text=True) as hub:
        publisher = connected(link.port, tmp_path, mmecg)
        assert hub.stdout.readline() == "radar-0001 online started\n"
        link.bytes_per_s = 10.0  # the link stalls
        publisher.vitals(moving)
        link.cut()
        link.bytes_per_s = float("inf")
        assert hub.stdout.readline() == "radar-0001 online started\n"
        assert hub.stdout.readline() == "radar-0001 2026-11-20T17:40:00.000000Z body_movement late\n"
        publisher.vitals(GOOD)
        assert hub.stdout.readline() == "radar-0001 2026-11-20T17:40:00.000000Z 64 /min live\n"
        publisher.close()
        assert hub.stdout.readline() == "radar-0001 offline stopped\n"


def test_it_explains_itself_and_refuses_what_is_no_port():
    help_text = subprocess.run([sys.executable, SUBSCRIBER, "--help"], capture_output=True, text=True)
    assert help_text.returncode == 0
    assert "--client-id" in help_text.stdout
    wrong = subprocess.run([sys.executable, SUBSCRIBER, "127.0.0.1", "mqtt"], capture_output=True, text=True)
    assert wrong.returncode == 2
    assert "port" in wrong.stderr


def test_it_reports_a_refused_connection(strict_mosquitto_port):
    command = [sys.executable, SUBSCRIBER, "127.0.0.1", str(strict_mosquitto_port)]
    with child(command, stdout=subprocess.PIPE, text=True) as hub:
        assert hub.stdout.readline() == "the broker refused the connection: Not authorized\n"
