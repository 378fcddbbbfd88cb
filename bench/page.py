"""Takes screenshots of the live page: docs/page-light.png, docs/page-dark.png and docs/page-phone.png.

    pip install -e '.[dev]' && apt-get install chromium && python bench/page.py

Runtime and twin run as in the demo: for half a minute a person sits still, then moves. The first two pictures are taken
after the first heart rate, the third during the movement.
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

from playwright.sync_api import sync_playwright

from edge.demo.processes import free_port, start

ROOT = Path(__file__).parents[1]
CFG = ROOT / "firmware_config" / "awr1843_mmecg.cfg"
STARTS_MS, MOVES_MS = 60_000, 120_000  # timeouts
FULL_MS = 4_000  # after the first heart rate, until the trace fills the page
WINDOWS = {
    "light": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2, "color_scheme": "light"},
}


def device(stack: ExitStack, folder: Path) -> str:
    """Starts runtime and twin; yields the page's address."""
    data_port, web_port = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_STREAM)
    settings = folder / "radarecg.toml"
    settings.write_text(
        f'device = "radar-twin"\n[radar]\ncfg = "{CFG}"\ndata_host = "127.0.0.1"\ndata_port = {data_port}\n'
        f"[mqtt]\nport = {free_port(socket.SOCK_STREAM)}\n[web]\nport = {web_port}\n"
    )
    radarecg = [sys.executable, "-m", "edge"]
    runtime = start(stack, "runtime", [*radarecg, "run", "--config", str(settings)], folder)
    ports = ["--port", str(data_port), "--truth-port", str(free_port(socket.SOCK_DGRAM))]
    start(stack, "twin", [*radarecg, "twin", "--cfg", str(CFG), "--scene", "rbm_extensive", *ports], folder)
    with socket.socket() as probe:
        while probe.connect_ex(("127.0.0.1", web_port)) != 0:
            runtime.require_alive()
            time.sleep(0.1)
    return f"http://127.0.0.1:{web_port}/"


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
                tab.wait_for_timeout(FULL_MS)
            tab.screenshot(path=picture, full_page=name == "phone")
            print(f"{picture.relative_to(ROOT)}  {picture.stat().st_size >> 10} KiB")
        browser.close()


if __name__ == "__main__":
    main()
