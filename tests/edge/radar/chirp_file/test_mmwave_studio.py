"""mmWave Studio's JSON and XML as chirp files."""

import json
from dataclasses import replace

import pytest

from edge.radar.chirp import ChirpConfigError
from edge.radar.chirp_file.limits import LimitError
from edge.radar.chirp_file.parser import explain, load_chirp

STARTS_NOTHING = {"source": "", "text": "", "firmware": None, "iq_order": "", "adc_layout": (), "lvds_content": ()}


def export(**rf):
    """Returns mmWave Studio's JSON export of awr1843_mmecg.cfg; `rf` replaces parts of rfConfig."""
    profile = {
        "profileId": 0,
        "pfVcoSelect": "0x0",
        "startFreqConst_GHz": 77.0,
        "idleTimeConst_usec": 10.0,
        "adcStartTimeConst_usec": 6.0,
        "rampEndTime_usec": 60.0,
        "txOutPowerBackoffCode": "0x0",
        "txPhaseShifter": "0x0",
        "freqSlopeConst_MHz_usec": 65.0,
        "txStartTime_usec": 1.0,
        "numAdcSamples": 256,
        "digOutSampleRate": 5000.0,
        "hpfCornerFreq1": 0,
        "hpfCornerFreq2": 0,
        "rxGain_dB": "0x1E",
    }
    chirps = [
        {"rlChirpCfg_t": {"chirpStartIdx": k, "chirpEndIdx": k, "profileId": 0, "txEnable": hex(1 << k)}}
        for k in range(3)
    ]
    frame = {"chirpStartIdx": 0, "chirpEndIdx": 2, "numLoops": 1, "numFrames": 0, "framePeriodicity_msec": 5.0}
    config = {
        "waveformType": "legacyFrameChirp",
        "rlChanCfg_t": {"rxChannelEn": "0xF", "txChannelEn": "0x7", "cascading": 0},
        "rlAdcOutCfg_t": {"fmt": {"b2AdcBits": 2, "b8FullScaleReducFctr": 0, "b2AdcOutFmt": 1}},
        "rlLowPowerModeCfg_t": {"lpAdcMode": 0},
        "rlProfiles": [{"rlProfileCfg_t": profile}],
        "rlChirps": chirps,
        "rlFrameCfg_t": frame | {"triggerSelect": 1, "frameTriggerDelay": 0.0},
    }
    capture = {
        "rlDevDataFmtCfg_t": {"iqSwapSel": 0, "chInterleave": 1},
        "rlDevDataPathCfg_t": {"intfSel": 1, "transferFmtPkt0": "0x1"},
        "rlDevLaneEnable_t": {"laneEn": "0x3"},
    }
    device = {"mmWaveDeviceId": 0, "rfConfig": config | rf, "rawDataCaptureConfig": capture}
    return {"configGenerator": {"createdBy": "mmWaveStudio"}, "mmWaveDevices": [device]}


def tabs(chirp_index=0, **more):
    """Returns mmWave Studio's XML for one transmitter of awr1843_mmecg.cfg; `more` replaces parameters."""
    sections = {
        "channel": {"rx0En": 1, "rx1En": 1, "rx2En": 1, "rx3En": 1, "tx0En": 1, "tx1En": 1, "tx2En": 1},
        "adc": {"bitsVal": 2, "formatVal": 1, "IQSwap": 0},
        "lp": {"lpAdcMode": 0},
        "lvdslane": {"lane1En": 1, "lane2En": 1, "lane3En": 0, "lane4En": 0},
        "profile": {
            **{"pprofileId": 0, "startFreqConst": "77,0", "idleTimeConst": 10, "adcStartTimeConst": 6},
            **{"rampEndTime": 60, "tx1OutPowerBackoffCode": 3, "tx2OutPowerBackoffCode": 0, "freqSlopeConst": 65},
            **{"txStartTime": 1, "numAdcSamples": 256, "digOutSampleRate": 5000, "rxGain": 30},
            **{"hpfCornerFreq1": 0, "hpfCornerFreq2": 0},
        },
        "chirp": {
            **{"chirpStartIdx": chirp_index, "chirpEndIdx": chirp_index, "cprofileId": 0, "tx1Enable": 0},
            **{"tx2Enable": 1, "tx3Enable": 0, "startFreqVar": 0, "freqSlopeVar": 0, "idleTimeVar": 0},
            "adcStartTimeVar": 0,
        },
        "frame": {
            **{"fchirpStartIdx": 0, "fchirpEndIdx": 0, "loopCount": 4, "frameCount": 2048, "periodicity": 50},
            "triggerSelect": 0,
        },
    }
    body = "".join(
        f"<apiname_{name}_cfg>"
        + "".join(f'<param name="{key}" value="{more.get(key, value)}" />' for key, value in section.items())
        + f"</apiname_{name}_cfg>\n"
        for name, section in sections.items()
    )
    return f'<?xml version="1.0" encoding="utf-8" ?>\n<configuration>\n{body}</configuration>\n'


@pytest.fixture
def load(tmp_path):
    """Loads a file of mmWave Studio as for replay."""

    def load(content, for_replay=True):
        path = tmp_path / "x.mmwave.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8-sig")
        return load_chirp(path, for_replay)

    return load


def test_the_json_gives_what_the_same_cfg_gives(load, mmecg):
    chirp = load(export())
    assert replace(chirp, **STARTS_NOTHING) == replace(mmecg, **STARTS_NOTHING)
    assert chirp.iq_order == "studio"
    assert load(export(), for_replay=False).frame_bytes == 12288  # another program may start the boards


def test_the_order_of_the_words_follows_the_iq_swap(load):
    swapped = export()
    swapped["mmWaveDevices"][0]["rawDataCaptureConfig"]["rlDevDataFmtCfg_t"]["iqSwapSel"] = 1
    assert load(swapped).iq_order == "sdk"


def test_settings_of_studio_start_no_radar_over_its_serial_port(load):
    chirp = load(export())
    assert "write a .cfg" in explain(chirp)["firmware"]
    with pytest.raises(ChirpConfigError, match=r"only a \.cfg for studio_cli or for the stock demo"):
        _ = chirp.image


def test_the_xml_of_one_transmitter_is_read(load):
    chirp = load(tabs())
    assert chirp.frame_shape == (4, 1, 4, 256)
    assert (chirp.tx_order, chirp.tx_enabled, chirp.rx) == ((2,), (1, 2, 3), (1, 2, 3, 4))
    assert chirp.start_hz == pytest.approx(77e9, abs=100)
    assert (chirp.frame_period_s, chirp.tx_backoff_db, chirp.rx_gain_db) == (0.05, (3, 0, 0), 30)
    assert chirp.iq_order == "studio"
    assert load(tabs(IQSwap=1)).iq_order == "sdk"


def cascade():
    content = export()
    return content | {"mmWaveDevices": content["mmWaveDevices"] * 4}


def four_lanes():
    content = export()
    content["mmWaveDevices"][0]["rawDataCaptureConfig"]["rlDevLaneEnable_t"]["laneEn"] = "0xF"
    return content


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (cascade(), "4 radars in a cascade"),
        (four_lanes(), "4 LVDS lanes .another board"),
        (export(waveformType="advancedFrameChirp"), r"mmWaveDevices\[0\].*dfeDataOutputMode must be 1"),
        (export(rlAdcOutCfg_t={"fmt": {"b2AdcBits": 2, "b2AdcOutFmt": 0}}), "rlAdcOutCfg_t: adcCfg .*16 bit, complex"),
        (export(rlFrameCfg_t={"chirpStartIdx": 0}), "not as mmWave Studio exports it"),
        ({"captureHardware": "DCA1000", "configUsed": "a.mmwave.json"}, "set-up file; .* are in 'a.mmwave.json'"),
        ({"DCA1000Config": {}}, "the capture program's settings of the card"),
        ({"name": "package"}, "JSON, but not mmWave Studio's export"),
        ('{\n"mmWaveDevices": [\n', r"x\.mmwave\.json:3: not valid JSON"),
        ("<configuration>\n<a>\n", r"x\.mmwave\.json:3: not valid XML"),
        ("<html></html>", "XML, but not mmWave Studio's settings"),
        (tabs(lane3En=1, lane4En=1), "4 LVDS lanes"),
        (
            tabs(fchirpEndIdx=2, chirp_index=2),
            r"uses chirp 0, but mmWave Studio's XML keeps only the chirp entered last \(2\)",
        ),
        (tabs(numAdcSamples="many"), "not as mmWave Studio exports it"),
    ],
)
def test_what_cannot_be_read_is_reported_in_one_line(load, content, reason):
    with pytest.raises(ChirpConfigError, match=reason) as raised:
        load(content)
    assert "\n" not in str(raised.value)
    assert "x.mmwave.json" in str(raised.value)


def test_data_with_chirp_parameters_between_are_not_decoded(load):
    content = export()
    content["mmWaveDevices"][0]["rawDataCaptureConfig"]["rlDevDataPathCfg_t"]["transferFmtPkt0"] = "0x6"
    with pytest.raises(LimitError, match="lvds_content"):
        load(content)
