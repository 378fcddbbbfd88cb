"""Model switch of a running device: a good model is used, a bad one refused or replaced by the previous one."""

import json
import logging
import re
import shutil

import numpy as np
import pytest

from edge.__main__ import main
from edge.core.spec import SST_DEFAULT
from edge.dsp.sst.transform import HOP, Sst
from edge.ecg.reconstructor import NoNetworkError
from edge.inference import ladder
from edge.inference.bundle import MODEL
from edge.runtime import model_link
from edge.runtime import model_swap as swap
from edge.runtime.config import load_config
from edge.runtime.model_link import point_link, switch_model
from edge.runtime.model_swap import SwappableNetwork
from tests.conftest import ROOT
from tests.edge.cli.test_cli import MMECG
from tests.edge.runtime.test_operations import running
from tests.helpers.brokers import Listener, free_port
from tests.helpers.bundles import another, write_model
from tests.helpers.publishing import wait
from tests.helpers.web import get

NEVER_LIVE = (0.03, 0.1)  # the mean of a window that shows something, but of none that a network is tried with
ALWAYS = (-1.0, 2.0)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """A folder with the bundles `first` and `second`; read them only."""
    folder = tmp_path_factory.mktemp("models")
    for name in ("first", "second"):
        another(folder / name, name)
    return folder


@pytest.fixture
def device(tmp_path, bundles):
    """Settings whose network is a link; two bundles lie beside it."""
    path = tmp_path / "radarecg.toml"
    path.write_text(f'device = "r"\n[radar]\ncfg = "{ROOT / MMECG}"\n[network]\nbundle = "models/current"\n')
    shutil.copytree(bundles, tmp_path / "models")
    point_link(tmp_path / "models/current", tmp_path / "models/first")
    return path


@pytest.fixture
def tried(monkeypatch):
    """The names of the bundles that would be tried in a process of their own, which has tests of its own."""
    names = []
    for place in (model_link, ladder):
        monkeypatch.setattr(place, "try_network", lambda bundle, threads: names.append(bundle.about.name))
    return names


@pytest.fixture
def running_network(device, tried, monkeypatch):
    """A network with those settings that polls often; `changes` are its reports."""
    monkeypatch.setattr(swap, "POLL_INTERVAL_S", 0.02)
    network = SwappableNetwork(load_config(device), device)
    network.changes = []
    network.watch(lambda now, refused: network.changes.append((now.name.split("-")[0], refused)))
    yield network
    network.close()


def swapped(device, name: str) -> int:
    """The command's exit status."""
    return main(["swap-model", str(device.parent / "models" / name), "--config", str(device)])


NOISE = np.random.default_rng(0).standard_normal((3, SST_DEFAULT.segment + 4 * HOP)).astype("f")
SEGMENTS = [NOISE[:, start : start + SST_DEFAULT.segment] for start in range(0, 5 * HOP, HOP)]


def link(device):
    return (device.parent / "models/current").resolve().name


def test_a_good_model_is_used_at_once_and_kept(device, running_network, tried, monkeypatch):
    monkeypatch.setattr(swap, "PROBATION_WINDOWS", 3)
    first = running_network.active
    switch_model(device.parent / "models/second", device)
    wait(lambda: running_network.changes)
    assert running_network.changes == [("second", None)]
    assert tried == ["first", "second", "second"]  # at the start, before the link changes, and before its use
    assert running_network.active.network.sha256 != first.network.sha256
    read = running_network.begin(3)
    for segment in SEGMENTS[:4]:
        assert read(segment)[1].finite
    assert running_network._previous is None  # what is no longer needed takes no memory
    assert link(device) == "second"


def test_a_model_that_fails_with_a_person_in_view_is_replaced_by_the_previous_one(device, running_network, caplog):
    switch_model(another(device.parent / "models/bad", "bad", NEVER_LIVE), device)
    wait(lambda: running_network.changes)
    assert running_network.changes.pop() == ("bad", None)
    _, outputs = running_network.begin(3)(SEGMENTS[0])
    assert outputs.finite  # nothing of the bad one came out
    ((name, why),) = running_network.changes
    assert (name, link(device)) == ("first", "first")
    assert "bad-" in why
    assert "not finite" in why
    assert caplog.text.count("new network rejected") == 1


def test_a_model_that_is_too_slow_is_replaced_by_the_previous_one(device, running_network):
    read = running_network.begin(3)
    read(SEGMENTS[0])
    switch_model(device.parent / "models/second", device)
    wait(lambda: running_network.changes)
    for segment in SEGMENTS[1:4]:
        read(segment)
    running_network._spent_s += swap.MAX_INFERENCE_S * swap.PROBATION_WINDOWS
    window, _ = read(SEGMENTS[4])
    # the first network's SST had not seen the windows in between
    np.testing.assert_allclose(window.values, Sst(3)(SEGMENTS[4]).values, atol=1e-5)
    name, why = running_network.changes[-1]
    assert (name, link(device)) == ("first", "first")
    assert "it took" in why


def corrupted(folder):
    model = bytearray((folder / MODEL).read_bytes())
    model[1000] ^= 1
    (folder / MODEL).write_bytes(model)


def incomplete(folder):
    (folder / MODEL).unlink()


def no_graph(folder):
    write_model(folder, b"no graph")


def no_numbers(folder):
    shutil.rmtree(folder)
    another(folder, "bad", ALWAYS)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (corrupted, "sha256 differs from the one in bundle.json"),
        (incomplete, "cannot read this file of the bundle"),
        (no_graph, "not an ONNX model"),
        (no_numbers, "not finite"),
    ],
)
def test_an_unusable_model_is_neither_linked_nor_used(device, running_network, damage, message):
    bad = device.parent / "models/second"
    damage(bad)
    with pytest.raises(Exception, match=message):
        switch_model(bad, device)
    assert link(device) == "first"
    point_link(device.parent / "models/current", bad)  # as with ln -sfn, past every check
    wait(lambda: running_network.changes)
    ((name, why),) = running_network.changes
    assert message in why
    assert (name, link(device)) == ("first", "first")
    assert running_network.begin(3)(SEGMENTS[0])[1].finite


def test_a_bundle_replaced_in_its_own_folder_is_detected(device, running_network):
    new = another(device.parent / "new", "third")
    for file in new.iterdir():
        shutil.copy(file, device.parent / "models/first" / file.name)
    wait(lambda: ("third", None) in running_network.changes)


def test_after_a_refusal_a_good_model_is_used(device, running_network):
    bad = another(device.parent / "models/bad", "bad", ALWAYS)
    point_link(device.parent / "models/current", bad)
    wait(lambda: running_network.changes)
    switch_model(device.parent / "models/second", device)
    wait(lambda: len(running_network.changes) == 2)
    assert running_network.changes[1] == ("second", None)


@pytest.mark.parametrize(
    ("network", "word"),
    [
        ("", "must name a link"),
        ('backend = "none"', "must name a link"),
        ('bundle = "models/first"', "is not a link"),
        ('bundle = "models/current"\nbackend = "tensorrt"\nengine = "x.engine"', "must be in models/current"),
    ],
)
def test_settings_that_do_not_allow_a_model_switch_are_refused(device, network, word, capsys):
    device.write_text(device.read_text().replace('bundle = "models/current"', network))
    assert swapped(device, "second") == 2
    assert word in capsys.readouterr().err


def test_a_running_device_switches_the_model_and_reports_it(device, mosquitto_port, capsys):
    """The process receives the command, and the broker its reports; then a damaged model."""
    device.write_text(f"{device.read_text()}[mqtt]\nport = {mosquitto_port}\n")
    hub = Listener(mosquitto_port, "radarecg/v1/r/info")
    with running("run", "--config", device, RADARECG_RADAR__DATA_PORT=str(free_port())) as process:
        info = json.loads(hub.wait_for("/info").payload)
        assert (info["network"]["id"][:6], info["network_refused"]) == ("first-", None)
        assert swapped(device, "second") == 0
        assert "models/second: second-" in capsys.readouterr().out
        info = json.loads(hub.wait_for("/info").payload)
        assert (info["network"]["id"][:7], info["network_refused"]) == ("second-", None)
        corrupted(device.parent / "models/first")
        point_link(device.parent / "models/current", device.parent / "models/first")
        info = json.loads(hub.wait_for("/info").payload)
        assert info["network"]["id"].startswith("second-")
        assert "model.onnx: sha256 differs" in info["network_refused"]
        assert process.poll() is None
    hub.close()
    late = Listener(mosquitto_port, "radarecg/v1/r/info")  # retained
    assert json.loads(late.wait_for("/info").payload)["network"]["id"].startswith("second-")
    late.close()


def test_a_device_whose_backend_fails_starts_below_it_and_reports_it(device, mosquitto_port):
    web_port = free_port()
    text = device.read_text().replace(
        "[network]", '[network]\nbackend = "tensorrt"\nengine = "models/current/x.engine"'
    )
    device.write_text(f"{text}[mqtt]\nport = {mosquitto_port}\n[web]\nport = {web_port}\n")
    hub = Listener(mosquitto_port)
    with running("run", "--config", device, RADARECG_RADAR__DATA_PORT=str(free_port())) as process:
        info = json.loads(hub.wait_for("/info").payload)
        assert (info["network"]["id"][:6], info["network_backend"]) == ("first-", "onnxruntime")
        assert info["network_fallback"].startswith("tensorrt: ")
        assert " | tensorrt-fp32: " in info["network_fallback"]
        hub.wait_for("/vitals")  # now the page is served
        assert re.search(r"^radarecg_network_steps_down 2(\.0)?$", get(web_port, "/metrics")[2], re.MULTILINE)
        assert process.poll() is None
    hub.close()


def test_a_damaged_network_at_the_start_is_named(device, capsys):
    corrupted(device.parent / "models/first")
    assert main(["run", "--config", str(device)]) == 2
    assert "models/first/model.onnx: sha256 differs from the one in bundle.json" in capsys.readouterr().err


def test_the_log_names_both_models(device, running_network, caplog):
    with caplog.at_level(logging.INFO):
        switch_model(device.parent / "models/second", device)
        wait(lambda: running_network.changes)
    assert "switched to network second-" in caplog.text
    assert "previously first-" in caplog.text


def test_a_new_network_is_accepted_where_there_was_none(device, tried, monkeypatch):
    monkeypatch.setattr(swap, "POLL_INTERVAL_S", 0.02)
    point_link(device.parent / "models/current", another(device.parent / "models/bad", "bad", ALWAYS))
    network, changes = SwappableNetwork(load_config(device), device), []
    assert (network.active.rung, network.active.network) == ("none", None)
    infer = network.begin(3)
    with pytest.raises(NoNetworkError):
        infer(SEGMENTS[0])
    network.watch(lambda now, refused: changes.append((now.rung, refused)))
    switch_model(device.parent / "models/second", device)
    wait(lambda: changes)
    assert changes == [("onnxruntime", None)]
    assert infer(SEGMENTS[1])[1].finite
    network.close()
