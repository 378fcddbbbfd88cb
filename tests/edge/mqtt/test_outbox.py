"""Live messages first and none lost, while the broker is unavailable, stalled, slow, or refuses messages."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np

from edge.core.types import Vitals, Waveform
from edge.mqtt.outbox import MAX_LIVE_IN_FLIGHT
from tests.helpers.brokers import Listener, broker_process, free_port, running_broker
from tests.helpers.network import Link
from tests.helpers.processes import child
from tests.helpers.publishing import GOOD, connected, start_publisher, wait

VITALS, BACKFILL = "radarecg/v1/radar-0001/vitals", "radarecg/v1/radar-0001/backfill/vitals"
WAVE = Waveform(GOOD.t_ns, 0, 50, np.ones(10))
LARGE = replace(GOOD, quality=replace(GOOD.quality, flags=("frame_loss",) * 1200))


def vitals(publisher, count: int = 1, like: Vitals = GOOD) -> list[int]:
    """Publishes `count` messages; returns their numbers."""
    publisher._quality = like.quality  # no event of a change between them
    before = publisher._seq
    for _ in range(count):
        publisher.vitals(like)
    return list(range(before + 1, publisher._seq + 1))


def arrived(listener: Listener, topic: str, count: int) -> list[int]:
    """Waits for `count` messages on a topic; returns their numbers."""
    wait(lambda: len(listener.seqs(topic)) >= count)
    return listener.seqs(topic)


def emptied(publisher) -> bool:
    return publisher.outbox.count().spool.messages == 0


def test_confirmed_messages_leave_the_spool(mosquitto_port, mmecg, tmp_path):
    publisher = connected(mosquitto_port, tmp_path, mmecg)
    vitals(publisher, 5)
    wait(lambda: emptied(publisher))
    publisher.close()


def test_an_outage_is_backfilled_after_live_messages(tmp_path, mmecg):
    port = free_port()
    publisher = start_publisher(port, tmp_path, mmecg)
    missed = vitals(publisher, 100)
    publisher.waveform(WAVE)
    assert publisher.outbox.count().dropped == 2  # a waveform and a health message, which are not spooled
    with running_broker("mosquitto", tmp_path, port):
        listener = Listener(port)
        assert publisher.client.connected.wait(timeout=60)
        live = vitals(publisher)
        assert arrived(listener, VITALS, 1) == live  # before the hundred: they take two seconds
        assert len(listener.seqs(BACKFILL)) < 50
        assert arrived(listener, BACKFILL, 100) == missed
        wait(lambda: emptied(publisher))
        publisher.close()
        listener.close()


def test_backfill_sends_the_unchanged_message(tmp_path, mmecg):
    port = free_port()
    publisher = start_publisher(port, tmp_path, mmecg)
    publisher.vitals(GOOD)
    with running_broker("mosquitto", tmp_path, port):
        listener = Listener(port)
        filled = json.loads(listener.wait_for(BACKFILL).payload)
        assert (filled["schema"], filled["hr"]["value"], filled["t_ns"]) == ("radarecg.vitals/1", 64.0, GOOD.t_ns)
        assert json.loads(listener.wait_for("/backfill/event").payload)["ended"] == ["warming_up"]
        publisher.close()
        listener.close()


def test_the_next_run_delivers_undelivered_messages(tmp_path, mmecg):
    port = free_port()
    first = start_publisher(port, tmp_path, mmecg)
    missed = vitals(first, 3)
    first.close()
    with running_broker("mosquitto", tmp_path, port):
        listener = Listener(port)
        second = connected(port, tmp_path, mmecg)
        assert arrived(listener, BACKFILL, 3) == missed
        second.close()
        listener.close()


def test_messages_in_flight_at_a_disconnect_are_backfilled_not_resent_live(mosquitto_port, mmecg, tmp_path):
    listener = Listener(mosquitto_port)
    with Link(mosquitto_port) as link:
        publisher = connected(link.port, tmp_path, mmecg)
        listener.wait_for("/info")
        link.bytes_per_s = 10.0  # the link stalls
        lost = vitals(publisher, 3)
        link.cut()
        link.bytes_per_s = float("inf")
        assert set(arrived(listener, BACKFILL, 3)) == set(lost)
        assert listener.seqs(VITALS) == []
        publisher.close()
    listener.close()


def test_a_stalled_broker_receives_no_live_backlog(tmp_path, mmecg):
    port = free_port()
    with broker_process("mosquitto", tmp_path, port) as broker:
        publisher = connected(port, tmp_path, mmecg)
        listener = Listener(port)
        broker.send_signal(signal.SIGSTOP)
        sent = vitals(publisher, 60)
        broker.send_signal(signal.SIGCONT)
        wait(lambda: emptied(publisher))
        live = listener.seqs(VITALS)
        later = arrived(listener, BACKFILL, 60 - len(live))
        # A message sent before may be in flight at the stop, and its acknowledgement may arrive meanwhile.
        assert abs(len(live) - MAX_LIVE_IN_FLIGHT) <= 2
        assert (live, later) == (sorted(live), sorted(later))
        assert sorted(live + later) == sent
        publisher.close()
        listener.close()


def test_a_slow_broker_receives_the_rest_as_backfill(mosquitto_port, mmecg, tmp_path):
    listener = Listener(mosquitto_port)
    with Link(mosquitto_port, bytes_per_s=10_000) as link:
        publisher = connected(link.port, tmp_path, mmecg)
        sent = vitals(publisher, 40)  # the link needs two seconds for them
        wait(lambda: emptied(publisher))
        assert sorted(listener.seqs(VITALS) + listener.seqs(BACKFILL)) == sent
        publisher.close()
    listener.close()


def test_a_refused_message_is_kept_and_logged(tmp_path, mmecg, caplog, monkeypatch):
    monkeypatch.setattr("edge.mqtt.outbox.REFUSED_PAUSE_S", 0.3)
    port, acl = free_port(), tmp_path / "acl"
    acl.write_text("topic write radarecg/v1/radar-0001/status\ntopic read radarecg/#\n")
    settings = f"allow_anonymous true\nacl_file {acl}"
    with running_broker("mosquitto", tmp_path, port, settings):
        publisher = connected(port, tmp_path, mmecg)
        refused = vitals(publisher, 3)
        wait(lambda: "refuses messages from this device: Not authorized" in caplog.text)
        time.sleep(1)  # and again
        assert publisher.outbox.count().spool.messages == 3
    acl.write_text("topic readwrite radarecg/#\n")
    with running_broker("mosquitto", tmp_path, port, settings):
        listener = Listener(port)
        assert arrived(listener, BACKFILL, 3) == refused
        publisher.close()
        listener.close()


def test_backfill_is_rate_limited(tmp_path, mmecg):
    port = free_port()
    publisher = start_publisher(port, tmp_path, mmecg, backfill_per_s=20.0)
    vitals(publisher, 40)
    with running_broker("mosquitto", tmp_path, port):
        listener = Listener(port)
        arrived(listener, BACKFILL, 40)
        times = [message.timestamp for message in listener.received if message.topic == BACKFILL]
        assert times[-1] - times[0] > 1.7  # 39 intervals of 50 ms, less the first tick's two
        publisher.close()
        listener.close()


def test_a_full_disk_affects_only_messages_that_need_the_spool(mosquitto_port, mmecg, tmp_path, caplog):
    listener = Listener(mosquitto_port)
    with Link(mosquitto_port) as link:
        publisher = connected(link.port, tmp_path, mmecg)
        db = publisher.outbox._spool._db
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count = {pages}")  # the disk is full
        vitals(publisher, 3, LARGE)
        assert arrived(listener, VITALS, 3) == [1, 2, 3]
        assert "messages that cannot be sent now are lost" in caplog.text
        wait(lambda: not publisher.outbox._live)  # the last acknowledgement may still be in flight
        link.end()
        wait(lambda: not publisher.client.connected.is_set())
        vitals(publisher, 1, LARGE)
        count = publisher.outbox.count()
        assert (count.dropped, count.spool.unstored) == (1, 4)
        publisher.close()
    listener.close()


def test_a_blocked_subscriber_does_not_delay_the_others(tmp_path, mmecg):
    port = free_port()
    with running_broker("mosquitto", tmp_path, port):
        code = (
            "from tests.helpers.brokers import Listener\n"
            f"listener = Listener({port})\nprint('ready', flush=True)\nlistener.wait_for('never', 60)\n"
        )
        with child([sys.executable, "-c", code], stdout=subprocess.PIPE) as stuck:
            stuck.stdout.readline()
            stuck.send_signal(signal.SIGSTOP)
            listeners = [Listener(port) for _ in range(19)]
            publisher = connected(port, tmp_path, mmecg)
            for _ in range(300):  # more than the sockets of the one that is stuck can hold
                vitals(publisher, 1, LARGE)
                time.sleep(0.01)
            for listener in listeners:
                wait(lambda listener=listener: len(listener.received) >= 300)  # then, reading all of them is worth it
                wait(lambda listener=listener: len(set(listener.seqs(VITALS) + listener.seqs(BACKFILL))) == 300)
                listener.close()
            publisher.close()
