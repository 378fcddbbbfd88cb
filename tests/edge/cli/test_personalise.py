"""`radarecg personalise` as a user types it: a delay that is stored, replaced and deleted, and what is refused."""

import hashlib

import msgspec
import numpy as np
import pytest

from edge.core.types import RawFrame
from edge.inference.bundle import MODEL, SHIPPED
from edge.personal.delay_file import load_delay
from edge.radar.chirp_file.parser import load_chirp
from edge.radar.iq import encode
from edge.sources.recording import Recorder
from edge.twin.body import Body
from edge.twin.fmcw import Fmcw
from edge.twin.heart import Heart
from edge.twin.scene import Scene
from tests.conftest import ROOT
from tests.helpers.command_line import assert_one_clear_line, radarecg

MMECG = ROOT / "firmware_config/awr1843_mmecg.cfg"
START_NS = 1_795_196_400_000_000_000
SECONDS = 66
HEART = Heart(70, seed=5)
DELAY_S = 0.024


def record(folder, chirp, frames):
    """Frames at their numbers' times; (number, IQ)."""
    with Recorder(folder, chirp, "sdk") as recorder:
        for seq, iq in frames:
            t_ns = START_NS + round(seq * chirp.frame_period_s * 1e9)
            recorder.write(RawFrame(seq, t_ns, encode(iq, "sdk"), chirp.frame_bytes))
    return folder


@pytest.fixture
def device(tmp_path):
    path = tmp_path / "radarecg.toml"
    path.write_text(f'device = "r"\n[radar]\ncfg = "{MMECG}"\n[network]\npersonal_delay = "personal.toml"\n')
    return path


@pytest.fixture
def recording(tmp_path, mmecg):
    """First and last frame of a recording: enough for its times."""
    silence = np.zeros(mmecg.frame_shape, np.complex64)
    return record(tmp_path / "rec", mmecg, [(0, silence), (SECONDS * 200, silence)])


@pytest.fixture
def beats(monkeypatch):
    """Stands in for the chain: the true beats, late by DELAY_S and the timing error of a network."""
    true_s = HEART.beats_s(12, SECONDS - 1)
    error_s = 0.006 * np.random.default_rng(1).standard_normal(len(true_s))
    found_s = START_NS / 1e9 + true_s + DELAY_S + error_s
    monkeypatch.setattr("edge.runtime.personalise.find_beats", lambda *_: found_s)


@pytest.fixture
def strap(tmp_path):
    """R times since the strap was started, together with the recording."""
    path = tmp_path / "strap.txt"
    path.write_text("".join(f"{t:.4f}\n" for t in HEART.beats_s(0, SECONDS)))
    return path


def test_a_delay_is_stored_replaced_and_deleted(device, recording, beats, strap, tmp_path):
    for start in ("recording", START_NS / 1e9, "2026-11-20T17:40:00Z"):
        done = radarecg("personalise", recording, strap, "--config", device, "--starts-at", start)
        assert done.returncode == 0, done.stderr
        assert "restart radarecg run" in done.stdout
        assert ("not synchronised" in done.stdout) == (start != "recording")
        stored = load_delay(tmp_path / "personal.toml")
        # 65 beats with an error of 6 ms: the median is right to 1 ms; the start is a whole second.
        assert stored.delay_s == pytest.approx(DELAY_S, abs=0.004)
        assert stored.network == hashlib.sha256((SHIPPED / MODEL).read_bytes()).hexdigest()
    text = (tmp_path / "personal.toml").read_text()
    assert set(msgspec.toml.decode(text)) == {"delay_ms", "network"}
    assert "rec" not in text.replace("radarecg", "")  # a folder may have a person's name
    done = radarecg("personalise", "--delete", "--config", device)
    assert "deleted" in done.stdout
    assert not (tmp_path / "personal.toml").exists()
    assert "nothing is stored" in radarecg("personalise", "--delete", "--config", device).stdout


def test_what_is_refused_stores_nothing(device, recording, beats, strap, tmp_path):
    for args, words in (
        ((recording, strap), ("its clock is unknown", "--starts-at")),
        ((recording, strap, "--starts-at", START_NS / 1e9 - 0.7), ("clocks differ",)),
        ((recording, strap, "--starts-at", START_NS / 1e9 + 3600), ("after the recording",)),
        ((recording, tmp_path / "none.csv", "--starts-at", "recording"), ("none.csv",)),
        ((tmp_path / "rec/adc.bin", strap, "--starts-at", "recording"), ("not a folder",)),
        ((recording,), ("a recording and a reference",)),
        ((recording, "--delete"), ("--delete takes no recording",)),
    ):
        assert_one_clear_line(radarecg("personalise", *args, "--config", device), *words)
    for start in ("yesterday", "2026-11-20T17:40:00", "-5"):
        done = radarecg("personalise", recording, strap, "--config", device, f"--starts-at={start}")
        assert done.returncode == 2
        assert "--starts-at" in done.stderr
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "personal.toml").exists()


def test_settings_without_a_file_or_a_network(device, recording, beats, strap):
    args = ("personalise", recording, strap, "--starts-at", "recording", "--config", device)
    device.write_text(device.read_text() + 'backend = "none"\n')
    assert_one_clear_line(radarecg(*args), "without a network")
    device.write_text(f'device = "r"\n[radar]\ncfg = "{MMECG}"\n')
    assert_one_clear_line(radarecg(*args), "personal_delay", "[network]")


def test_a_recording_of_nothing(device, recording, strap):
    args = ("personalise", recording, strap, "--starts-at", "recording", "--config", device)
    assert_one_clear_line(radarecg(*args), "poor signal")


@pytest.mark.slow  # a minute of frames through the whole chain
def test_a_minute_of_a_simulated_person(device, cfg_50, strap, tmp_path):
    chirp = load_chirp(cfg_50)
    frames = enumerate(Fmcw(chirp, Scene(HEART, Body()), seed=1).frames(0, SECONDS * 50))
    folder = record(tmp_path / "rec", chirp, frames)
    done = radarecg("personalise", folder, strap, "--starts-at", "recording", "--config", device)
    assert done.returncode == 0, done.stderr
    assert abs(load_delay(tmp_path / "personal.toml").delay_s) < 0.05  # people differ by 18 ms (standard deviation)
