"""`radarecg doctor --live`: from the page of the service, from the radar itself, and its text on small terminals."""

import os
import threading

import numpy as np
import pytest

from edge.core.errors import InputError
from edge.core.placement import Placement
from edge.runtime.doctor import Setup, load_setup
from edge.runtime.doctor_live import watch_placement
from edge.runtime.keyboard import Keyboard
from edge.runtime.placement_view import placement_lines
from edge.twin.dca1000_emulator import Dca1000Emulator
from edge.twin.scene import SCENES
from edge.web.messages import PlacementMessage, placement_message
from tests.conftest import ROOT
from tests.helpers.brokers import free_port
from tests.helpers.publishing import wait
from tests.helpers.web import live_page, vitals

PLACEMENT = Placement(
    np.linspace(0.0, 2.5, 57),
    np.where(np.arange(57) == 10, 48.0, 3.0),
    0.46,
    48.0,
    2 * np.sin(np.arange(100) / 6),
    "Good: the radar points at the chest.",
)
TOKEN = "a-token-nobody-could-guess"


def setup_with(tmp_path, cfg, rest="") -> Setup:
    settings = tmp_path / "radarecg.toml"
    settings.write_text(f'device = "radar-0001"\n[radar]\ncfg = "{cfg}"\ndata_host = "127.0.0.1"\n{rest}')
    return load_setup(settings)


def watched(setup, enough) -> list[PlacementMessage]:
    """What is shown until `enough` is true of the last."""
    shown, stops = [], []

    def show(placement):
        shown.append(placement)
        if enough(placement):
            stops[0]()

    watch_placement(setup, stops.append, show)
    return shown


def test_the_page_of_the_running_service_is_read(tmp_path):
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o600)
    with live_page(token=TOKEN, placement=lambda: PLACEMENT) as page:
        setup = setup_with(tmp_path, "x.cfg", f'[web]\nport = {page.port}\ntoken_file = "token"\n')
        ended = threading.Event()

        def speak():
            while not ended.wait(0.05):
                page.vitals(vitals())

        thread = threading.Thread(target=speak)
        thread.start()
        try:
            assert watched(setup, lambda placement: True)[0] == placement_message(PLACEMENT)
        finally:
            ended.set()
            thread.join()
        without = setup_with(tmp_path, "x.cfg", f"[web]\nport = {page.port}\n")
        with pytest.raises(InputError, match=r"answers 401.*\[web\]"):
            watch_placement(without, lambda stop: None, print)


def test_without_a_service_the_radar_is_read(tmp_path, iwr6843):
    port = free_port()
    rest = f"data_port = {port}\n[web]\nport = {free_port()}\n"
    setup = setup_with(tmp_path, ROOT / "firmware_config/iwr6843_recording.cfg", rest)
    ended = threading.Event()
    twin = Dca1000Emulator(iwr6843, SCENES["still"], ("127.0.0.1", port), 0)
    thread = threading.Thread(target=twin.run, args=(ended.is_set,))
    thread.start()
    try:
        last = watched(setup, lambda placement: placement.chest_range_m is not None)[-1]
    finally:
        ended.set()
        thread.join()
    assert last.chest_range_m == pytest.approx(0.46, abs=0.05)
    assert last.contrast_db > 12


def test_settings_are_needed():
    with pytest.raises(InputError, match="--config"):
        watch_placement(Setup(), lambda stop: None, print)


@pytest.mark.parametrize("size", [(60, 19), (80, 23), (120, 60), (40, 8), (30, 1)])
@pytest.mark.parametrize("seen", [True, False])
def test_the_view_fits_every_terminal(size, seen):
    width, height = size
    message = placement_message(PLACEMENT)
    if not seen:
        message = PlacementMessage([], [], None, None, [], "Wait: the search for a chest needs 4 seconds.")
    lines = placement_lines(message, width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    assert lines[0] == message.advice[:width]
    if seen and width >= 60 and height >= 19:
        (chest,) = (line for line in lines if "<- chest" in line)
        assert "48 dB" in chest
        assert chest.count("█") == max(line.count("█") for line in lines[3 : height - 4])
        assert {"▁", "█"} < set(lines[-3])
        assert lines[-1] == "q ends"


def test_single_keys_of_a_terminal():
    ours, terminal = os.openpty()
    keys = []
    with Keyboard(keys.append, terminal):
        for typed in (b"q", b" ", b"\x1b[C", b"\x1b[D"):
            count = len(keys)
            os.write(ours, typed)
            wait(lambda count=count: len(keys) > count)
    assert keys == ["q", "space", "right", "left"]
    os.close(ours)
    os.close(terminal)


def test_without_a_terminal_no_keys_are_read(monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    with Keyboard(lambda key: None) as keyboard:
        assert not keyboard.is_active
