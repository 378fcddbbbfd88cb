"""Injects faults into a running device, and checks that none of them loses a message, forges a rate or stops it.

    python bench/faults.py [--only NAME ...] [--seconds 25]

Runs `radarecg run`, the twin and mosquitto as processes, and a subscriber. Each fault of FAULTS acts on a device that
publishes a valid heart rate, and ends; then the device must publish vitals again. A device that ends is started again,
as systemd or a container's engine would do. Counts messages that the device accepted and that never arrived (`lost`),
seconds with a valid rate that is wrong or that nothing measured (`false_valid_s`), and devices that did not publish
again (`stuck`). Prints a table; the last line is JSON; the exit status is 1 unless all three are 0.
"""

from __future__ import annotations

import argparse
import json
import resource
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from device_rig import Rig
from hub_faults import CLIENTS, HUB_FAULTS, silent_clients
from network_faults import enter_network_namespace, play_tricks, remove_address

from edge.vitals.quality import MAX_SILENCE_S

FORGER, FORGED_BPM = "127.0.0.3", 110.0
START_TIMEOUT_S = 300.0
RECOVERY_TIMEOUT_S = 300.0  # on a computer on which other work uses all cores


def silence(rig: Rig, seconds: float, step_s: float = 0.0) -> None:
    """The radar stops; meanwhile the clock may be set."""
    start_s = time.monotonic()
    rig.twin.send_signal(signal.SIGSTOP)
    time.sleep(MAX_SILENCE_S)
    if step_s:
        rig.tell(f"clock {step_s}")
    time.sleep(seconds)
    # One more second: vitals of up to MAX_SILENCE_S after the last frame may be valid, and are published each second.
    rig.unmeasured.append((start_s + 2 * MAX_SILENCE_S + 1, time.monotonic()))
    rig.twin.send_signal(signal.SIGCONT)


def set_clock(rig: Rig, seconds: float, step_s: float) -> None:
    """The clock is set while the radar streams."""
    rig.tell(f"clock {step_s}")
    time.sleep(seconds)


def kill_device(rig: Rig, seconds: float) -> None:
    """SIGKILL, as for lack of memory."""
    rig.device.kill()
    time.sleep(seconds)


def stop_device(rig: Rig, seconds: float) -> None:
    """SIGSTOP of the device's process."""
    rig.device.send_signal(signal.SIGSTOP)
    time.sleep(seconds)
    rig.device.send_signal(signal.SIGCONT)


def hang_chain(rig: Rig, _seconds: float) -> None:
    """A call of the chain does not return: the device must end itself."""
    before = rig.restarts
    rig.tell("hang")
    rig.wait_until(lambda: rig.restarts > before, RECOVERY_TIMEOUT_S)


def restart_broker(rig: Rig, seconds: float) -> None:
    """The broker is killed and started again."""
    rig.broker.process.kill()
    rig.broker.process.wait()
    time.sleep(seconds)
    rig.broker.start()


def freeze_broker(rig: Rig, seconds: float) -> None:
    """SIGSTOP of the broker: connections stay open, nothing is confirmed."""
    rig.broker.process.send_signal(signal.SIGSTOP)
    time.sleep(seconds)
    rig.broker.process.send_signal(signal.SIGCONT)


def forge_card(rig: Rig, seconds: float, silent: bool = False) -> None:
    """Another computer sends the frames of another person, from its own address; the radar may be silent meanwhile."""
    start_s, ended = time.monotonic(), threading.Event()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as relay, ExitStack() as stack:
        relay.bind((FORGER, 0))
        relay.settimeout(0.2)

        def forward() -> None:
            while not ended.is_set():
                try:
                    relay.sendto(relay.recv(2048), ("127.0.0.1", rig.data_port))
                except TimeoutError:
                    continue

        if silent:
            rig.twin.send_signal(signal.SIGSTOP)
        stack.callback(rig.start_twin(FORGER, relay.getsockname()[1], FORGED_BPM).kill)
        thread = threading.Thread(target=forward)
        thread.start()
        time.sleep(seconds)
        ended.set()
        thread.join()
    if silent:
        rig.unmeasured.append((start_s + 2 * MAX_SILENCE_S + 1, time.monotonic()))
        rig.twin.send_signal(signal.SIGCONT)


def fill_disk(rig: Rig, seconds: float) -> None:
    """No file of the device may grow, while the broker is reachable."""
    limits = resource.prlimit(rig.device.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(rig.device.pid, resource.RLIMIT_FSIZE, (0, limits[1]))
    time.sleep(seconds)
    if rig.device.poll() is None:
        resource.prlimit(rig.device.pid, resource.RLIMIT_FSIZE, limits)


def exhaust_descriptors(rig: Rig, seconds: float) -> None:
    """The device may open no further file or connection; the broker ends the present one."""
    limits = resource.prlimit(rig.device.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(
        rig.device.pid, resource.RLIMIT_NOFILE, (len([*Path(f"/proc/{rig.device.pid}/fd").iterdir()]), limits[1])
    )
    restart_broker(rig, seconds)
    if rig.device.poll() is None:
        resource.prlimit(rig.device.pid, resource.RLIMIT_NOFILE, limits)


ADDRESS_GONE = "the address of card and broker is gone"
Fault = Callable[[Rig, float], None]
FAULTS: dict[str, Fault] = {
    "the radar is silent": silence,
    "the clock is set back 4 s in a silence": lambda rig, s: silence(rig, s, -4),
    "the clock is set back an hour in a silence": lambda rig, s: silence(rig, s, -3600),
    "the clock is set forward an hour in a silence": lambda rig, s: silence(rig, s, 3600),
    "the clock is set back an hour": lambda rig, s: set_clock(rig, s, -3600),
    "the clock is set forward an hour": lambda rig, s: set_clock(rig, s, 3600),
    "the device is killed": kill_device,
    "the device is stopped": stop_device,
    "the chain hangs": hang_chain,
    "the broker restarts": restart_broker,
    "the broker freezes": freeze_broker,
    "another sender while the radar streams": forge_card,
    "another sender while the radar is silent": lambda rig, s: forge_card(rig, s, silent=True),
    "the disk is full": fill_disk,
    "no descriptors are left": exhaust_descriptors,
    f"{CLIENTS} silent clients of the page": silent_clients,
    ADDRESS_GONE: remove_address,
    "a hostile broker": play_tricks,
    "the spool cannot be written": lambda rig, s: time.sleep(s),
}
"""Each acts for about that many seconds, and then ends; one more fault is a function and a row."""
SETTINGS = {"the spool cannot be written": {"spool": "card.toml/spool.db"}}  # as on a read-only file system


def inject(rig: Rig, name: str, seconds: float) -> dict[str, int]:
    """Run one fault on a device that publishes a valid rate; return its counts."""
    taken_before, first = set(rig.taken), len(rig.vitals)
    FAULTS[name](rig, seconds)
    end_s = time.monotonic()
    recovered = rig.wait_until(lambda: rig.has_valid_rate_since(end_s), RECOVERY_TIMEOUT_S)
    taken = set(rig.taken) - taken_before
    rig.wait_until(lambda: taken <= rig.arrived, RECOVERY_TIMEOUT_S)
    lost = len(taken - rig.arrived)
    return {"lost": lost, "false_valid_s": rig.false_valid_s(first), "stuck": int(not recovered or rig.refused > 0)}


def inject_all(names: list[str], seconds: float) -> Iterator[tuple[str, dict[str, int]]]:
    """Run faults one after the other, on a new device where the last one is stuck; yield their counts."""
    while names:
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            if names[0] in HUB_FAULTS:
                name, *names = names
                yield name, HUB_FAULTS[name](Path(folder), seconds)
                continue
            settings = SETTINGS.get(names[0], {})
            rig = Rig(stack, Path(folder), **settings)
            if not rig.wait_until(partial(rig.has_valid_rate_since, 0), START_TIMEOUT_S):
                sys.exit(f"{names[0]}: the device publishes no valid rate, so the fault cannot be tested")
            stuck = 0
            while names and not stuck and names[0] in FAULTS and SETTINGS.get(names[0], {}) == settings:
                name, *names = names
                counts = inject(rig, name, seconds)
                stuck = counts["stuck"]
                yield name, counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", choices=[*FAULTS, *HUB_FAULTS], nargs="+", metavar="NAME", help="these faults; without it, all"
    )
    parser.add_argument("--seconds", type=float, default=25.0, help="duration of a fault (default: %(default)g)")
    args = parser.parse_args()
    total = {"lost": 0, "false_valid_s": 0, "stuck": 0}
    names = args.only or [*FAULTS, *HUB_FAULTS]
    if (problem := enter_network_namespace()) and ADDRESS_GONE in names:
        print(f"not tried: {ADDRESS_GONE}: {problem}", flush=True)
        names.remove(ADDRESS_GONE)
    for name, counts in inject_all(names, args.seconds):
        print(f"{name:>45}  " + "  ".join(f"{key} {value}" for key, value in counts.items()), flush=True)
        total = {key: total[key] + counts[key] for key in total}
    print(json.dumps(total | {"faults": len(names)}))
    return int(any(total.values()))


if __name__ == "__main__":
    sys.exit(main())
