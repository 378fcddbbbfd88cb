"""Faults of the network for bench/faults.py: addresses that vanish, and a broker that breaks MQTT.

As root, the bench runs in a network namespace of its own, in which it may take addresses away.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time

from device_rig import BROKER, Rig
from hostile_broker import TRICKS, HostileBroker

from edge.vitals.quality import MAX_SILENCE_S

LOOPBACK = ("127.0.0.1/8", "dev", "lo")
MAX_RECONNECT_WAIT_S = 1.0
TRICKS_TIMEOUT_S = 600.0
_CLONE_NEWNET = 0x40000000  # sched.h; os.unshare needs Python 3.12


def enter_network_namespace() -> str | None:
    """Move this process, before it starts others, to a new network namespace; return why that is impossible, if so."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(_CLONE_NEWNET):
        return f"no network namespace of its own ({os.strerror(ctypes.get_errno())}): run it as root"
    try:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    except FileNotFoundError:
        raise SystemExit("ip not found: apt install iproute2") from None
    return None


def remove_address(rig: Rig, seconds: float) -> None:
    """The address at which the card and the broker are reached vanishes, and with it the radar's packets."""
    start_s = time.monotonic()
    rig.twin.send_signal(signal.SIGSTOP)  # on a cable, a card goes on; here its program would fail
    subprocess.run(["ip", "address", "delete", *LOOPBACK], check=True)
    time.sleep(MAX_SILENCE_S + seconds)
    subprocess.run(["ip", "address", "add", *LOOPBACK], check=True)
    rig.unmeasured.append((start_s + 2 * MAX_SILENCE_S + 1, time.monotonic()))
    rig.twin.send_signal(signal.SIGCONT)


def play_tricks(rig: Rig, _seconds: float) -> None:
    """A broker that breaks MQTT takes the place of the real one until the device has met each of TRICKS."""
    rig.tell(f"reconnect {MAX_RECONNECT_WAIT_S}")
    rig.broker.process.kill()
    rig.broker.process.wait()
    hostile = HostileBroker(BROKER, rig.mqtt_port)
    if not rig.wait_until(lambda: hostile.played > len(TRICKS), TRICKS_TIMEOUT_S):
        rig.refused += 1
        print(f"the device has met {hostile.played} of {len(TRICKS)} tricks", flush=True)
    hostile.close()
    rig.broker.start()
