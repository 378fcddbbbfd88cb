"""Takes screenshots of the ward view with 200 made-up devices: docs/ward-light.png, ward-dark.png and ward-phone.png.

    pip install -e '.[dev]' && apt-get install chromium mosquitto && python bench/ward.py

The devices are those of `bench/fleet_devices.py`. They measure for ten minutes without a broker, so the sparklines are
of what comes on `backfill/vitals` afterwards; then some devices are stopped. Prints the CPU time and the memory of the
hub in a minute with one page open.
"""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

sys.path.insert(0, str(Path(__file__).parents[1]))

from fleet_devices import Device, Fleet
from fleet_people import WAVEFORMS_PER_S
from playwright.sync_api import Page, sync_playwright

from edge.core.types import Vitals
from edge.demo.processes import Child, free_port, mosquitto_command, start
from edge.mqtt.broker import Broker

ROOT = Path(__file__).parents[1]
DEVICES, STOPPED, TRACED = 200, 4, 20
PAST_S, PAST_PERIOD_S, MEASURED_S = 600, 5, 60.0
FULL_MS = 12_000  # until a trace fills its dialog
TIMEOUT_MS = 180_000
NAMES = {f"radar-{k:05d}": f"Bed {k}" for k in range(1, 61)}
WINDOWS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 1.5, "color_scheme": "light"},
}
MOST_ARE_GOOD = """() => document.querySelectorAll('.tile[data-look="good"]').length > 130"""


def hub(stack: ExitStack, folder: Path, mqtt_port: int) -> tuple[str, Child]:
    """Starts the ward; returns its address and process."""
    port, settings = free_port(socket.SOCK_STREAM), folder / "hub.toml"
    settings.write_text(
        f'[mqtt]\nport = {mqtt_port}\n[ward]\nname = "ward-3"\nport = {port}\n'
        "[ward.notices]\noffline_min = 1\nabsent_min = 1\nno_rate_min = 1\n"
    )
    child = start(stack, "ward", [sys.executable, "-m", "edge", "ward", "--config", str(settings)], folder)
    with socket.socket() as probe:
        while probe.connect_ex(("127.0.0.1", port)) != 0:
            child.require_alive()
            time.sleep(0.1)
    return f"http://127.0.0.1:{port}/", child


def measure_past(fleet: Fleet) -> None:
    """Lets every device measure the last ten minutes; it keeps the vitals, since there is no broker yet."""
    start_ns = time.time_ns() - PAST_S * 10**9
    for device in fleet.devices:
        for second in range(PAST_S):
            vitals = next_vitals(device, start_ns + second * 10**9)
            if second % PAST_PERIOD_S == 0:
                device.publisher.vitals(vitals)


def next_vitals(device: Device, t_ns: int) -> Vitals:
    """Returns a device's next second, without the ECG, which nobody would see."""
    person = device._person
    person._advance()
    person._second += 1
    return person._vitals(t_ns, None)


def measure(fleet: Fleet, stopping: threading.Event) -> None:
    """Lets the first devices publish everything, and the others what the hub subscribes to."""
    start_s = time.monotonic()
    for tick in itertools.count():
        if stopping.wait(max(0.0, start_s + tick / WAVEFORMS_PER_S - time.monotonic())):
            return
        for k, device in enumerate(fleet.devices):
            if k < TRACED:
                device.step(tick)
            elif tick % WAVEFORMS_PER_S == device._slot:
                device.publisher.vitals(next_vitals(device, time.time_ns()))
        fleet._work()


def post(address: str, path: str, content: bytes) -> None:
    with urlopen(Request(address + path, content, method="POST"), timeout=10):
        pass


def used(child: Child) -> tuple[float, float]:
    """Returns CPU seconds and resident memory in MiB of a process."""
    fields = Path(f"/proc/{child.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), int(fields[21]) * os.sysconf(
        "SC_PAGE_SIZE"
    ) / 2**20


def take_pictures(address: str, child: Child, stack: ExitStack) -> None:
    chromium = stack.enter_context(sync_playwright()).chromium
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    browser = chromium.launch(executable_path=shutil.which("chromium"), args=sandbox)
    tabs = {name: browser.new_page(**window) for name, window in WINDOWS.items()}
    for tab in tabs.values():
        tab.set_default_timeout(TIMEOUT_MS)
    open_page(tabs["light"], address)
    before_s, _ = used(child)
    tabs["light"].wait_for_timeout(1000 * MEASURED_S)
    after_s, memory_mb = used(child)
    for name, tab in tabs.items():
        if name != "light":
            open_page(tab, address)
        if name == "dark":
            tab.locator('.tile[data-look="good"]').first.click()
            tab.wait_for_timeout(FULL_MS)
        if name == "phone":
            tab.select_option("#sort", "state")
        tab.wait_for_function(MOST_ARE_GOOD)
        picture = ROOT / "docs" / f"ward-{name}.png"
        tab.screenshot(path=picture)
        print(f"{picture.relative_to(ROOT)}  {picture.stat().st_size >> 10} KiB")
    browser.close()
    share = 100 * (after_s - before_s) / MEASURED_S
    print(f"hub with {DEVICES} devices and one page: {share:.0f} % of a core, {memory_mb:.0f} MiB")


def open_page(tab: Page, address: str) -> None:
    tab.goto(address)
    tab.wait_for_selector('.tile[data-look="offline"]')
    tab.wait_for_function("() => document.querySelectorAll('.tile .range:not(:empty)').length > 150")


def main() -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        mqtt_port, stopping = free_port(socket.SOCK_STREAM), threading.Event()
        fleet = Fleet(Broker(port=mqtt_port), DEVICES)
        measure_past(fleet)
        command = mosquitto_command(mqtt_port, folder)
        assert command, "mosquitto is not installed"
        start(stack, "mosquitto", command, folder)
        address, child = hub(stack, folder, mqtt_port)
        assert fleet.wait_connected()
        for device in fleet.devices[-STOPPED:]:
            device.publisher.close()
        fleet.devices = fleet.devices[:-STOPPED]
        measuring = threading.Thread(target=measure, args=(fleet, stopping))
        measuring.start()
        try:
            while fleet.waiting() > DEVICES:  # what is being confirmed
                time.sleep(0.5)
            for name, label in NAMES.items():
                post(address, f"tiles/{name}/label", f'{{"label": "{label}"}}'.encode())
            take_pictures(address, child, stack)
        finally:
            stopping.set()
            measuring.join()


if __name__ == "__main__":
    main()
