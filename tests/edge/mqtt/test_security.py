"""Mutual TLS, access lists and passwords of a hospital's broker: settings files with a real mosquitto."""

import gc
import json
import queue
import shutil
import ssl
import subprocess

import pytest

from edge.core.settings import ConfigError
from edge.mqtt.broker import Broker, probe_broker, tls_context
from edge.mqtt.client import MqttClient
from edge.mqtt.settings import load_broker
from edge.mqtt.topics import STATUS, VITALS
from edge.runtime.config import load_config
from tests.conftest import ROOT
from tests.helpers.brokers import Listener, free_port, running_broker
from tests.helpers.certificates import Authority
from tests.helpers.disk import write_private
from tests.helpers.publishing import GOOD, connected, start_publisher, wait

OPERATIONS = (ROOT / "docs/operations.md").read_text()


def given(kind: str) -> str:
    """Returns the broker settings of docs/operations.md."""
    return OPERATIONS.split(f"```{kind}\n")[1].split("```")[0]


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def mutual(tmp_path, authority):
    """The port of a broker that accepts the authority's certificates, with the name in each as user name."""
    authority.issue("broker")
    (tmp_path / "acl").write_text(given("acl"))
    settings = given("conf").replace("listener 8883\n", "").replace("/etc/mosquitto", str(tmp_path))
    with running_broker("mosquitto", tmp_path, settings=settings) as port:
        yield port


def settings(folder, port: int, mqtt: str) -> Broker:
    """The broker of a settings file with these lines under [mqtt]."""
    path = folder / "radarecg.toml"
    path.write_text(f'device = "radar-0001"\n[radar]\ncfg = "x.cfg"\n[mqtt]\nport = {port}\n{mqtt}\n')
    return load_broker(load_config(path).mqtt, path)


def hub(port: int, authority: Authority, name: str = "hub", topics: str = "radarecg/#") -> Listener:
    return Listener(port, topics, tls=tls_context(authority.certificate, *authority.issue(name)))


def test_a_device_with_its_certificate_can_publish(tmp_path, mutual, authority, mmecg):
    authority.issue("radar-0001")
    listener = hub(mutual, authority)
    broker = settings(tmp_path, mutual, 'tls = true\nca = "ca.crt"\ncert = "radar-0001.crt"\nkey = "radar-0001.key"')
    assert not probe_broker(broker).is_failure
    publisher = connected(broker, tmp_path, mmecg)
    publisher.vitals(GOOD)
    assert listener.wait_for("radarecg/v1/radar-0001/vitals")
    publisher.close()
    listener.close()


def test_home_assistant_receives_a_device_and_can_publish(tmp_path, mutual, authority, mmecg, caplog):
    own = tls_context(authority.certificate, *authority.issue("radar-0001"))
    publisher = connected(Broker(port=mutual, tls=own), tmp_path, mmecg, home_assistant=True)
    publisher.vitals(GOOD)
    wait(lambda: publisher.outbox.count().spool.messages == 0)
    home = hub(mutual, authority, "homeassistant", "#")  # later: it is retained
    found = json.loads(home.wait_for("homeassistant/device/radar-0001/config").payload)
    assert found["state_topic"] == "radarecg/v1/radar-0001/vitals"
    publisher.vitals(GOOD)
    home._client.publish("homeassistant/status", "online", qos=1)
    wanted = {found["state_topic"], found["availability"][0]["topic"], "homeassistant/status"}
    wait(lambda: wanted <= {message.topic for message in home.received})
    assert "refuses" not in caplog.text
    publisher.close()
    home.close()


def test_a_device_cannot_announce_another(tmp_path, mutual, authority, mmecg, caplog):
    home = hub(mutual, authority, "homeassistant", "homeassistant/#")
    other = Broker(port=mutual, tls=tls_context(authority.certificate, *authority.issue("radar-0002")))
    publisher = connected(other, tmp_path, mmecg, home_assistant=True)  # as radar-0001
    wait(lambda: "refuses messages from this device: Not authorized" in caplog.text)
    publisher.close()
    assert home.received == []
    home.close()


def test_a_device_cannot_publish_for_another(tmp_path, mutual, authority, mmecg, caplog):
    listener = hub(mutual, authority)
    other = Broker(port=mutual, tls=tls_context(authority.certificate, *authority.issue("radar-0002")))
    publisher = connected(other, tmp_path, mmecg)  # as radar-0001
    publisher.vitals(GOOD)
    wait(lambda: "refuses messages from this device: Not authorized" in caplog.text)
    assert publisher.outbox.count().spool.messages == 2  # vitals and the event: kept
    assert listener.received == []
    publisher.close()
    listener.close()


def test_a_device_cannot_subscribe_to_another(mutual, authority):
    spy = Listener(mutual, tls=tls_context(authority.certificate, *authority.issue("radar-0002")))
    device = tls_context(authority.certificate, *authority.issue("radar-0001"))
    client = MqttClient(Broker(port=mutual, tls=device), "radar-0001", (STATUS, b"gone"), [])
    assert client.connected.wait(60)
    client.send(VITALS, b"1")
    with pytest.raises(queue.Empty):
        spy.wait_for("", timeout_s=0.5)
    client.close((STATUS, b"bye"))
    spy.close()


@pytest.mark.parametrize("who", ["nobody", "a stranger"])
def test_an_unknown_client_is_refused(tmp_path, mutual, authority, mmecg, who):
    (tmp_path / "elsewhere").mkdir()
    shown = () if who == "nobody" else Authority(tmp_path / "elsewhere").issue("radar-0001")
    context = tls_context(authority.certificate, *(shown or (None, None)))
    publisher = start_publisher(Broker(port=mutual, tls=context), tmp_path, mmecg)
    publisher.vitals(GOOD)
    assert not publisher.client.connected.wait(timeout=2)
    publisher.close()


# paho leaves the socket of a failed handshake to the garbage collector, which complains.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_untrusted_broker_receives_nothing(tmp_path, mutual, authority, caplog, mmecg):
    (tmp_path / "elsewhere").mkdir()
    trusted = Authority(tmp_path / "elsewhere").certificate
    broker = Broker(port=mutual, tls=tls_context(trusted, *authority.issue("radar-0001")))
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        probe_broker(broker)
    publisher = start_publisher(broker, tmp_path, mmecg)
    wait(lambda: "certificate verify failed" in caplog.text)
    assert not publisher.client.connected.is_set()
    publisher.close()
    gc.collect()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_broker_with_an_expired_certificate_receives_nothing(tmp_path, authority, caplog, mmecg):
    certificate, key = authority.issue("broker", hours=-1)
    settings = f"cafile {authority.certificate}\ncertfile {certificate}\nkeyfile {key}\nallow_anonymous true"
    with running_broker("mosquitto", tmp_path, settings=settings) as port:
        broker = Broker(port=port, tls=tls_context(authority.certificate, None, None))
        publisher = start_publisher(broker, tmp_path, mmecg)
        publisher.vitals(GOOD)
        wait(lambda: "certificate has expired" in caplog.text)
        assert not publisher.client.connected.is_set()
        assert publisher.outbox.count().spool.messages == 2
        publisher.close()
    gc.collect()


def test_a_device_with_an_expired_certificate_is_refused(tmp_path, mutual, authority, mmecg, caplog):
    own = tls_context(authority.certificate, *authority.issue("radar-0001", hours=-1))
    publisher = start_publisher(Broker(port=mutual, tls=own), tmp_path, mmecg)
    wait(lambda: "retrying" in caplog.text or "refused the connection" in caplog.text)
    assert not publisher.client.connected.is_set()
    publisher.close()


def test_a_key_with_a_password_is_an_error_without_a_prompt(tmp_path, authority):
    authority.issue("radar", password=b"secret")
    with pytest.raises(ConfigError, match="cannot use ca, cert and key"):
        settings(tmp_path, 1, 'tls = true\ncert = "radar.crt"\nkey = "radar.key"')


def test_a_password_comes_from_a_file(tmp_path, mmecg):
    if (program := shutil.which("mosquitto_passwd")) is None:
        pytest.skip("mosquitto_passwd is not installed")
    subprocess.run([program, "-b", "-c", tmp_path / "known", "radar-0001", "open sesame"], check=True)
    (tmp_path / "known").chmod(0o644)
    write_private(tmp_path / "password", "open sesame\n")
    port = free_port()
    lines = f"allow_anonymous false\npassword_file {tmp_path / 'known'}"
    with running_broker("mosquitto", tmp_path, port, lines):
        assert probe_broker(settings(tmp_path, port, 'username = "radar-0001"')).is_failure
        broker = settings(tmp_path, port, 'username = "radar-0001"\npassword_file = "password"')
        connected(broker, tmp_path, mmecg).close()


REMOTE = 'host = "broker.example"\nusername = "radar-0001"\npassword_file = "password"'


def test_a_password_crosses_no_network_unencrypted_unless_that_is_permitted(tmp_path, authority):
    write_private(tmp_path / "password", "open sesame\n")
    with pytest.raises(ConfigError, match=r"unencrypted to broker.example: set tls = true.*plain = true permits it"):
        settings(tmp_path, 1883, REMOTE)
    for permitted in ("plain = true", 'tls = true\nca = "ca.crt"'):
        assert settings(tmp_path, 1883, f"{REMOTE}\n{permitted}").password == "open sesame"
    for host in ("127.0.0.1", "localhost", "::1"):
        assert settings(tmp_path, 1883, REMOTE.replace("broker.example", host)).password == "open sesame"


def test_the_password_is_in_no_text_of_the_broker(tmp_path):
    assert "sesame" not in repr(Broker(username="radar-0001", password="open sesame"))


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o601])
def test_a_secret_that_everyone_can_read_is_refused(tmp_path, authority, mode):
    write_private(tmp_path / "password", "open sesame\n")
    _, key = authority.issue("radar")
    with_key = 'tls = true\ncert = "radar.crt"\nkey = "radar.key"'
    with_password = 'username = "radar-0001"\npassword_file = "password"'
    for path, lines in ((tmp_path / "password", with_password), (key, with_key)):
        path.chmod(0o640)  # a group of the administrator's choice
        settings(tmp_path, 1, lines)
        path.chmod(mode)
        with pytest.raises(ConfigError, match=f"every user of this computer can read or change it: chmod o= {path}"):
            settings(tmp_path, 1, lines)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('ca = "ca.crt"', "need tls = true"),
        ('tls = true\ncert = "radar.crt"', "cert and key must be set together"),
        ('tls = true\nca = "nowhere.crt"', "cannot use ca, cert and key"),
        ('tls = true\nca = "radar.key"', "cannot use ca, cert and key"),
        ('tls = true\ncert = "radar.crt"\nkey = "other.key"', "cannot use ca, cert and key"),
    ],
)
def test_invalid_settings_are_an_error(tmp_path, authority, lines, message):
    authority.issue("radar")
    authority.issue("other")
    with pytest.raises(ConfigError, match=message):
        settings(tmp_path, 1, lines)


def test_the_shipped_access_lists_let_a_device_only_write_its_own_topics():
    rights = [
        line.split() for line in (ROOT / "deploy/home.acl").read_text().splitlines() if line.startswith("pattern")
    ]
    assert rights
    assert {right for _, right, _ in rights} == {"write"}
    assert all("%u" in topic for *_, topic in rights)
    assert "pattern read" not in given("acl")
