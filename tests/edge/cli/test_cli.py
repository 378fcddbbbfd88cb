"""Commands as a user types them: what they print, and their errors for bad input."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edge.core.types import RawFrame
from edge.radar.calibration_file import calibration_text, load_calibration, parse_calibration
from edge.radar.iq import encode
from edge.sources.recording import Recorder
from edge.twin.board import uneven
from edge.twin.fmcw import Fmcw
from edge.twin.scene import SCENES
from tests.conftest import ROOT
from tests.helpers.command_line import assert_one_clear_line, radarecg
from tests.helpers.processes import child

IWR = ROOT / "firmware_config/iwr6843_recording.cfg"
MMECG = ROOT / "firmware_config/awr1843_mmecg.cfg"


@pytest.fixture
def bad_file(tmp_path):
    def make(content: bytes) -> Path:
        (tmp_path / "bad.bin").write_bytes(content)
        return tmp_path / "bad.bin"

    return make


def test_replay_of_a_missing_file(tmp_path):
    assert_one_clear_line(radarecg("replay", tmp_path / "none.bin", "--cfg", IWR), "none.bin", "no such recording")


def test_replay_of_an_empty_file(bad_file):
    assert_one_clear_line(radarecg("replay", bad_file(b""), "--cfg", IWR), "bad.bin", "empty")


@pytest.mark.parametrize("frames", [20, 400])
def test_replay_of_random_bytes(bad_file, frames):
    junk = bad_file(os.urandom(3200 * frames))
    for form in ([], ["--summary"]):
        assert_one_clear_line(radarecg("replay", junk, "--cfg", IWR, *form), "not radar data")


def test_replay_with_a_chirp_file_that_is_none(bad_file):
    assert_one_clear_line(
        radarecg("replay", bad_file(bytes(3200)), "--cfg", ROOT / "README.md"), "README.md", "chirp file"
    )
    assert_one_clear_line(radarecg("replay", bad_file(bytes(3200)), "--cfg", "none.cfg"), "none.cfg")


def test_replay_of_a_bare_file_without_a_chirp_file(bad_file):
    assert_one_clear_line(radarecg("replay", bad_file(bytes(3200))), "--cfg")


def test_run_with_bad_settings(tmp_path):
    settings = tmp_path / "x.toml"
    for text, word in (
        ('device = "A b"\n[radar]\ncfg = "x"', "device"),
        ('device = "a"\n[radar]\ncgf = "x"', "cgf"),
        ("device = ", "x.toml"),
        ('device = "a"\n[radar]\ncfg = "x.cfg"', "x.cfg"),
        (f'device = "a"\n[radar]\ncfg = "{ROOT / MMECG}"\n[mqtt]\npassword_file = "secret"', "secret"),
    ):
        settings.write_text(text)
        assert_one_clear_line(radarecg("run", "--config", settings), word)


@pytest.mark.parametrize(
    "args",
    [("demo", "--duration", "0"), ("twin", "--cfg", MMECG, "--port", "70000"), ("record", "x", "--seconds", "-1")],
)
def test_arguments_out_of_range_are_refused(args):
    done = radarecg(*args)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert args[-2] in done.stderr


def test_check_config_explains_a_chirp_file(tmp_path):
    done = radarecg("check-config", MMECG)
    assert done.returncode == 0
    assert "3.7926 mm" in done.stdout
    assert "12288 bytes a frame" in done.stdout
    broken = tmp_path / "broken.cfg"
    broken.write_text((ROOT / MMECG).read_text().replace(" 77 10 6 60 ", " 77 10 9 60 "))
    assert_one_clear_line(radarecg("check-config", broken), "adc_window", "start earlier or take fewer samples")


def test_the_iwr6843_recording(real_data):
    recording = real_data / "iwr6843_dca1000" / "demo.bin"
    done = radarecg("replay", recording, "--cfg", IWR, "--iq-order", "studio", "--summary")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["breathing_rate_bpm"] == pytest.approx(15.2, abs=1)
    assert 0.6 <= summary["chest_range_m"] <= 0.8
    assert summary["frames"] == 400
    for form in ([], ["--summary"]):
        wrong = radarecg("replay", recording, "--cfg", IWR, "--iq-order", "sdk", *form)
        assert_one_clear_line(wrong, "IQ order", "--iq-order studio")
    assert_one_clear_line(radarecg("replay", recording, "--cfg", MMECG), "is not its chirp file")


def test_replay_prints_a_line_a_second(real_data):
    recording = real_data / "iwr6843_dca1000" / "demo.bin"
    done = radarecg("replay", recording, "--cfg", IWR, "--iq-order", "studio")
    lines = done.stdout.splitlines()
    assert len(lines) == 19
    assert "warming_up" in lines[0]
    assert "0.70 m" in lines[-1]


def demo(*args, wanted: int, shown: str, code: str = "from edge.__main__ import main; main()"):
    """Presses Ctrl-C once `wanted` lines of the view match `shown`; returns the summary, and the lines."""
    command = [sys.executable, "-c", code, "demo", *map(str, args)]
    with child(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if len([line for line in lines if re.search(shown, line)]) == wanted:
                process.send_signal(signal.SIGINT)
                break
        *sentences, next_line, _, _ = process.stderr.read().splitlines()
        assert len(sentences) == 3, sentences
        assert next_line == "next:"
        assert process.wait() == 0, "".join(lines)
        return json.loads(process.stdout.read().splitlines()[-1]), "".join(lines)


@pytest.mark.slow  # as long as `make demo` needs until its heart rates are there
def test_the_demo_works(tmp_path):
    summary, lines = demo("--picture", tmp_path / "demo.svg", wanted=5, shown=r"heart +[0-9.]+ /min")
    assert "live page: http://127.0.0.1:" in lines
    assert summary["false_valid_fraction"] == 0
    assert summary["hr_mae_bpm"] < 3
    assert summary["messages"] > 8
    assert 0 < summary["latency_ms_p50"] <= summary["latency_ms_p99"]
    picture = (tmp_path / "demo.svg").read_text()
    assert "Heart" in picture
    for known in ("http://www.w3.org", "https://www.textualize.io", "http://127.0.0.1:8080"):  # the last is the page's
        picture = picture.replace(known, "")
    assert "http" not in picture
    # How good they are depends on how busy this machine is: a frame's time is that of its arrival.
    assert None not in (summary["ecg_pcc"], summary["r_timing_ms_median"], summary["mdr"])
    assert summary["frames"] > 1000


@pytest.mark.slow  # five interpreters; the default run starts the broker alone
def test_a_demo_without_mosquitto_uses_amqtt():
    code = (
        "import shutil; real = shutil.which\n"
        "shutil.which = lambda name, **options: None if name == 'mosquitto' else real(name, **options)\n"
        "from edge.__main__ import main; main()"
    )
    summary, _ = demo(wanted=2, shown="heart", code=code)
    assert summary["broker"] == "amqtt"
    assert summary["messages"] > 2


@pytest.fixture(scope="module")
def reflector(mmecg, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("calibrate") / "corner"
    with Recorder(folder, mmecg, "sdk") as recorder:
        for seq, iq in enumerate(Fmcw(mmecg, SCENES["reflector"], board=uneven(3, 1.0)).frames(0, 300)):
            recorder.write(RawFrame(seq, seq, encode(iq, "sdk"), mmecg.frame_bytes))
    return folder


def test_calibrate_writes_a_file_that_fits(reflector, mmecg, tmp_path):
    out = tmp_path / "calibration.toml"
    done = radarecg("calibrate", reflector, "--range-m", "1.0", "--out", out)
    assert done.returncode == 0, done.stderr
    assert "range bias 70 mm, 12 factors; residual 0.01" in done.stdout
    calibration = load_calibration(out, mmecg)
    assert calibration.range_bias_m == pytest.approx(0.07, abs=0.003)
    assert "a reflector at 1 m; residual 0.01" in calibration.text
    again = radarecg("calibrate", reflector, "--range-m", "1.0", "--out", out)
    assert_one_clear_line(again, "calibration.toml: File exists")


def test_calibrate_without_a_reflector_writes_nothing(reflector, tmp_path):
    out = tmp_path / "calibration.toml"
    assert_one_clear_line(radarecg("calibrate", reflector, "--range-m", "1.9", "--out", out), "larger reflector")
    assert not out.exists()


def test_record_with_a_calibration_that_does_not_fit(tmp_path):
    (tmp_path / "bad.toml").write_text('range_bias_m = 0\ntx = [1]\nrx = [1]\nfactors = "1 0"')
    done = radarecg("record", tmp_path / "rec", "--cfg", MMECG, "--calibration", tmp_path / "bad.toml")
    assert_one_clear_line(done, "bad.toml", "no factor for TX1 to RX2")
    assert not (tmp_path / "rec").exists()


def test_replay_uses_the_calibration_of_the_recording(mmecg, tmp_path):
    board = uneven(3, 1.0)
    text = calibration_text(mmecg, board.range_bias_m, tuple((1 / board.of(mmecg)).ravel().tolist()), "the twin's")
    seen = Fmcw(mmecg, SCENES["still"], board=board).frames(0, 1300)
    with Recorder(tmp_path / "rec", mmecg, "sdk", parse_calibration(text, mmecg, "x")) as recorder:
        for seq, iq in enumerate(seen):
            recorder.write(RawFrame(seq, 5_000_000 * seq, encode(iq, "sdk"), mmecg.frame_bytes))
    done = radarecg("replay", tmp_path / "rec", "--summary")
    assert json.loads(done.stdout)["chest_range_m"] == pytest.approx(0.46, abs=0.02)  # without: 0.53


@pytest.mark.parametrize("command", [("demo",), ("twin", "--cfg", MMECG)], ids=lambda command: command[0])
def test_the_twin_needs_scipy(command):
    """The device's image has no SciPy; another process, because this one has imported it."""
    code = "import sys; sys.modules['scipy'] = None; from edge.__main__ import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", code, *command], cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert_one_clear_line(done, f"the {command[0]} needs scipy: pip install '.[demo]'")


def test_hints_name_what_pip_can_install():
    """radarecg is on no index: its optional parts are installed from its folder, by names that pyproject.toml has."""
    extras = re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text().split("optional-dependencies")[1], re.M)
    named = []
    for path in (path for package in ("edge", "train", "export") for path in (ROOT / package).rglob("*.py")):
        text = path.read_text()
        assert "install 'radarecg" not in text, path
        named += re.findall(r"install_hint\([\"'](\w+)", text)
    assert {"analysis", "cpu", "demo", "edf", "export", "jetson", "plot", "ray", "signed"} == set(named) <= set(extras)
