"""The computer's state from made-up /sys trees, whose names and values are those of real listings."""

import pytest

from edge.mqtt.device_report import DeviceReport
from edge.runtime.device_state import DeviceState

ORIN = {
    "class/thermal/thermal_zone0": {"type": "cpu-thermal", "temp": "47187"},
    "class/thermal/thermal_zone1": {"type": "gpu-thermal", "temp": "46187"},
    "class/thermal/thermal_zone2": {"type": "cv0-thermal", "temp": ""},  # without power, it cannot be read
    "class/thermal/thermal_zone5": {"type": "soc0-thermal", "temp": "46593"},
    "class/thermal/thermal_zone8": {"type": "tj-thermal", "temp": "47531"},
    "class/thermal/cooling_device0": {"type": "pwm-fan", "cur_state": "2"},
    "class/thermal/cooling_device1": {"type": "cpufreq-cpu0", "cur_state": "0"},
    "class/thermal/cooling_device2": {"type": "gpu-throttle-alert", "cur_state": "0"},
    "class/thermal/cooling_device3": {"type": "hot-surface-alert", "cur_state": "1"},
    "class/devfreq/17000000.gpu": {"cur_freq": "306000000", "max_freq": "918000000"},
    "class/devfreq/17000000.gpu/device": {"load": "473"},
    "class/devfreq/15480000.nvdec": {"cur_freq": "704000000"},
    "class/hwmon/hwmon1": {"name": "ina3221"},
    "class/hwmon/hwmon3": {"name": "soctherm_oc", "oc1_event_cnt": "0", "oc2_event_cnt": "0", "oc3_event_cnt": "11"},
}
THOR = {
    "class/thermal/thermal_zone0": {"type": "cpu-thermal", "temp": "38218"},
    "class/devfreq/gpu-gpc-0": {"cur_freq": "1575000000", "max_freq": "1575000000"},
    "class/devfreq/bwmgr": {"cur_freq": "4266000000"},
}
PC = {
    "class/thermal/thermal_zone0": {"type": "x86_pkg_temp", "temp": "61000"},
    "class/thermal/cooling_device0": {"type": "Processor", "cur_state": "3"},
    "class/thermal/cooling_device1": {"type": "intel_powerclamp", "cur_state": "-1"},
}


@pytest.fixture
def state_of(tmp_path):
    def build(tree: dict[str, dict[str, str]]) -> DeviceState:
        for folder, files in tree.items():
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
            for name, text in files.items():
                (tmp_path / folder / name).write_text(f"{text}\n")
        return DeviceState(tmp_path)

    return build


def test_an_orin_reports_everything(state_of):
    assert state_of(ORIN).read() == DeviceReport(
        temperature_c=47.531,
        gpu_temperature_c=46.187,
        gpu_load=0.473,
        gpu_clock_mhz=306.0,
        gpu_max_clock_mhz=918.0,
        throttled=False,
        overcurrent_events=11,
    )


def test_a_thor_reports_its_clock_and_no_load(state_of):
    report = state_of(THOR).read()
    assert report == DeviceReport(temperature_c=38.218, gpu_clock_mhz=1575.0, gpu_max_clock_mhz=1575.0)


def test_a_pc_reports_that_it_is_throttled(state_of):
    assert state_of(PC).read() == DeviceReport(temperature_c=61.0, throttled=True)


def test_throttling_for_heat_is_not_the_fans_state(state_of, tmp_path):
    state = state_of(ORIN)
    (tmp_path / "class/thermal/cooling_device2/cur_state").write_text("1\n")
    assert state.read().throttled is True


def test_a_computer_that_reports_nothing_has_no_state(tmp_path, state_of):
    assert state_of({}).read() is None
    assert DeviceState(tmp_path / "none").gauges() == {}


def test_a_sensor_that_goes_away_is_unknown(state_of, tmp_path):
    state = state_of(THOR)
    (tmp_path / "class/thermal/thermal_zone0/temp").unlink()
    (tmp_path / "class/devfreq/gpu-gpc-0/cur_freq").write_text("invalid\n")
    assert state.read() == DeviceReport(gpu_max_clock_mhz=1575.0)


def test_metrics_have_prometheus_units(state_of):
    assert state_of(ORIN).gauges() == {
        "device_temperature_celsius": 47.531,
        "gpu_temperature_celsius": 46.187,
        "gpu_load_ratio": 0.473,
        "gpu_clock_hertz": 306e6,
        "gpu_max_clock_hertz": 918e6,
        "device_throttled": 0.0,
        "device_overcurrent_events_total": 11.0,
    }
