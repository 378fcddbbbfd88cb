"""What the demo counts, from a real broker and a twin that says what is true."""

import json
import socket
import threading
from dataclasses import replace

import pytest

from edge.demo.subscriber import Subscriber
from tests.peers.publishing import GOOD, connected, wait


@pytest.fixture
def truth():
    """A twin that answers with the last of `bpm`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as twin:
        twin.bind(("127.0.0.1", 0))
        twin.settimeout(0.05)
        twin_says, ended = [0.0], threading.Event()

        def answer():
            while not ended.is_set():
                try:
                    _, asker = twin.recvfrom(1024)
                except TimeoutError:
                    continue
                twin.sendto(json.dumps({"heart_rate_bpm": twin_says[-1]}).encode(), asker)

        thread = threading.Thread(target=answer)
        thread.start()
        yield twin.getsockname()[1], twin_says
        ended.set()
        thread.join()


def test_a_rate_is_wrong_when_it_is_off_by_more_than_5_a_minute_and_a_tenth(mosquitto_port, mmecg, tmp_path, truth):
    port, twin_says = truth
    publisher = connected(mosquitto_port, tmp_path, mmecg)
    subscriber = Subscriber("radar-0001", mosquitto_port, port)
    watch = subscriber.watch
    wait(lambda: subscriber.update(0.1) is None and watch.messages)  # subscribed: what is retained has come
    right = ((64.0, 64.0), (64.0, 69.5), (120.0, 109.5), (None, 90.0))
    wrong = ((64.0, 58.0), (44.0, 49.4), (120.0, 108.0))
    for said, true in (*right, *wrong):
        twin_says.append(true)
        publisher.vitals(replace(GOOD, heart_rate_bpm=said))
        count = watch.vitals_count
        wait(lambda count=count: subscriber.update(0.1) is not None or watch.vitals_count > count)
    assert (watch.wrong, len(watch.errors_bpm)) == (3, 6)
    publisher.close()
    subscriber.close()
