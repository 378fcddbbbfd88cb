"""Public chirp files: accepted if the radar accepts them, otherwise rejected with the correct reason."""

import re
from dataclasses import replace

import pytest

from edge.radar.awr1843.driver import _commands
from edge.radar.awr1843.replies import Reply
from edge.radar.chirp import ChirpConfigError, require_heartbeat
from edge.radar.chirp_file.firmware_model import Awr1843Firmware
from edge.radar.chirp_file.limits import LimitError
from edge.radar.chirp_file.parser import explain
from tests.conftest import ROOT

MMECG = (ROOT / "firmware_config/awr1843_mmecg.cfg").read_text()
DEMO = (ROOT / "firmware_config/awr1843_sdk_demo.cfg").read_text()
FRAME = "frameCfg 0 2 1 0 5 1 0"


def lines(*changes, text=MMECG):
    """`text` with complete lines replaced (old, new); an empty new line removes the old."""
    for old, new in changes:
        assert f"\n{old}\n" in text
        text = text.replace(f"\n{old}\n", f"\n{new}\n" if new else "\n")
    return text


def profile(numbers):
    return re.sub(r"(?m)^profileCfg.*$", f"profileCfg {numbers}", MMECG)


SIXTY_GHZ = lines(
    (FRAME, "frameCfg 0 0 64 0 40 1 0"),
    text=profile("0 60 100 10 79 1579032 0 50 1 256 4000 0 0 30"),
)


def test_transmit_back_off_is_limited_by_the_family_of_the_device(load):
    assert load(SIXTY_GHZ).tx_backoff_db == (24, 24, 24)
    with pytest.raises(LimitError, match="27 dB is above 26 of xWR6x43"):
        load(SIXTY_GHZ.replace("1579032", "1776411"))
    with pytest.raises(LimitError, match="24 dB is above 20 of xWR1xxx"):
        load(profile("0 77 10 6 60 1579032 0 65 1 256 5000 0 0 30"))


def test_the_sample_rate_is_limited_by_the_adc_format(load):
    fast = profile("0 77 100 6 40 0 0 65 1 256 20000 0 0 30")
    assert load(lines(("adcCfg 2 1", "adcCfg 2 2"), text=fast)).sample_rate_hz == 20e6
    with pytest.raises(LimitError, match="20000 ksps is outside 2000 to 12500 for complex 1x"):
        load(fast)
    with pytest.raises(LimitError, match="25001 ksps is outside 2000 to 25000 for complex 2x"):
        load(lines(("adcCfg 2 1", "adcCfg 2 2"), text=fast.replace(" 20000 ", " 25001 ")))


def test_odd_samples_are_accepted_if_the_frame_is_a_multiple_of_the_lanes(load):
    odd = profile("0 77 10 7 60 0 0 57.984 1 133 10000 0 0 30")
    assert load(odd).frame_bytes == 3 * 4 * 133 * 4
    with pytest.raises(LimitError, match="1596 bytes a frame; two LVDS lanes carry two samples at a time"):
        load(lines(("channelCfg 15 7 0", "channelCfg 1 7 0"), text=odd))


@pytest.mark.parametrize("command", ["lowPower 0 0", "lvdsStreamCfg -1 0 1 0", FRAME, "adcCfg 2 1"])
def test_of_repeated_commands_the_last_counts(load, mmecg, command):
    expected = replace(mmecg, source="", text="")
    wrong = {FRAME: "frameCfg 0 2 4 0 50 1 0", "lvdsStreamCfg -1 0 1 0": "lvdsStreamCfg -1 0 0 0"}.get(command, command)
    chirp = load(lines((command, f"{wrong}\n{command}")))
    assert replace(chirp, source="", text="") == expected


def test_a_subframe_that_plain_frames_do_not_have_changes_nothing(load):
    assert load(lines(("lvdsStreamCfg -1 0 1 0", "lvdsStreamCfg 0 0 1 0\nlvdsStreamCfg 1 0 0 0"))).lvds_content == (
        0,
        1,
        0,
    )


def test_what_the_frame_does_not_use_is_not_checked(load):
    unused = "profileCfg 1 77 10 6 60 99 0 65 1 256 90000 0 0 31\nchirpCfg 7 9 1 0 0 0 0 7\n"
    assert load(MMECG.replace("chirpCfg 0 0", unused + "chirpCfg 0 0")).tx_order == (1, 2, 3)


def test_of_chirps_defined_twice_the_later_definition_holds(load):
    assert load(MMECG.replace("frameCfg", "chirpCfg 0 2 0 0 0 0 0 2\nframeCfg")).tx_order == (2, 2, 2)


def test_chirps_of_two_profiles_are_refused_unless_the_profiles_are_the_same(load):
    second = "profileCfg 1 77 20 6 60 0 0 65 1 256 5000 0 0 30"
    text = MMECG.replace("chirpCfg 0 0", second + "\nchirpCfg 0 0").replace("chirpCfg 1 1 0", "chirpCfg 1 1 1")
    with pytest.raises(ChirpConfigError, match="uses profiles 0, 1; one is supported"):
        load(text)
    assert load(text.replace("1 77 20 6", "1 77 10 6")).tx_order == (1, 2, 3)
    assert load(text, for_replay=True).tx_order == (1, 2, 3)  # the idle time does not change the samples
    with pytest.raises(ChirpConfigError, match="one is supported"):
        load(text.replace("0 0 65 1 256 5000 0 0 30\nchirp", "0 0 66 1 256 5000 0 0 30\nchirp"), for_replay=True)


NINE = "frameCfg 0 0 64 0 256 10 1 0"


@pytest.mark.parametrize("for_replay", [False, True])
def test_another_device_s_frame_of_eight_numbers_is_refused(load, for_replay):
    with pytest.raises(ChirpConfigError, match=r"x\.cfg:17: frameCfg needs 7 numbers, has .*AWR2944") as raised:
        load(lines((FRAME, NINE)), for_replay)
    assert for_replay or "Error -51" in str(raised.value)


REFUSED = [
    (MMECG + "# comment\n", r"x\.cfg:23: #: a comment must begin with %"),
    (MMECG.replace("% 4 RX, 3 TX", "// 4 RX, 3 TX"), r"x\.cfg:6: //: a comment must begin with %"),
    (MMECG.replace("profileCfg 0", "ProfileCfg 0"), r"x\.cfg:12: ProfileCfg is not a command.*did you mean profileCfg"),
    (MMECG.replace("calibMonCfg", "calibMonCgf"), r"x\.cfg:20: calibMonCgf is not.*did you mean calibMonCfg"),
    (MMECG.replace("calibMonCfg 0 0", "foo 1 2"), r"x\.cfg:20: foo is not a command of studio_cli"),
    (MMECG.replace("calibMonCfg 0 0", "calibMonCfg 0"), r"x\.cfg:20: calibMonCfg needs 2 or 3 numbers, has 1"),
    (MMECG.replace("channelCfg 15 7 0", "channelCfg 15 7"), r"x\.cfg:7: channelCfg needs 3 numbers, has 2.*Error -51"),
    (
        DEMO.replace("clutterRemoval -1 0", "clutterRemoval 0"),
        r"clutterRemoval needs 2 numbers.*Invalid usage of the CLI",
    ),
    (
        DEMO.replace("clutterRemoval -1 0\n", ""),
        r"the stock demo would not start \(.*Full configuration.*clutterRemoval",
    ),
    (DEMO.replace("cfarFovCfg -1 1", "cfarFovCfg -1 0"), r"would not start .*the file lacks cfarFovCfg 1"),
    (MMECG.replace("adcbufCfg -1 0 1 1 1\n", ""), "adcbufCfg is missing; add the line `adcbufCfg -1 0 1 1 1`"),
    (MMECG + "chirpCfg 3 3 0 0 0 0 0 1\n", r"x\.cfg:22: sensorStart comes before settings \(chirpCfg at .*x\.cfg:23"),
    (MMECG + "flushCfg\n", r"profileCfg is missing.*flushCfg at .*x\.cfg:23 erases what is before it"),
    (
        MMECG.replace("dfeDataOutputMode 1\n", ""),
        r"x\.cfg:11: profileCfg: .*'Error -52'.*dfeDataOutputMode 1 must come",
    ),
    (DEMO.replace("dfeDataOutputMode 1\n", ""), "valid only if the DFE Output Mode is Frame or Advanced Frame"),
    (MMECG.replace("lowPower 0 0", "lowPower 0 " + "0" * 250), r"x\.cfg:18: a line must have at most 255 plain"),
    (MMECG.replace("lowPower 0 0", "lowPower 0 0µ"), r"x\.cfg:18: a line must have at most 255 plain characters"),
]


@pytest.mark.parametrize(("text", "reason"), REFUSED, ids=lambda value: value[:40] if "\\" in value else "")
def test_what_the_command_line_would_refuse_is_refused_with_its_line(load, text, reason):
    with pytest.raises(ChirpConfigError, match=reason) as raised:
        load(text)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("image", "text"), [("studio_cli", MMECG), ("sdk_demo", DEMO)])
def test_the_check_and_the_radar_agree_on_every_line_left_out_doubled_or_cut(load, mmecg, image, text):
    wanted = text.splitlines()
    for k, line in enumerate(wanted):
        for instead in ([], [line, line], [" ".join(line.split()[:-1])], [line + " 0"], [line.lower()]):
            changed = "\n".join([*wanted[:k], *instead, *wanted[k + 1 :]]) + "\n"
            try:
                load(changed)
                accepted = True
            except ChirpConfigError as error:
                if isinstance(error, LimitError) or "no chirpCfg defines" in str(error):
                    continue  # rejected by the front end, not by the command line
                accepted = False
            radar = Awr1843Firmware(image)
            sent = [command for _, command in _commands(replace(mmecg, source="x", text=changed))]
            replies = [Reply.parse(command, radar.execute(command).encode()) for command in [*sent, "sensorStart"]]
            taken = all(reply.problem is None or reply.command.startswith("sensorStop") for reply in replies)
            assert accepted == taken, (line, instead)


@pytest.mark.parametrize(
    ("content", "comment"),
    [
        (b"\xef\xbb\xbf% x\n" + MMECG.encode(), "% x"),
        (b"\xef\xbb\xbf" + MMECG.split("\n", 2)[2].encode(), "sensorStop"),
        (MMECG.encode("utf-16"), "% AWR1843"),
        (b"% 10 \xb5s \x85 sensorStop 1\n" + MMECG.encode(), "% 10 µs \x85"),
        (MMECG.replace("\n", "\r\n").encode(), "% AWR1843"),
        (MMECG.replace(" ", "\t").encode(), "%\tAWR1843"),
    ],
    ids=["mark", "mark before a command", "UTF-16", "latin-1", "CR LF", "tabs"],
)
def test_every_usual_encoding_is_read(load, mmecg, content, comment):
    chirp = load(content)
    assert chirp.text.startswith(comment)
    assert replace(chirp, source="", text="") == replace(mmecg, source="", text="")
    assert [command for _, command in _commands(chirp)] == [command for _, command in _commands(mmecg)]


STOCK = DEMO.replace("frameCfg 0 2 4 0 5 1 0", "frameCfg 0 2 16 0 50 1 0")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            STOCK.replace("lvdsStreamCfg -1 0 1 0\n", ""),
            "lvdsStreamCfg is missing.*add the line `lvdsStreamCfg -1 0 1 0`",
        ),
        (
            STOCK.replace("lvdsStreamCfg -1 0 1 0", "lvdsStreamCfg -1 0 0 0"),
            "change the line to `lvdsStreamCfg -1 0 1 0`",
        ),
        (
            "sensorStop 0\nchannelCfg 7 3 0\nchirpComnCfg 20 0 0 128 4 28 0\n",
            r"x\.cfg:3: .*xWRL6432.*another command set",
        ),
        ("ar1.ProfileConfig(0, 77, 100)\n", "Lua script of mmWave Studio; export its settings as JSON"),
        ("/*\n * Copyright\n */\nvar BIOS = xdc.useModule('BIOS');\n", "is this a TI chirp file"),
        (lines(("dfeDataOutputMode 1", "dfeDataOutputMode 3"), (FRAME, "")), "dfeDataOutputMode must be 1: only plain"),
    ],
    ids=["no LVDS", "LVDS off", "xWRL6432", "Lua", "no command", "advanced frame"],
)
def test_public_files_are_refused_for_the_correct_reason(load, text, reason):
    with pytest.raises(ChirpConfigError, match=reason):
        load(text)


@pytest.mark.parametrize(
    ("line", "lab"),
    [
        ("trackingCfg 1 2 800 30 46 96 55", "object tracking"),
        ("dynamicRACfarCfg -1 4 4 2 2 8 12 4 8 5.00 8.00 0.40 1 1\ntrackingCfg 1 2 800 30 46 96 55", "people counting"),
        ("vitalSignsCfg 0.3 0.9 256 512 4 0.1 0.05 100000 300000", "vital signs"),
        ("numZones 5\ndynamicRACfarCfg -1 4", "occupancy"),
    ],
)
def test_the_labs_files_are_identified_and_can_be_replayed(load, line, lab):
    text = MMECG.replace("calibMonCfg 0 0\n", f"{line}\n")
    with pytest.raises(ChirpConfigError, match=rf"x\.cfg:20: .* is a command of TI's lab for {lab}"):
        load(text)
    recorded = load(text, for_replay=True)
    assert recorded.firmware is None
    with pytest.raises(ChirpConfigError, match=r"only a \.cfg for studio_cli or for the stock demo can configure"):
        _ = recorded.image


@pytest.mark.parametrize(
    ("text", "image"),
    [
        (MMECG, "studio_cli"),
        (MMECG + "guiMonitor -1 0 0 0 0 0 0\n", "studio_cli"),
        (DEMO, "sdk_demo"),
        (DEMO.replace("guiMonitor -1 1 0 0 0 0 0\n", "").replace("guiMonitor -1 0 0 0 0 0 0\n", ""), "sdk_demo"),
    ],
)
def test_the_firmware_is_detected_from_all_commands(load, text, image):
    assert load(text, for_replay=True).firmware == image


@pytest.mark.parametrize("period_ms", [120, 150, 200])
def test_the_check_and_the_run_require_the_same(load, period_ms):
    chirp = load(lines((FRAME, f"frameCfg 0 2 1 0 {period_ms} 1 0")))
    for ask in (explain, require_heartbeat):
        with pytest.raises(ChirpConfigError, match="too few to see a heartbeat; at least 10 are needed"):
            ask(chirp)
    assert "frame rate" in explain(load(lines((FRAME, "frameCfg 0 2 1 0 100 1 0"))))
