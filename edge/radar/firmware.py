"""Parses a TI `.cfg` chirp file into a `ChirpConfig`: the one source of the radar's numbers.

Argument order: TI mmWave SDK 3.5 user guide, "Configuration (.cfg) file format".
"""

from __future__ import annotations

import math
from collections import defaultdict
from pathlib import Path

from edge.chirp import HARDWARE_TRIGGER, SOFTWARE_TRIGGER, ChirpConfig, ChirpConfigError
from edge.radar.dca1000_control import max_packet_delay_us
from edge.radar.limits import LIMITS, require_limits

# Synthesiser steps: reference clock / 2^26 for the start, times 900 for the slope (mmwavelink rl_sensor.h).
MAX_CHIRPS = 512
MAX_FRAMES = 65535  # rl_sensor.h numFrames
MAX_NUMBER = 1e9  # no argument of any command comes near; beyond it is a slip of the pen
_REFERENCE_HZ = {"77GHz": 3.6e9, "60GHz": 2.7e9}


def load_chirp(path: Path | str) -> ChirpConfig:
    """Reads and checks a chirp file.

    Raises ChirpConfigError (a subclass, LimitError, when a documented limit is broken), FileNotFoundError.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ChirpConfigError(f"{path}: not a text file; a chirp file is TI's .cfg command list") from error
    chirp = parse_chirp(text, source=str(path))
    require_limits(chirp)
    return chirp


def parse_chirp(text: str, source: str = "<text>") -> ChirpConfig:
    """Parses the commands of a chirp file; does not check limits. Raises ChirpConfigError."""
    cfg = _Commands(text, source)
    profile = cfg.one("profileCfg", 14)
    frame = cfg.one("frameCfg", 7)
    channel = cfg.one("channelCfg", 3)
    adc = cfg.one("adcCfg", 2)
    adc_layout = cfg.one("adcbufCfg", 5)
    lvds = cfg.one("lvdsStreamCfg", 4)
    low_power = cfg.one("lowPower", 2)
    if cfg.one("dfeDataOutputMode", 1)[0] != 1:
        raise cfg.error("dfeDataOutputMode", "must be 1: only plain frames are captured")
    if adc[0] != 2 or adc[1] not in (1, 2):
        raise cfg.error("adcCfg", "must be '2 1' (16 bit, complex): real or shorter samples cannot be decoded")
    if min(profile[1], profile[4], profile[7], profile[9], profile[10]) <= 0:
        raise cfg.error("profileCfg", "needs start, ramp end, slope, samples and sample rate above 0")
    if frame[2] < 1 or frame[4] <= 0:
        raise cfg.error("frameCfg", "needs at least one loop and a period above 0")
    if not 0 <= frame[3] <= MAX_FRAMES or frame[5] not in (SOFTWARE_TRIGGER, HARDWARE_TRIGGER):
        raise cfg.error("frameCfg", f"needs 0 to {MAX_FRAMES} frames (0: endlessly) and trigger 1 or 2 (hardware)")
    backoff = int(profile[5])
    band = "77GHz" if profile[1] > 70 else "60GHz"
    lsb_hz = _REFERENCE_HZ[band] / 2**26
    slope_lsb_hz_us = lsb_hz * 900
    return ChirpConfig(
        source=source,
        text=text,
        firmware="sdk_demo" if "guiMonitor" in cfg.commands else "studio_cli",
        start_hz=round(profile[1] * 1e9 / lsb_hz) * lsb_hz,
        slope_hz_s=math.trunc(profile[7] * 1e6 / slope_lsb_hz_us) * slope_lsb_hz_us * 1e6,
        idle_s=profile[2] * 1e-6,
        adc_start_s=profile[3] * 1e-6,
        ramp_end_s=profile[4] * 1e-6,
        samples=int(profile[9]),
        sample_rate_hz=profile[10] * 1e3,
        rx_gain_db=int(profile[13]) & 0x3F,
        hpf_codes=(int(profile[11]), int(profile[12])),
        low_power_adc=low_power[1] != 0,
        adc_layout=tuple(int(word) for word in adc_layout[1:5]),
        lvds_content=tuple(int(word) for word in lvds[1:4]),
        tx_backoff_db=(backoff & 0xFF, backoff >> 8 & 0xFF, backoff >> 16 & 0xFF),
        tx_order=_tx_order(cfg, int(frame[0]), int(frame[1])),
        tx_enabled=_antennas(int(channel[1])),
        rx=_antennas(int(channel[0])),
        loops=int(frame[2]),
        frame_period_s=frame[4] * 1e-3,
        frames=int(frame[3]),
        trigger=int(frame[5]),
    )


def explain(chirp: ChirpConfig) -> dict[str, str]:
    """What a checked chirp file means, in words and numbers."""
    return {
        "firmware": chirp.firmware,
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


def _antennas(mask: int) -> tuple[int, ...]:
    if mask < 0:
        return ()
    return tuple(bit + 1 for bit in range(mask.bit_length()) if mask >> bit & 1)


def _tx_order(cfg: _Commands, first: int, last: int) -> tuple[int, ...]:
    """The transmitter of each chirp in the order they fire (TI profiles fire 1, 3, 2: never assume)."""
    transmitters: dict[int, int] = {}
    for line, args in cfg.all("chirpCfg", 8):
        if any(args[3:7]):
            raise cfg.error("chirpCfg", "per-chirp variations of frequency, slope or timing must be 0", line)
        fired = _antennas(int(args[7]))
        if len(fired) != 1:
            raise cfg.error("chirpCfg", f"fires {len(fired)} transmitters; each chirp must fire one (TDM)", line)
        if not 0 <= args[0] <= args[1] < MAX_CHIRPS:
            raise cfg.error("chirpCfg", f"needs chirps 0 to {MAX_CHIRPS - 1}, first to last", line)
        transmitters.update(dict.fromkeys(range(int(args[0]), int(args[1]) + 1), fired[0]))
    if not 0 <= first <= last < MAX_CHIRPS:
        raise cfg.error("frameCfg", f"needs chirps 0 to {MAX_CHIRPS - 1}, first to last")
    if missing := [chirp for chirp in range(first, last + 1) if chirp not in transmitters]:
        raise cfg.error("frameCfg", f"uses chirp {missing[0]}, which no chirpCfg defines")
    return tuple(transmitters[chirp] for chirp in range(first, last + 1))


class _Commands:
    """The numeric arguments of each command, with line numbers for messages."""

    def __init__(self, text: str, source: str) -> None:
        self.source = source
        self.commands: dict[str, list[tuple[int, list[str]]]] = defaultdict(list)
        for number, line in enumerate(text.splitlines(), 1):
            words = line.split("%")[0].split()
            if words:
                self.commands[words[0]].append((number, words[1:]))

    def error(self, command: str, problem: str, line: int | None = None) -> ChirpConfigError:
        line = line or self.commands[command][-1][0]
        return ChirpConfigError(f"{self.source}:{line}: {command} {problem}")

    def all(self, command: str, count: int) -> list[tuple[int, list[float]]]:
        """Every use of a command; each must have at least `count` arguments, all finite."""
        if command not in self.commands:
            raise ChirpConfigError(f"{self.source}: {command} is missing; is this a TI chirp file?")
        return [(line, self._numbers(command, line, words, count)) for line, words in self.commands[command]]

    def _numbers(self, command: str, line: int, words: list[str], count: int) -> list[float]:
        try:
            args = [float(word) for word in words]
        except ValueError:
            args = []
        if len(args) < count or not all(abs(value) <= MAX_NUMBER for value in args):
            raise self.error(command, f"needs {count} numbers, has {' '.join(words) or 'none'!r}", line)
        return args

    def one(self, command: str, count: int) -> list[float]:
        uses = self.all(command, count)
        if len(uses) > 1:
            raise self.error(command, "appears twice; one profile and one frame are supported")
        return uses[0][1]
