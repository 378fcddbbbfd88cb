"""Settings that cannot be: one clear error each, which names the file and the key."""

import pytest

from edge.core.errors import InputError
from edge.core.settings import ConfigError
from edge.mqtt.settings import load_broker
from edge.runtime.config import load_config
from edge.runtime.hub_config import load_hub_config

RADAR = '[radar]\ncfg = "x.cfg"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "device"),
        ('device = "a\\n"\n' + RADAR, r"\$.device"),  # would be a topic of two lines
        ('device = "Mrs Smith"\n' + RADAR, r"\$.device"),
        ("device = 2026-01-01\n" + RADAR, "got `date`"),
        ('device = "a"\nradar = "x.cfg"\n', r"got `str` - at `\$.radar`"),
        ('device = "a"\n' + RADAR + "data_port = 4098.0\n", r"\$.radar.data_port"),
        ('device = "a"\n' + RADAR + "data_port = true\n", r"\$.radar.data_port"),
        ('device = "a"\n' + RADAR + RADAR, "twice"),
        ('device = "a"\n' + RADAR + "[mqtt]\nport = 0\n", r"\$.mqtt.port"),
        ('device = "a"\n' + RADAR + "[mqtt]\ntls = 1\n", r"\$.mqtt.tls"),
        ('device = "a"\n' + RADAR + '[mqtt]\nca = "a\\u0000b"\n', r"\$.mqtt.ca"),
        ('device = "a"\n' + RADAR + "[spool]\nbackfill_per_s = nan\n", r"\$.spool.backfill_per_s"),
        ('device = "a"\n' + RADAR + "[spool]\nbackfill_per_s = inf\n", r"\$.spool.backfill_per_s"),
        ('device = "a"\n' + RADAR + '[spool]\nfile = ""\n', r"\$.spool.file"),
        ('device = "a"\n' + RADAR + '[network]\nbackend = "cuda"\n', r"\$.network.backend"),
        ('device = "a"\n' + RADAR + "[web]\nport = 99999\n", r"\$.web.port"),
        ('device = "a"\n' + RADAR + "[history]\ndays = 0\n", r"\$.history.days"),
        ('device = "a"\n' + RADAR + "[history]\necg = true\n", r"\$.history.ecg"),
        ('device = "a"\n' + RADAR + "[wbe]\n", "wbe"),
        ("[[radar]]\n", "radar"),
        ("device = \n", "line 1"),
    ],
)
def test_what_cannot_be_is_named(tmp_path, text, message):
    path = tmp_path / "radarecg.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=f"radarecg.toml: .*{message}"):
        load_config(path, {})


@pytest.mark.parametrize("content", [b"\xff\xfe", b"\x00", bytes(range(256))])
def test_what_is_no_text_is_reported(tmp_path, content):
    (tmp_path / "hub.toml").write_bytes(content)
    with pytest.raises(InputError, match=r"hub\.toml"):
        load_hub_config(tmp_path / "hub.toml", {})


@pytest.mark.parametrize("key", ["radar.data_host", "mqtt.host", "web.host"])
@pytest.mark.parametrize("host", ["broker..local", ".", "x" * 64, "a b", "a\\n", ""])
def test_a_name_that_no_host_can_have(tmp_path, key, host):
    path = tmp_path / "radarecg.toml"
    path.write_text(f'{key} = "{host}"\nradar.cfg = "x.cfg"\ndevice = "a"\n')
    with pytest.raises(ConfigError, match=rf"\$.{key}"):
        load_config(path, {})


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "fe80::1%eth0", "broker", "hub.example.", "brüssel.be"])
def test_names_that_hosts_have(tmp_path, host):
    path = tmp_path / "radarecg.toml"
    path.write_text(f'mqtt.host = "{host}"\nradar.cfg = "x.cfg"\ndevice = "a"\n')
    assert load_config(path, {}).mqtt.host == host


@pytest.mark.parametrize("name", ["none", ".", "empty"])
def test_a_password_that_cannot_be_read(tmp_path, name):
    (tmp_path / "empty").touch()
    path = tmp_path / "radarecg.toml"
    path.write_text(f'device = "a"\n{RADAR}[mqtt]\nusername = "x"\npassword_file = "{name}"\n')
    with pytest.raises(ConfigError, match=r"mqtt\.password_file: cannot read"):
        load_broker(load_config(path, {}).mqtt, path)


@pytest.mark.parametrize(
    "content", ["device = " + "[" * 100_000, "a" + ".a" * 100_000 + " = 1", "device = " + "{a=" * 100_000]
)
def test_settings_that_are_nested_without_end_are_an_error_with_the_file(tmp_path, content):
    path = tmp_path / "radarecg.toml"
    path.write_text(content)
    with pytest.raises(InputError, match=r"radarecg\.toml: "):
        load_config(path)
