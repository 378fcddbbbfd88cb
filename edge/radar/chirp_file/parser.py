"""Parses a chirp file into a `ChirpConfig`.

A chirp file is TI's `.cfg` list of commands (mmWave SDK 3.5 user guide, "Configuration (.cfg) file format"), or mmWave
Studio's JSON or XML, which `mmwave_studio` converts to the same commands.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

from edge.core.errors import InputError
from edge.core.files import read_text_file
from edge.radar.chirp import HARDWARE_TRIGGER, SOFTWARE_TRIGGER, ChirpConfig, ChirpConfigError, require_heartbeat
from edge.radar.chirp_file.command_lines import Line, command_lines, count_hint
from edge.radar.chirp_file.firmware_check import require_accepted, require_start
from edge.radar.chirp_file.firmware_detection import firmware_of, lab_error, require_command_set
from edge.radar.chirp_file.front_end_limits import ADC_FORMATS, FAMILIES
from edge.radar.chirp_file.limits import LIMITS, require_limits
from edge.radar.chirp_file.mmwave_studio import is_studio, studio_lines
from edge.radar.dca1000.card_rate import max_packet_delay_us

MAX_CHIRPS = 512
MAX_FRAMES = 65535  # rl_sensor.h numFrames
MAX_NUMBER = 1e9  # far above every valid argument; larger numbers are typing errors
MIN_77GHZ_START_GHZ = 70
_SAMPLE_ARGS = (1, 3, 7, 9, 10)  # indices of the arguments of profileCfg that determine a chirp's samples
# Synthesiser steps: reference clock / 2^26 for the start, times 900 for the slope (mmwavelink rl_sensor.h).
_REFERENCE_HZ = {"77GHz": 3.6e9, "60GHz": 2.7e9}


def load_chirp(path: Path | str, for_replay: bool = False) -> ChirpConfig:
    """Read and check a chirp file, in any usual text encoding.

    `for_replay`: only what decoding a recording needs is checked. Otherwise the file must be acceptable to the radar's
    command line and front end. Raises ChirpConfigError (its subclass LimitError when a documented limit is violated),
    FileNotFoundError.
    """
    source = str(path)
    try:
        text = read_text_file(Path(path), fallback="latin-1")
    except InputError as error:
        raise ChirpConfigError(f"{error}; a chirp file is TI's .cfg command list") from error
    if for_replay or is_studio(text):
        chirp = parse_chirp(text, source, for_replay)
        require_limits(chirp, for_replay)
        return chirp
    lines = command_lines(text, source)
    require_command_set(lines, source)
    image = firmware_of(lines)
    if image is None:
        raise lab_error(lines)
    require_accepted(lines, image)
    chirp = parse_chirp(text, source)
    require_limits(chirp)
    require_start(lines, image)
    return chirp


def parse_chirp(text: str, source: str = "<text>", for_replay: bool = False) -> ChirpConfig:
    """Parse the settings of a chirp file; do not check limits. Raises ChirpConfigError.

    `for_replay`: the frame's chirps may differ in what does not change their samples, such as the idle time.
    """
    studio = is_studio(text)
    lines = studio_lines(text, source) if studio else command_lines(text, source)
    require_command_set(lines, source)
    cfg = _Commands(lines, source)
    cfg.all("profileCfg", 14)
    if cfg.last("dfeDataOutputMode", 1)[0] != 1:
        raise cfg.error("dfeDataOutputMode", "must be 1: only plain frames are captured")
    frame = cfg.last("frameCfg", 7)
    channel = cfg.last("channelCfg", 3)
    adc = cfg.last("adcCfg", 2)
    adc_layout = cfg.of_frame("adcbufCfg", 5)
    lvds = cfg.of_frame("lvdsStreamCfg", 4)
    adc_format = _adc_format(cfg, adc)
    if frame[2] < 1 or frame[4] <= 0:
        raise cfg.error("frameCfg", "needs at least one loop and a period above 0")
    is_valid = 0 <= frame[3] <= MAX_FRAMES and frame[5] in (SOFTWARE_TRIGGER, HARDWARE_TRIGGER)
    if not (is_valid or for_replay):
        raise cfg.error("frameCfg", f"needs 0 to {MAX_FRAMES} frames (0: endlessly) and trigger 1 or 2 (hardware)")
    tx_order, profile = _chirps(cfg, int(frame[0]), int(frame[1]), for_replay)
    band = "77GHz" if profile[1] > MIN_77GHZ_START_GHZ else "60GHz"
    lsb_hz = _REFERENCE_HZ[band] / 2**26
    slope_lsb_hz_us = lsb_hz * 900
    backoff = int(profile[5])
    layout = tuple(int(word) for word in adc_layout[1:])
    return ChirpConfig(
        source=source,
        text=text,
        firmware=None if studio else firmware_of(lines),
        start_hz=round(profile[1] * 1e9 / lsb_hz) * lsb_hz,
        slope_hz_s=math.trunc(profile[7] * 1e6 / slope_lsb_hz_us) * slope_lsb_hz_us * 1e6,
        idle_s=profile[2] * 1e-6,
        adc_start_s=profile[3] * 1e-6,
        ramp_end_s=profile[4] * 1e-6,
        samples=int(profile[9]),
        sample_rate_hz=profile[10] * 1e3,
        rx_gain_db=int(profile[13]) & 0x3F,
        hpf_codes=(int(profile[11]), int(profile[12])),
        low_power_adc="lowPower" in cfg and cfg.last("lowPower", 2)[1] != 0,
        adc_format=adc_format,
        iq_order="studio" if layout[1:2] == (0,) else "sdk",
        adc_layout=layout,
        lvds_content=tuple(int(word) for word in lvds[1:]),
        tx_backoff_db=(backoff & 0xFF, backoff >> 8 & 0xFF, backoff >> 16 & 0xFF),
        tx_order=tx_order,
        tx_enabled=_antennas(int(channel[1])),
        rx=_antennas(int(channel[0])),
        loops=int(frame[2]),
        frame_period_s=frame[4] * 1e-3,
        frames=int(frame[3]),
        trigger=int(frame[5]),
    )


def explain(chirp: ChirpConfig) -> dict[str, str]:
    """Describe a checked chirp file: one text for each property.

    Raises ChirpConfigError when a heartbeat cannot be measured with its frames; `run` and `replay` reject such files.
    """
    require_heartbeat(chirp)
    return {
        "firmware": chirp.firmware or "mmWave Studio's settings: to start the radar over its serial port, write a .cfg",
        "device": f"{FAMILIES[chirp.band].name}, {ADC_FORMATS[chirp.adc_format]}",
        "frame": f"{chirp.loops} loops x {len(chirp.tx_order)} TX x {len(chirp.rx)} RX x {chirp.samples} samples",
        "TX order": ", ".join(map(str, chirp.tx_order)),
        "frame rate": f"{chirp.frame_rate_hz:g} Hz, {chirp.frame_bytes} bytes a frame, duty {chirp.duty:.1%}",
        "frames": _frames(chirp),
        "capture card": f"{chirp.rate_bit_s / 1e6:.0f} Mbit/s: packet_delay_us of at most {max_packet_delay_us(chirp)}",
        "sweep": f"{chirp.start_hz / 1e9:.3f} GHz + {chirp.slope_hz_s / 1e12:.3f} MHz/us",
        "wavelength": f"{chirp.wavelength_m * 1e3:.4f} mm in the middle of the ADC window",
        "range bin": f"{chirp.range_bin_m * 100:.2f} cm",
        "fastest motion": f"{chirp.max_speed_m_s * 1e3:.0f} mm/s",
        "limits": f"all {len(LIMITS)} kept",
    }


def _frames(chirp: ChirpConfig) -> str:
    count = f"{chirp.frames}, then the radar stops" if chirp.frames else "without end"
    pulses = ", each with a pulse at a pin of the radar" if chirp.trigger == HARDWARE_TRIGGER else ""
    return count + pulses + (" (for `record` only)" if chirp.frames or pulses else "")


def _is_without_subframe(line: Line) -> bool:
    """Whether the line is an adcbufCfg of SDK 1, which had no subframes."""
    return line.name == "adcbufCfg" and len(line.args) == 4


def _adc_format(cfg: _Commands, adc: list[float]) -> Literal[1, 2]:
    if adc[0] == 2 and adc[1] in (1, 2):
        return 1 if adc[1] == 1 else 2
    raise cfg.error("adcCfg", "must be '2 1' or '2 2' (16 bit, complex): real or shorter samples cannot be decoded")


def _antennas(mask: int) -> tuple[int, ...]:
    if mask < 0:
        return ()
    return tuple(bit + 1 for bit in range(mask.bit_length()) if mask >> bit & 1)


def _chirps(cfg: _Commands, first: int, last: int, for_replay: bool) -> tuple[tuple[int, ...], list[float]]:
    """Return the transmitter of each chirp in firing order (TI's files: 1, 3, 2), and the profile of the chirps.

    Of several definitions of a chirp the last one is used. Chirps that the frame does not use are not checked.
    """
    if not 0 <= first <= last < MAX_CHIRPS:
        raise cfg.error("frameCfg", f"needs chirps 0 to {MAX_CHIRPS - 1}, first to last")
    used: dict[int, tuple[Line, list[float]]] = {}
    for line, args in cfg.all("chirpCfg", 8):
        if not 0 <= args[0] <= args[1] < MAX_CHIRPS:
            raise cfg.error("chirpCfg", f"needs chirps 0 to {MAX_CHIRPS - 1}, first to last", line)
        for chirp in range(max(first, int(args[0])), min(last, int(args[1])) + 1):
            used[chirp] = line, args
    if missing := [chirp for chirp in range(first, last + 1) if chirp not in used]:
        raise cfg.error("frameCfg", f"uses chirp {missing[0]}, which no chirpCfg defines{cfg.hint}")
    order = []
    for chirp in range(first, last + 1):
        line, args = used[chirp]
        fired = _antennas(int(args[7]))
        if args[3] or args[4] or args[6] or (args[5] and not for_replay):
            raise cfg.error("chirpCfg", "per-chirp variations of frequency, slope or timing must be 0", line)
        if not fired or fired[-1] > 9:
            raise cfg.error("chirpCfg", f"fires transmitters {fired or 'none'}; one must fire", line)
        order.append(int("".join(map(str, fired))))
    profiles = {int(args[2]): line for line, args in used.values()}
    numbers = [cfg.profile(number, line) for number, line in profiles.items()]
    compared = _SAMPLE_ARGS if for_replay else range(1, 14)
    if any(profile[k] != numbers[0][k] for profile in numbers for k in compared):
        raise cfg.error("frameCfg", f"uses profiles {', '.join(map(str, profiles))}; one is supported")
    return tuple(order), numbers[0]


class _Commands:
    """The numeric arguments of each command. As on the radar, the last use applies and flushCfg erases earlier ones."""

    def __init__(self, lines: list[Line], source: str) -> None:
        flush = max((k for k, line in enumerate(lines) if line.name == "flushCfg"), default=-1)
        self._source, self._lines = source, lines[flush + 1 :]
        erased = any(line.name not in ("sensorStop", "sensorStart") for line in lines[: max(flush, 0)])
        self.hint = f" (flushCfg at {lines[flush].place} erases what is before it)" if erased else ""

    def __contains__(self, command: str) -> bool:
        return any(line.name == command for line in self._lines)

    def error(self, command: str, problem: str, line: Line | None = None) -> ChirpConfigError:
        place = (line or [line for line in self._lines if line.name == command][-1]).place
        return ChirpConfigError(f"{place}: {command} {problem}")

    def all(self, command: str, count: int) -> list[tuple[Line, list[float]]]:
        """Return every use of a command, which must have exactly `count` numbers."""
        if command not in self:
            raise ChirpConfigError(f"{self._source}: {command} is missing; is this a TI chirp file?{self.hint}")
        return [(line, self._numbers(line, count)) for line in self._lines if line.name == command]

    def last(self, command: str, count: int) -> list[float]:
        return self.all(command, count)[-1][1]

    def of_frame(self, command: str, count: int) -> list[float]:
        """Return the last use for all subframes (-1) or for subframe 0, used by plain frames; [] if there is none."""
        uses = self.all(command, count) if command in self else []
        return next((args for _, args in reversed(uses) if args[0] in (-1, 0)), [])

    def profile(self, number: int, chirp: Line) -> list[float]:
        uses = [(line, args) for line, args in self.all("profileCfg", 14) if args[0] == number]
        if not uses:
            raise self.error("chirpCfg", f"uses profile {number}, which no profileCfg defines", chirp)
        line, profile = uses[-1]
        if min(profile[1], profile[4], profile[7], profile[9], profile[10]) <= 0:
            raise self.error("profileCfg", "needs start, ramp end, slope, samples and sample rate above 0", line)
        return profile

    def _numbers(self, line: Line, count: int) -> list[float]:
        words = ["-1", *line.args] if _is_without_subframe(line) else line.args
        try:
            numbers = [float(word) for word in words]
        except ValueError:
            numbers = []
        if len(numbers) != count or not all(abs(value) <= MAX_NUMBER for value in numbers):
            found = " ".join(line.args) or "none"
            raise self.error(line.name, f"needs {count} numbers, has {found!r}{count_hint(line)}", line)
        return numbers
