"""Parsing of chirp files: derived numbers against the fact sheet, every limit, and the messages for bad files."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from edge.radar.chirp import ChirpConfigError
from edge.radar.chirp_file.limits import LIMITS, LimitError, broken_limits, require_limits
from edge.radar.chirp_file.parser import explain, load_chirp, parse_chirp

CONFIGS = Path(__file__).parents[4] / "firmware_config"
TEXT = (CONFIGS / "awr1843_mmecg.cfg").read_text()
DEMO = (CONFIGS / "awr1843_sdk_demo.cfg").read_text()


def changed(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new)


def profile(idle=10, adc_start=6, ramp_end=60, backoff=0, start=77, slope=65, samples=256, ksps=5000, gain=30) -> str:
    line = next(line for line in TEXT.splitlines() if line.startswith("profileCfg"))
    return changed(
        line, f"profileCfg 0 {start} {idle} {adc_start} {ramp_end} {backoff} 0 {slope} 1 {samples} {ksps} 0 0 {gain}"
    )


def frame(loops=1, period=5) -> str:
    return changed("frameCfg 0 2 1 0 5 1 0", f"frameCfg 0 2 {loops} 0 {period} 1 0")


def test_mmecg_numbers(mmecg):
    assert mmecg.slope_hz_s / 1e12 == pytest.approx(64.98456, abs=1e-5)  # 65 truncated to 1346 steps
    assert mmecg.wavelength_m * 1e3 == pytest.approx(3.7926, abs=1e-4)
    assert 4 * math.pi / (mmecg.wavelength_m * 1e3) == pytest.approx(3.3135, abs=1e-3)  # rad/mm
    assert mmecg.range_bin_m == pytest.approx(0.04505, abs=1e-5)
    assert mmecg.frame_bytes == 12288
    assert mmecg.frame_rate_hz == 200
    assert mmecg.frame_shape == (1, 3, 4, 256)
    assert mmecg.duty == pytest.approx(0.042)
    assert mmecg.max_speed_m_s == pytest.approx(0.19, abs=0.001)
    assert mmecg.firmware == "studio_cli"


def test_the_stock_demo_file_is_mmecg_with_four_loops(mmecg):
    demo = load_chirp(CONFIGS / "awr1843_sdk_demo.cfg")
    assert demo.firmware == "sdk_demo"
    same = {"source": "", "text": "", "firmware": "studio_cli", "loops": 1}
    assert replace(demo, **same) == replace(mmecg, **same)
    assert demo.frame_bytes / demo.frame_period_s == pytest.approx(9.83e6, rel=1e-3)
    assert demo.duty == pytest.approx(0.168)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.cfg")), ids=lambda path: path.stem)
def test_every_chirp_file_is_within_the_limits_and_in_the_readme(path):
    assert broken_limits(load_chirp(path)) == []
    assert f"`{path.name}`" in (CONFIGS / "README.md").read_text()


def test_60_ghz_numbers(iwr6843):
    assert iwr6843.band == "60GHz"
    assert iwr6843.frame_shape == (2, 1, 4, 100)
    assert iwr6843.frame_bytes == 3200
    assert iwr6843.range_bin_m == pytest.approx(0.1, abs=1e-4)


def test_transmitters_are_taken_in_the_order_they_fire():
    swapped = changed("chirpCfg 1 1 0 0 0 0 0 2", "chirpCfg 1 1 0 0 0 0 0 4").replace(
        "chirpCfg 2 2 0 0 0 0 0 4", "chirpCfg 2 2 0 0 0 0 0 2"
    )
    assert parse_chirp(swapped).tx_order == (1, 3, 2)


@pytest.mark.parametrize(("count", "trigger"), [(0, 1), (100, 1), (65535, 2)])
def test_how_many_frames_and_what_starts_them(count, trigger):
    chirp = parse_chirp(changed("frameCfg 0 2 1 0 5 1 0", f"frameCfg 0 2 1 {count} 5 {trigger} 0"))
    assert (chirp.frames, chirp.trigger) == (count, trigger)
    message = explain(chirp)["frames"]
    assert ("pulse" in message, str(count) in message, "record" in message) == (
        trigger == 2,
        count > 0,
        (count, trigger) != (0, 1),
    )


@pytest.mark.parametrize("words", ["-1 5 1", "65536 5 1", "0 5 0", "0 5 3"])
def test_frames_and_trigger_out_of_range(words):
    count, period, trigger = words.split()
    with pytest.raises(ChirpConfigError, match=r"needs 0 to 65535 frames .* trigger 1 or 2"):
        parse_chirp(changed("frameCfg 0 2 1 0 5 1 0", f"frameCfg 0 2 1 {count} {period} {trigger} 0"))


BREAKING = {
    "band": profile(start=78),
    "slope": profile(slope=101, samples=64, ramp_end=30),
    "sample_rate": profile(ksps=1000, samples=32),
    "samples": profile(samples=1),
    "lane_groups": profile(samples=255).replace("channelCfg 15 7 0", "channelCfg 1 7 0"),
    "idle": profile(idle=5300),
    "low_power_adc": profile(ksps=10000).replace("lowPower 0 0", "lowPower 0 1"),
    "hpf": changed(" 0 0 30\n", " 0 4 30\n"),
    "adc_layout": changed("adcbufCfg -1 0 1 1 1", "adcbufCfg -1 0 1 0 1"),
    "adc_swap": changed("adcbufCfg -1 0 1 1 1", "adcbufCfg -1 0 0 1 1"),
    "lvds_off": changed("lvdsStreamCfg -1 0 1 0", "lvdsStreamCfg -1 0 0 0"),
    "lvds_content": changed("lvdsStreamCfg -1 0 1 0", "lvdsStreamCfg -1 1 1 0"),
    "adc_start": profile(adc_start=41, ramp_end=100, slope=30),
    "ramp_end": profile(ramp_end=5001, slope=0.1),
    "adc_window": profile(adc_start=9),
    "ramp_down": profile(idle=6.9),
    "chirp_cycle": profile(idle=2, adc_start=1, ramp_end=12, samples=32),
    "adc_buffer": profile(samples=1100, ksps=12500, ramp_end=100, slope=30),
    "tx_backoff": profile(backoff=21),
    "rx_gain": profile(gain=31),
    "receivers": changed("channelCfg 15 7 0", "channelCfg 31 7 0"),
    "transmitters": changed("channelCfg 15 7 0", "channelCfg 15 3 0"),
    "loops": frame(loops=256, period=80),
    "frame_period": frame(period=1343),
    "frame_blank": frame(loops=24),
    "lvds": profile(idle=4, adc_start=0.5, ramp_end=21, ksps=12500),
    "card_rate": frame(loops=24)
    .replace("frameCfg 0 2 24 0 5", "frameCfg 0 2 24 0 5.4")
    .replace(" 256 5000", " 1000 20000"),
    "sdk_demo_loops": DEMO.replace("frameCfg 0 2 4 0", "frameCfg 0 2 1 0"),
    "sdk_demo_duty": DEMO.replace("frameCfg 0 2 4 0", "frameCfg 0 2 20 0"),
}


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.name)
def test_a_broken_limit_names_itself_and_what_to_do(limit):
    chirp = parse_chirp(BREAKING[limit.name], source="bad.cfg")
    assert limit in broken_limits(chirp)
    with pytest.raises(LimitError, match=limit.name) as raised:
        require_limits(chirp)
    assert str(raised.value).startswith("bad.cfg: ")
    assert limit.source in str(raised.value)


def test_limits_hold_on_their_boundary():
    assert broken_limits(parse_chirp(TEXT)) == []
    assert broken_limits(parse_chirp(profile(adc_start=8.8))) == []  # 8.8 + 51.2 = 60 us exactly
    assert broken_limits(parse_chirp(profile(idle=7))) == []
    assert broken_limits(parse_chirp(frame(loops=22).replace(" 256 5000", " 128 5000"))) == []
    assert broken_limits(parse_chirp(DEMO)) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "dfeDataOutputMode is missing|profileCfg is missing"),
        ("hello world", "profileCfg is missing; is this a TI chirp file"),
        (changed("profileCfg 0 77", "profileCfg 0 nan"), "profileCfg needs 14 numbers"),
        (changed("profileCfg 0 77", "profileCfg 0 1e300"), "profileCfg needs 14 numbers"),
        (changed("profileCfg 0 77", "profileCfg 0 0x4D"), "profileCfg needs 14 numbers"),
        (profile(ksps=0), "sample rate above 0"),
        (profile(slope=-1), "slope, samples and sample rate above 0"),
        (frame(period=0), "a period above 0"),
        (frame(loops=0), "at least one loop"),
        (changed("frameCfg 0 2", "frameCfg 2 1"), "needs chirps 0 to 511, first to last"),
        (changed("chirpCfg 1 1 ", "chirpCfg 1 3000000 "), "needs chirps 0 to 511"),
        (changed("channelCfg 15 7 0", "channelCfg -1 7 0"), "receivers"),
        (changed("frameCfg 0 2 1 0 5 1 0", "frameCfg 0 2 1"), "frameCfg needs 7 numbers, has '0 2 1'"),
        (changed("frameCfg 0 2", "frameCfg 0 3"), "uses chirp 3, which no chirpCfg defines"),
        (changed("0 0 0 0 0 2", "0 0 0 0 0 3"), "fires 2 transmitters"),
        (changed("chirpCfg 1 1 0 0", "chirpCfg 1 1 0 500"), "variations"),
        (changed("dfeDataOutputMode 1", "dfeDataOutputMode 3"), "must be 1"),
        (changed("adcCfg 2 1", "adcCfg 1 1"), "16 bit, complex"),
    ],
)
def test_a_bad_file_is_reported_in_one_line(text, message):
    with pytest.raises(ChirpConfigError, match=message) as raised:
        require_limits(parse_chirp(text, source="x.cfg"))
    assert "\n" not in str(raised.value)
    assert "x.cfg" in str(raised.value)


def test_words_of_commands_that_are_not_read_do_not_matter():
    assert parse_chirp(TEXT + "analogMonitor 0x1F0000 yes\n").frame_bytes == 12288


def test_a_binary_file_is_not_a_chirp_file(tmp_path):
    (tmp_path / "x.cfg").write_bytes(bytes(range(256)))
    with pytest.raises(ChirpConfigError, match="not a text file"):
        load_chirp(tmp_path / "x.cfg")
