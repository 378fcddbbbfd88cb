"""Converts mmWave Studio's settings, exported as JSON (*.mmwave.json) or XML, to the commands of a `.cfg`.

JSON: names and units are those of mmwavelink's structures, as TI's own reader uses them (studio_cli's PC tool).
XML: mmWave Studio saves the values of its tabs, with one profile and one chirp, the ones entered last.
"""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

from edge.radar.chirp import ChirpConfigError
from edge.radar.chirp_file.command_lines import Line

_LANES = 2  # LVDS lanes of AWR1843, IWR6843 and similar; the decoder supports their order of words
_FRAME_WAVEFORMS = ("singleFrameChirp", "legacyFrameChirp")


def is_studio(text: str) -> bool:
    """Whether a chirp file is JSON or XML."""
    return text.lstrip()[:1] in ("{", "[", "<")


def studio_lines(text: str, source: str) -> list[Line]:
    """Return the settings as commands in the units of a .cfg. Raises ChirpConfigError."""
    try:
        if text.lstrip().startswith("<"):
            return _xml_lines(ElementTree.fromstring(text.lstrip()), source)
        return _json_lines(json.loads(text), source)
    except ChirpConfigError:
        raise
    except ElementTree.ParseError as error:
        raise ChirpConfigError(f"{source}:{error.position[0]}: not valid XML ({error})") from error
    except json.JSONDecodeError as error:
        raise ChirpConfigError(f"{source}:{error.lineno}: not valid JSON ({error.msg})") from error
    except KeyError as error:
        raise ChirpConfigError(f"{source}: {error.args[0]} is missing; is it mmWave Studio's export?") from error
    except (TypeError, ValueError, IndexError, AttributeError, RecursionError) as error:
        raise ChirpConfigError(f"{source}: not as mmWave Studio exports it ({error})") from error


def _json_lines(content: dict[str, Any], source: str) -> list[Line]:
    _require_export(content, source)
    devices = content["mmWaveDevices"]
    if len(devices) != 1:
        raise ChirpConfigError(
            f"{source}: {len(devices)} radars in a cascade; only recordings of one radar can be read"
        )
    place = f"{source}: mmWaveDevices[0]"
    rf, capture = devices[0]["rfConfig"], devices[0].get("rawDataCaptureConfig", {})
    channel, frame, fmt = rf["rlChanCfg_t"], rf["rlFrameCfg_t"], rf["rlAdcOutCfg_t"]["fmt"]
    data, path = capture.get("rlDevDataFmtCfg_t", {}), capture.get("rlDevDataPathCfg_t", {})
    _require_lanes(_number(capture.get("rlDevLaneEnable_t", {}).get("laneEn", "0x3")), place)
    frames = rf.get("waveformType", _FRAME_WAVEFORMS[0]) in _FRAME_WAVEFORMS
    lines = [
        _line(f"{place}.rfConfig.waveformType", "dfeDataOutputMode", 1 if frames else 3),
        _line(f"{place}.rfConfig.rlChanCfg_t", "channelCfg", channel["rxChannelEn"], channel["txChannelEn"], 0),
        _line(f"{place}.rfConfig.rlAdcOutCfg_t", "adcCfg", fmt["b2AdcBits"], fmt["b2AdcOutFmt"]),
        _line(
            f"{place}.rawDataCaptureConfig.rlDevDataFmtCfg_t",
            *("adcbufCfg", -1, 0, data.get("iqSwapSel", 0), data.get("chInterleave", 1), 1),
        ),
        _line(
            f"{place}.rawDataCaptureConfig.rlDevDataPathCfg_t",
            *("lvdsStreamCfg", -1, 0, 1 if _number(path.get("transferFmtPkt0", 1)) == 1 else 4, 0),
        ),
        _line(
            f"{place}.rfConfig.rlLowPowerModeCfg_t",
            "lowPower",
            0,
            rf.get("rlLowPowerModeCfg_t", {}).get("lpAdcMode", 0),
        ),
    ]
    for number, entry in enumerate(rf["rlProfiles"]):
        values = [entry["rlProfileCfg_t"][key] for key in _JSON_PROFILE]
        lines.append(_line(f"{place}.rfConfig.rlProfiles[{number}]", "profileCfg", *values))
    for number, entry in enumerate(rf["rlChirps"]):
        values = [entry["rlChirpCfg_t"].get(key, 0) for key in _JSON_CHIRP]
        lines.append(_line(f"{place}.rfConfig.rlChirps[{number}]", "chirpCfg", *values))
    values = [frame.get(key, default) for key, default in _JSON_FRAME.items()]
    return [*lines, _line(f"{place}.rfConfig.rlFrameCfg_t", "frameCfg", *values)]


_JSON_PROFILE = (
    *("profileId", "startFreqConst_GHz", "idleTimeConst_usec", "adcStartTimeConst_usec", "rampEndTime_usec"),
    *("txOutPowerBackoffCode", "txPhaseShifter", "freqSlopeConst_MHz_usec", "txStartTime_usec", "numAdcSamples"),
    *("digOutSampleRate", "hpfCornerFreq1", "hpfCornerFreq2", "rxGain_dB"),
)
_JSON_CHIRP = (
    *("chirpStartIdx", "chirpEndIdx", "profileId", "startFreqVar_MHz", "freqSlopeVar_KHz_usec", "idleTimeVar_usec"),
    *("adcStartTimeVar_usec", "txEnable"),
)
_JSON_FRAME: dict[str, float | None] = {
    **dict.fromkeys(("chirpStartIdx", "chirpEndIdx", "numLoops"), None),
    "numFrames": 0,
    "framePeriodicity_msec": None,
    "triggerSelect": 1,
    "frameTriggerDelay": 0,
}


def _require_export(content: Any, source: str) -> None:
    """Raise ChirpConfigError for other JSON files, which are often found beside the export."""
    keys = content.keys() if isinstance(content, dict) else ()
    if "mmWaveDevices" in keys and "rfConfig" in content["mmWaveDevices"][0]:
        return
    if "configUsed" in keys or "captureHardware" in keys:
        used = content.get("configUsed", "*.mmwave.json")
        raise ChirpConfigError(f"{source}: mmWave Studio's set-up file; the chirp settings are in {used!r}")
    if "DCA1000Config" in keys:
        raise ChirpConfigError(f"{source}: the capture program's settings of the card (cf.json), not a chirp file")
    raise ChirpConfigError(f"{source}: JSON, but not mmWave Studio's export: mmWaveDevices with rfConfig is missing")


def _xml_lines(root: ElementTree.Element, source: str) -> list[Line]:
    if root.find("apiname_profile_cfg") is None:
        raise ChirpConfigError(f"{source}: XML, but not mmWave Studio's settings: apiname_profile_cfg is missing")
    tabs = {section.tag: _parameters(section) for section in root}
    channel, adc, frame = tabs["apiname_channel_cfg"], tabs["apiname_adc_cfg"], tabs["apiname_frame_cfg"]
    lanes = tabs.get("apiname_lvdslane_cfg", {"lane1En": "1", "lane2En": "1"})
    _require_lanes(_mask(lanes, ["lane1En", "lane2En", "lane3En", "lane4En"]), f"{source}: apiname_lvdslane_cfg")
    rx, tx = _mask(channel, [f"rx{k}En" for k in range(4)]), _mask(channel, [f"tx{k}En" for k in range(3)])
    profile = dict(tabs["apiname_profile_cfg"])
    profile["backoff"] = _bytes(profile, "OutPowerBackoffCode")
    profile["phase"] = _bytes(profile, "PhaseShifter")
    lines = [
        _line(f"{source}: apiname_frame_cfg", "dfeDataOutputMode", 1),
        _line(f"{source}: apiname_channel_cfg", "channelCfg", rx, tx, 0),
        _line(f"{source}: apiname_adc_cfg", "adcCfg", adc["bitsVal"], adc["formatVal"]),
        _line(f"{source}: apiname_adc_cfg", "adcbufCfg", -1, 0, adc.get("IQSwap", 0), 1, 1),
        _line(f"{source}: apiname_lp_cfg", "lowPower", 0, tabs.get("apiname_lp_cfg", {}).get("lpAdcMode", 0)),
        _line(f"{source}: apiname_profile_cfg", "profileCfg", *(profile[key] for key in _XML_PROFILE)),
    ]
    chirps = [_parameters(section) for section in root.findall("apiname_chirp_cfg")]
    _require_all_chirps(frame, chirps, source)
    for chirp in chirps:
        fired = _mask(chirp, ["tx1Enable", "tx2Enable", "tx3Enable"])
        values = [chirp[key] for key in _XML_CHIRP]
        lines.append(_line(f"{source}: apiname_chirp_cfg", "chirpCfg", *values, fired))
    trigger = _number(frame.get("triggerSelect", 0)) + 1  # the tab counts from 0, mmwavelink from 1
    values = [frame[key] for key in ("fchirpStartIdx", "fchirpEndIdx", "loopCount", "frameCount", "periodicity")]
    return [*lines, _line(f"{source}: apiname_frame_cfg", "frameCfg", *values, trigger, 0)]


_XML_PROFILE = (
    *("pprofileId", "startFreqConst", "idleTimeConst", "adcStartTimeConst", "rampEndTime", "backoff", "phase"),
    *("freqSlopeConst", "txStartTime", "numAdcSamples", "digOutSampleRate", "hpfCornerFreq1", "hpfCornerFreq2"),
    "rxGain",
)
_XML_CHIRP = (
    *("chirpStartIdx", "chirpEndIdx", "cprofileId", "startFreqVar", "freqSlopeVar", "idleTimeVar", "adcStartTimeVar"),
)


def _require_all_chirps(frame: dict[str, str], chirps: list[dict[str, str]], source: str) -> None:
    """Raise ChirpConfigError when the frame uses chirps that are missing in the file."""
    used = range(int(_number(frame["fchirpStartIdx"])), int(_number(frame["fchirpEndIdx"])) + 1)
    known = {
        index
        for chirp in chirps
        for index in range(int(_number(chirp["chirpStartIdx"])), int(_number(chirp["chirpEndIdx"])) + 1)
    }
    if missing := [index for index in used if index not in known]:
        raise ChirpConfigError(
            f"{source}: the frame uses chirp {missing[0]}, but mmWave Studio's XML keeps only the chirp entered last "
            f"({', '.join(map(str, sorted(known)))}); export the settings as JSON, or write a .cfg with all chirps"
        )


def _require_lanes(mask: float, place: str) -> None:
    lanes = int(mask).bit_count()
    if lanes != _LANES:
        raise ChirpConfigError(
            f"{place}: {lanes} LVDS lanes (another board); only recordings of {_LANES} lanes can be decoded"
        )


def _parameters(section: ElementTree.Element) -> dict[str, str]:
    return {param.attrib["name"]: param.attrib["value"] for param in section.findall("param")}


def _mask(parameters: dict[str, str], names: list[str]) -> int:
    return sum(1 << bit for bit, name in enumerate(names) if _number(parameters.get(name, "0")))


def _bytes(profile: dict[str, str], name: str) -> str:
    """Packs the values of three transmitters into one number, one byte each."""
    return str(sum(int(_number(profile.get(f"tx{k + 1}{name}", "0"))) << 8 * k for k in range(3)))


def _line(place: str, name: str, *values: Any) -> Line:
    return Line(place, name, [f"{_number(value):.12g}" for value in values])


def _number(value: Any) -> float:
    """Parse a number, a decimal as text (with a decimal comma on some Windows systems), or a hexadecimal "0x7"."""
    if isinstance(value, str) and value.strip().lower().startswith("0x"):
        return int(value, 16)
    return float(value.replace(",", ".") if isinstance(value, str) else value)
