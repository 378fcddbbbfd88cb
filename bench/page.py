"""Measures the page's strip of 24 hours, and takes screenshots: docs/page-light.png, page-dark.png and page-phone.png.

    pip install -e '.[dev]' && apt-get install chromium && python bench/page.py

Runtime and twin run as in the demo: for half a minute a person sits still, then moves. The history of the day before,
with the ECG of its last hour, is that of `bench/history.py`. The first two pictures are taken after the first heart
rate, the third during the movement. The strip's time is that from the click until the browser has painted it.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from history import DAY_S, ecg, fill
from playwright.sync_api import Page, sync_playwright

from edge.demo.processes import free_port, start
from edge.history.records import ecg_piece
from edge.history.store import HistoryStore

ROOT = Path(__file__).parents[1]
CFG = ROOT / "firmware_config" / "awr1843_mmecg.cfg"
STARTS_MS, MOVES_MS = 60_000, 120_000  # timeouts
FULL_MS = 4_000  # after the first heart rate, until the trace fills the page
STRIPS = 10
HOUR_S = 3600
WINDOWS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 1.5, "color_scheme": "light"},
}


def device(stack: ExitStack, folder: Path) -> str:
    """Starts runtime and twin; yields the page's address."""
    data_port, web_port = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_STREAM)
    settings = folder / "radarecg.toml"
    settings.write_text(
        f'device = "radar-twin"\n[radar]\ncfg = "{CFG}"\ndata_host = "127.0.0.1"\ndata_port = {data_port}\n'
        f"[mqtt]\nport = {free_port(socket.SOCK_STREAM)}\n[web]\nport = {web_port}\n[history]\necg = 30\n"
    )
    past(folder / "radarecg-history.sqlite")
    radarecg = [sys.executable, "-m", "edge"]
    runtime = start(stack, "runtime", [*radarecg, "run", "--config", str(settings)], folder)
    ports = ["--port", str(data_port), "--truth-port", str(free_port(socket.SOCK_DGRAM))]
    start(stack, "twin", [*radarecg, "twin", "--cfg", str(CFG), "--scene", "rbm_extensive", *ports], folder)
    with socket.socket() as probe:
        while probe.connect_ex(("127.0.0.1", web_port)) != 0:
            runtime.require_alive()
            time.sleep(0.1)
    return f"http://127.0.0.1:{web_port}/"


def past(path: Path) -> None:
    """Stores a day of vitals and an hour of ECG, until now."""
    now = int(time.time())
    fill(path, now - DAY_S, 1)
    store = HistoryStore(path)
    store.write([], [], [ecg_piece(ecg(second)) for second in range(now - HOUR_S, now)])
    store.close()


STRIP_MS = """async (range) => {
  const strip = document.getElementById("strip");
  const shown = new Promise((resolve) => {
    const watch = new MutationObserver(() => strip.dataset.shown === range && (watch.disconnect(), resolve()));
    watch.observe(strip, { attributeFilter: ["data-shown"] });
  });
  const begin_ms = performance.now();
  document.querySelector(`[data-range="${range}"]`).click();
  await shown;
  await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));  // the frame is painted
  return performance.now() - begin_ms;
}"""


def strip_ms(tab: Page) -> list[float]:
    """Milliseconds until the strip of 24 hours is painted, again and again."""
    found = []
    for _ in range(STRIPS):
        found.append(tab.evaluate(STRIP_MS, "24 h"))
        tab.evaluate(STRIP_MS, "1 h")
    return found


def open_stored_ecg(tab: Page) -> None:
    """Opens the ECG of half an hour ago."""
    tab.click('[data-range="1 h"]')
    tab.wait_for_selector('#strip[data-shown="1 h"]')
    box = tab.locator("#strip .u-over").bounding_box()
    assert box
    tab.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 3)
    tab.wait_for_selector('[data-part="plot"] canvas')


def main() -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        chromium = stack.enter_context(sync_playwright()).chromium
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = chromium.launch(executable_path=shutil.which("chromium"), args=sandbox)
        address = device(stack, folder)
        tabs = {name: browser.new_page(**window) for name, window in WINDOWS.items()}
        for tab in tabs.values():
            tab.goto(address)
        for name, look, patience_ms in (
            ("light", "good", STARTS_MS),
            ("dark", "good", STARTS_MS),
            ("phone", "moving", MOVES_MS),
        ):
            tab, picture = tabs[name], ROOT / "docs" / f"page-{name}.png"
            tab.wait_for_selector(f'#now[data-look="{look}"]', timeout=patience_ms)
            if name == "light":
                times_ms = strip_ms(tab)
                tab.evaluate(STRIP_MS, "24 h")
            if name == "dark":
                open_stored_ecg(tab)
            if name != "phone":
                tab.wait_for_timeout(FULL_MS)
            tab.screenshot(path=picture, full_page=name == "dark")
            print(f"{picture.relative_to(ROOT)}  {picture.stat().st_size >> 10} KiB")
        browser.close()
    print(
        f"strip of 24 h, from the click to the picture: median {np.median(times_ms):.0f} ms, max {max(times_ms):.0f} ms"
    )


if __name__ == "__main__":
    main()
