"""The ward's routes over real HTTP: rights, limits, snapshot, updates and traces."""

import json

import pytest

from edge.core.settings import ConfigError
from edge.mqtt.topics import VITALS
from edge.mqtt.watcher import Received
from edge.ward.changes import MAX_BODY_BYTES
from edge.ward.records import MAX_LABEL_CHARS
from edge.ward.settings import WardConfig, load_users
from edge.ward.users import LOCAL, Users
from edge.web.access import AccessError
from tests.helpers.disk import write_private
from tests.helpers.ward import TOKENS, Hub, Stream, post, served
from tests.helpers.web import get

BED = "radar-0001"
READ, ADMIN = ({"Authorization": f"Bearer {TOKENS[name]}"} for name in ("desk", "boss"))


@pytest.fixture
def hub(tmp_path):
    hub = Hub(tmp_path)
    hub.say(BED)
    return hub


@pytest.fixture
def guarded(hub):
    with served(hub, {"desk": TOKENS["desk"]}, {"boss": TOKENS["boss"]}) as page:
        yield page


def actions(caplog) -> list[dict]:
    return [record.audit for record in caplog.records if hasattr(record, "audit")]


def test_everything_but_the_health_check_needs_a_token(guarded, caplog):
    caplog.set_level("INFO")
    for path in ("/", "/events", "/tiles", f"/tiles/{BED}/trace", "/metrics", "/ward.js", "/?token=wrong", "/?token="):
        assert get(guarded.port, path)[0] == 401, path
    for path in (f"/tiles/{BED}/label", f"/tiles/{BED}/hidden", "/notices/1/acknowledge"):
        assert post(guarded.port, path)[0] == 401, path
    assert actions(caplog) == [{"action": "access denied", "address": "127.0.0.1"}]  # once a minute
    assert get(guarded.port, "/healthz")[::2] == (200, "ok\n")
    guarded.fault.text = "not connected to the broker"
    assert get(guarded.port, "/healthz")[::2] == (503, "not connected to the broker\n")


def test_a_read_token_permits_to_look_and_nothing_else(guarded, hub, caplog):
    caplog.set_level("INFO")
    hub.wait(200, lambda: hub.say(BED, None, ["low_snr"]))
    snapshot = json.loads(get(guarded.port, "/tiles", **READ)[2])
    assert (snapshot["user"], snapshot["is_admin"]) == ("desk", False)
    assert snapshot["tiles"][0]["device"] == BED
    [notice] = snapshot["notices"]
    for path, content in (
        (f"/tiles/{BED}/label", {"label": "x"}),
        (f"/tiles/{BED}/hidden", {"hidden": True}),
        (f"/notices/{notice['id']}/acknowledge", None),
    ):
        assert post(guarded.port, path, content, **READ) == (403, "Only an administrator may change this.\n")
    assert [action["user"] for action in actions(caplog)] == ["desk"] * 3
    assert hub.records.content.labels == {}
    assert hub.records.content.hidden == set()


def test_an_administrator_changes_tiles_and_notices(guarded, hub, caplog):
    caplog.set_level("INFO")
    hub.wait(200, lambda: hub.say(BED, None, ["low_snr"]))
    snapshot = json.loads(get(guarded.port, "/tiles", **ADMIN)[2])
    assert snapshot["is_admin"]
    notice = snapshot["notices"][0]["id"]
    assert post(guarded.port, f"/tiles/{BED}/label", {"label": "Bed 12"}, **ADMIN) == (204, "")
    assert post(guarded.port, f"/notices/{notice}/acknowledge", **ADMIN) == (204, "")
    assert post(guarded.port, f"/tiles/{BED}/hidden", {"hidden": True}, **ADMIN) == (204, "")
    assert hub.records.content.labels == {BED: "Bed 12"}
    assert hub.records.content.hidden == {BED}
    assert [(action["action"], action["user"]) for action in actions(caplog)] == [
        ("tile renamed", "boss"),
        ("notice acknowledged", "boss"),
        ("tile hidden", "boss"),
    ]
    assert "Bed 12" not in caplog.text


@pytest.mark.parametrize(
    ("path", "content", "status"),
    [
        (f"/tiles/{BED}/label", {"label": "x" * (MAX_LABEL_CHARS + 1)}, 400),
        (f"/tiles/{BED}/label", {"label": "two\nlines"}, 400),
        (f"/tiles/{BED}/label", {"name": "x"}, 400),
        (f"/tiles/{BED}/label", b"no JSON", 400),
        (f"/tiles/{BED}/label", b"x" * (MAX_BODY_BYTES + 1), 400),
        (f"/tiles/{BED}/hidden", {"hidden": "yes"}, 400),
        ("/tiles/radar-0009/label", {"label": "x"}, 404),
        ("/tiles/radar-0009/hidden", {"hidden": True}, 404),
        ("/notices/none/acknowledge", None, 404),
    ],
)
def test_changes_that_cannot_be_are_refused(guarded, hub, path, content, status):
    assert post(guarded.port, path, content, **ADMIN)[0] == status
    assert hub.records.content.labels == {}
    assert hub.records.content.hidden == set()


def test_another_site_changes_nothing(guarded, hub):
    headers = {**ADMIN, "Origin": "http://evil.example"}
    assert post(guarded.port, f"/tiles/{BED}/hidden", {"hidden": True}, **headers)[0] == 403
    assert hub.records.content.hidden == set()
    headers["Origin"] = f"http://127.0.0.1:{guarded.port}"
    assert post(guarded.port, f"/tiles/{BED}/hidden", {"hidden": True}, **headers)[0] == 204


def test_a_token_in_the_address_sets_a_cookie_of_this_page(guarded):
    status, headers, _ = get(guarded.port, f"/?token={TOKENS['desk']}")
    assert (status, headers["Location"]) == (303, "/")
    cookie = headers["Set-Cookie"].partition(";")[0]
    assert cookie.startswith("radarecg-ward=")  # the device's page at another port has its own
    assert TOKENS["desk"] not in cookie
    assert json.loads(get(guarded.port, "/tiles", Cookie=cookie)[2])["user"] == "desk"


def test_without_tokens_only_this_computer_is_served(hub):
    with served(hub) as page:
        assert json.loads(get(page.port, "/tiles")[2])["user"] == LOCAL.name
        assert get(page.port, "/tiles", Host="evil.example")[0] == 401
    with pytest.raises(AccessError, match=r"ward\.host is 0\.0\.0\.0"):
        Users("0.0.0.0", {}, {})


def test_every_user_has_an_own_token(tmp_path):
    for name, token in (*TOKENS.items(), ("same", TOKENS["desk"])):
        write_private(tmp_path / name, token)
    path = tmp_path / "hub.toml"
    users = load_users(WardConfig(host="0.0.0.0", read_tokens={"desk": "desk"}, admin_tokens={"boss": "boss"}), path)
    assert users.user(ADMIN).is_admin
    assert not users.user(READ).is_admin
    assert users.user({"Authorization": "Bearer x"}) is None
    with pytest.raises(AccessError, match="the same token"):
        load_users(WardConfig(read_tokens={"desk": "desk"}, admin_tokens={"boss": "same"}), path)
    with pytest.raises(ConfigError, match="desk has both"):
        load_users(WardConfig(read_tokens={"desk": "desk"}, admin_tokens={"desk": "boss"}), path)
    with pytest.raises(AccessError, match=r"ward\.read_tokens\.desk: cannot read"):
        load_users(WardConfig(read_tokens={"desk": "missing"}), path)


def test_updates_follow_the_snapshot(hub):
    with served(hub) as page:
        events = Stream(page.port, "/events")
        hello = events.next()
        assert (hello["event"], hello["device"], hello["bins"]) == ("hello", "ward-3", 120)
        number = json.loads(get(page.port, "/tiles")[2])["number"]
        hub.say(BED, 91.0)
        update = events.next(lambda message: message["tiles"])
        assert update["tiles"][0]["heart_rate_bpm"] == 91
        assert update["number"] > number
        idle = events.next()
        assert (idle["event"], idle["tiles"], idle["broker_lost_ms"]) == ("update", [], None)
        page.is_connected = False
        assert events.next(lambda message: message["broker_lost_ms"])
        events.close()


def test_a_trace_is_subscribed_to_while_somebody_looks(hub):
    with served(hub) as page:
        assert get(page.port, "/tiles/+/trace")[0] == 404
        assert get(page.port, "/tiles/radar-0009/trace")[0] == 404
        assert page.subscriptions.watched == set()
        first, second = (Stream(page.port, f"/tiles/{BED}/trace") for _ in range(2))
        message = Received(BED, VITALS.suffix, hub.vitals(BED, 77.0), 0.0)
        while page.traces._viewers.get(BED) is None or page.traces._viewers[BED].count < 2:
            pass
        page.traces.receive(message)
        assert first.next()["heart_rate_bpm"] == second.next()["heart_rate_bpm"] == 77
        page.traces.receive(message._replace(device="radar-0002"))  # nobody looks at it; and it names another one
        first.close()
        page.traces.receive(message)
        assert second.next()["heart_rate_bpm"] == 77
        assert page.subscriptions.watched == {BED}
        second.close()
        while page.subscriptions.watched:
            page.traces.receive(message)


def test_only_this_address_is_contacted(hub):
    with served(hub) as page:
        status, headers, text = get(page.port, "/")
        assert status == 200
        assert headers["Content-Security-Policy"] == "default-src 'self'; frame-ancestors 'none'"
        assert "http" not in text.replace("http-equiv", "")
        for script in ("ward.js", "trace.js", "theme.css", "worker.js"):  # its own and those of the device's page
            assert get(page.port, f"/{script}")[0] == 200
