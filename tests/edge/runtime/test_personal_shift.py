"""The shift of the ECG to one person: what it changes, with which network it is active, and what doctor reports."""

import json
import logging
from dataclasses import replace
from types import SimpleNamespace

import pytest

from edge.core.errors import InputError
from edge.inference.bundle import MODEL, SHIPPED, load_bundle
from edge.mqtt.info import NetworkState, describe_device
from edge.mqtt.payloads import Model, encode
from edge.personal.delay_file import StoredDelay, save_delay
from edge.personal.shift import shift_ecg
from edge.runtime.config import load_config
from edge.runtime.doctor import load_setup
from edge.runtime.personal_shift import PersonalShift, check_personal_delay
from edge.runtime.service import serve
from tests.conftest import ROOT
from tests.helpers.brokers import Listener, free_port
from tests.helpers.web import GOOD, ecg, vitals, wave

T_NS = 1_795_196_400_000_000_000
SHA256 = load_bundle(SHIPPED).about.sha256[MODEL]
OTHER = "0" * 64


@pytest.fixture
def device(tmp_path):
    path = tmp_path / "radarecg.toml"
    cfg = ROOT / "firmware_config/awr1843_mmecg.cfg"
    path.write_text(f'device = "r"\n[radar]\ncfg = "{cfg}"\n[network]\npersonal_delay = "personal.toml"\n')
    return path


def shift_of(device, active):
    return PersonalShift(load_config(device, {}), device, lambda: active[-1])


def placed(sha256):
    return SimpleNamespace(network=SimpleNamespace(sha256=sha256))


class Collected:
    def __init__(self):
        self.seen = []

    def waveform(self, wave):
        self.seen.append(wave)

    def ecg(self, ecg, quality):
        self.seen.append(ecg)

    def vitals(self, vitals):
        self.seen.append(vitals)


@pytest.mark.parametrize("delay_s", [0.0314, -0.0207])
def test_a_shifted_block_is_earlier_and_its_spectrogram_stays_at_its_time(delay_s):
    block = ecg(T_NS, 1000)
    shifted = shift_ecg(block, delay_s)
    assert shifted.t_ns == T_NS - round(delay_s * 1e9)
    assert shifted.sample0 == 1000
    assert shifted.estimate is block.estimate
    assert shifted.personalised

    def window_end_ns(b):
        return b.t_ns + (b.window_end - b.sample0) * 5_000_000

    assert window_end_ns(shifted) == pytest.approx(window_end_ns(block), abs=2_500_000)  # half a sample


def test_only_the_ecg_of_the_measured_network_is_shifted(device, caplog):
    save_delay(device.with_name("personal.toml"), StoredDelay(0.031, SHA256))
    active = [placed(SHA256)]
    with caplog.at_level(logging.INFO):
        shift = shift_of(device, active)
    assert "shifted by the stored delay of one person" in caplog.text
    assert "31" not in caplog.text
    sink = Collected()
    before = shift.before(sink)
    for number, now in enumerate((SHA256, SHA256, OTHER, OTHER, SHA256)):
        active.append(placed(now))
        before.ecg(ecg(T_NS + number, 200 * number), GOOD)
    active.append(SimpleNamespace(network=None))  # no backend runs it any more
    assert not shift.is_active
    assert [block.personalised for block in sink.seen] == [True, True, False, False, True]
    assert [T_NS + k - block.t_ns for k, block in enumerate(sink.seen)] == [31_000_000] * 2 + [0, 0] + [31_000_000]
    # The first block starts a stream in any case; afterwards, every step in time is marked.
    assert [block.continues for block in sink.seen] == [False, True, False, True, False]
    sink.seen.clear()
    for results in (wave(T_NS, 0, 0.2), vitals()):
        (before.waveform if hasattr(results, "samples") else before.vitals)(results)
        assert sink.seen[-1] is results


def test_without_a_file_nothing_changes(device, caplog):
    with caplog.at_level(logging.INFO):
        shift = shift_of(device, [placed(SHA256)])
    assert caplog.text == ""
    block = ecg(T_NS, 0)
    assert shift.shift(block) is block


def test_a_delay_of_another_network_is_reported(device, caplog):
    save_delay(device.with_name("personal.toml"), StoredDelay(0.031, OTHER))
    assert not shift_of(device, [placed(SHA256)]).is_active
    assert "personalise again" in caplog.text


@pytest.mark.parametrize(
    "text", ["delay_ms = 1", 'delay_ms = 400\nnetwork = "' + OTHER + '"', 'delay_ms = 1\nnetwork = "x"\n', "delay_ms"]
)
def test_a_damaged_file(device, text):
    device.with_name("personal.toml").write_text(text)
    with pytest.raises(InputError, match=r"personal\.toml"):
        shift_of(device, [placed(SHA256)])


def test_doctor(device):
    def found():
        setup = load_setup(device)
        return check_personal_delay(setup.config, setup.path)

    level, text = found()
    assert (level, text[:4]) == ("ok", "off:")
    assert check_personal_delay(None, device)[1].startswith("off:")
    save_delay(device.with_name("personal.toml"), StoredDelay(0.031, SHA256))
    level, text = found()
    assert (level, text[:3]) == ("ok", "on:")
    assert "31" not in text
    save_delay(device.with_name("personal.toml"), StoredDelay(0.031, OTHER))
    level, text = found()
    assert level == "warn"
    assert "another network" in text


def test_info_has_whether_but_not_how_much(mmecg):
    state = NetworkState(Model("a", SHA256), personalised=True)
    info = json.loads(encode(describe_device("r", "00000000", mmecg, state)))
    assert info["personalised"] is True
    assert not {key for key in info if "delay" in key}
    assert (
        json.loads(encode(describe_device("r", "00000000", mmecg, state._replace(personalised=False))))["personalised"]
        is False
    )


def test_the_service_shifts_what_it_publishes(device, monkeypatch, mosquitto_port):
    """The service with a chain that yields one block."""
    save_delay(device.with_name("personal.toml"), StoredDelay(0.031, SHA256))
    extra = f"[mqtt]\nport = {mosquitto_port}\n"
    text = device.read_text().replace("[network]", f'data_host = "127.0.0.1"\ndata_port = {free_port()}\n[network]')
    device.write_text(text + extra)
    hub = Listener(mosquitto_port)

    def one_block(source, pipeline, sink):
        assert json.loads(hub.wait_for("/info").payload)["personalised"] is True
        sink.ecg(ecg(T_NS, 0), GOOD)
        assert json.loads(hub.wait_for("/ecg").payload)["t0_ns"] == T_NS - 31_000_000

    monkeypatch.setattr("edge.runtime.service.run", one_block)
    serve(device, lambda stop: None)


def test_the_page_reports_it():
    from edge.web.messages import ecg_message

    block = ecg(T_NS, 0)
    assert not ecg_message(block, T_NS).personalised
    assert ecg_message(replace(block, personalised=True), T_NS).personalised
