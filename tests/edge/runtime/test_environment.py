"""Settings from the environment: they come before the file, and a variable that is no setting is an error."""

import pytest

from edge.core.settings import ConfigError
from edge.runtime.config import load_config
from edge.runtime.environment import OverrideError

FILE = 'device = "radar-1"\n[radar]\ncfg = "radar.cfg"\n[mqtt]\nhost = "hub"\nport = 1884\n'


@pytest.fixture
def loaded(tmp_path):
    def load(text=FILE, **environ):
        path = tmp_path / "radarecg.toml"
        path.write_text(text)
        return load_config(path, {"PATH": "/bin", **environ})

    return load


def test_the_environment_comes_before_the_file(loaded):
    config = loaded(
        RADARECG_DEVICE="radar-2",
        RADARECG_MQTT__PORT="8883",
        RADARECG_MQTT__USERNAME="1234",
        RADARECG_RADAR__DATA_PORT="5000",
        RADARECG_LOG="json",
    )
    assert (config.device, config.log) == ("radar-2", "json")
    assert (config.mqtt.host, config.mqtt.port, config.mqtt.username) == ("hub", 8883, "1234")
    assert (config.radar.cfg, config.radar.data_port) == ("radar.cfg", 5000)


def test_without_variables_the_file_stands(loaded):
    config = loaded()
    assert (config.device, config.mqtt.port, config.web, config.log) == ("radar-1", 1884, None, "text")


def test_a_table_that_the_file_lacks_can_be_made(loaded):
    assert loaded(RADARECG_WEB__PORT="9000").web.port == 9000
    assert loaded("", RADARECG_DEVICE="a", RADARECG_RADAR__CFG="b").radar.cfg == "b"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("RADARECG_DEVCE", "x", "unknown setting; known settings are device, radar, mqtt"),
        ("RADARECG_MQTT__HOTS", "x", "unknown setting; known settings are host, port"),
        ("RADARECG_MQQT__HOST", "x", "unknown setting"),
        ("RADARECG_DEVICE__NAME", "x", "device is a setting, not a table"),
        ("RADARECG_MQTT__PORT", "0", ">= 1"),
        ("RADARECG_MQTT__PORT", "mqtt", "Expected `int`"),
        ("RADARECG_DEVICE", "Mr Smith", "matching regex"),
        ("RADARECG_LOG", "xml", "Invalid enum value"),
        ("RADARECG_MQTT", "x", "RADARECG_MQTT: Expected `object`"),
    ],
)
def test_a_variable_that_is_no_setting_is_refused(loaded, name, value, reason):
    with pytest.raises(OverrideError, match=name) as caught:
        loaded(**{name: value})
    assert reason in str(caught.value)


def test_the_file_is_still_checked(loaded):
    with pytest.raises(ConfigError, match="hots"):
        loaded(FILE.replace("host", "hots"), RADARECG_MQTT__PORT="1883")
    with pytest.raises(OverrideError, match="mqtt must be a table"):
        loaded('device = "a"\nmqtt = 3\n[radar]\ncfg = "x"', RADARECG_MQTT__PORT="1883")
