"""Which notices of a ward begin and end, by the hub's monotonic clock, and what users name, hide and acknowledge."""

import json

import pytest

from edge.ward.notices import Limits, encode_notice
from edge.ward.tile import CURRENT_S
from tests.helpers.ward import BED, Hub


def kinds(hub) -> list[tuple[str, bool]]:
    return [(notice.kind, notice.ended_ms is None) for notice in hub.delivered]


NO_RATE, ABSENT = (lambda hub: hub.say(BED, None, ["low_snr"])), (lambda hub: hub.say(BED, None, ["no_subject"]))


@pytest.mark.parametrize(
    ("kind", "minutes", "say"),
    [("no_rate", 3, NO_RATE), ("absent", 2, ABSENT), ("offline", 1, lambda hub: None)],
)
def test_each_notice_begins_after_its_minutes_and_ends_once(hub, kind, minutes, say):
    hub.say(BED)
    hub.ward.tick(True)
    silent_s = CURRENT_S if kind == "offline" else 0  # it is still present for this time
    hub.wait(60 * minutes + silent_s - 1, lambda: say(hub))
    assert kinds(hub) == []
    hub.wait(1, lambda: say(hub))
    assert kinds(hub) == [(kind, True)]
    hub.wait(300, lambda: say(hub))
    assert kinds(hub) == [(kind, True)]
    assert hub.shown(BED).notice == kind
    hub.wait(120, lambda: hub.say(BED))
    assert kinds(hub) == [(kind, True), (kind, False)]
    began, ended = hub.delivered
    assert began.id == ended.id
    assert ended.text.endswith(f"for {minutes} min")


def test_seconds_without_a_rate_add_up_over_absence_but_a_valid_rate_ends_them(hub):
    for _ in range(20):  # a detection that comes and goes must not suppress the notice
        hub.wait(8, lambda: NO_RATE(hub))
        hub.wait(2, lambda: ABSENT(hub))
    assert kinds(hub) == []
    hub.wait(30, lambda: NO_RATE(hub))
    assert kinds(hub) == [("no_rate", True)]
    hub.wait(1, lambda: hub.say(BED))
    hub.wait(179, lambda: NO_RATE(hub))
    assert kinds(hub) == [("no_rate", True), ("no_rate", False)]


def test_a_person_who_returns_gets_the_full_time_for_a_rate(hub):
    hub.wait(600, lambda: ABSENT(hub))
    hub.wait(60, lambda: NO_RATE(hub))
    assert kinds(hub) == [("absent", True), ("absent", False)]


def test_a_stronger_notice_replaces_a_weaker_one(hub):
    hub.wait(180, lambda: NO_RATE(hub))
    hub.wait(120, lambda: ABSENT(hub))
    hub.wait(65)
    assert kinds(hub) == [("no_rate", True), ("no_rate", False), ("absent", True), ("absent", False), ("offline", True)]


def test_without_a_broker_no_notice_begins_or_ends(hub):
    hub.say(BED)
    hub.wait(3600, is_connected=False)
    assert kinds(hub) == []
    hub.wait(60)
    assert kinds(hub) == [("offline", True)]
    hub.wait(3600, is_connected=False)
    assert kinds(hub) == [("offline", True)]


def test_the_time_of_a_suspended_hub_does_not_count(hub):
    hub.say(BED)
    hub.ward.tick(True)
    hub.clock.now_s += 8 * 3600
    hub.ward.tick(True)
    assert kinds(hub) == []


def test_zero_minutes_mean_no_such_notice(tmp_path):
    hub = Hub(tmp_path, Limits(offline_min=0, absent_min=0, no_rate_min=0))
    hub.wait(600, lambda: ABSENT(hub))
    hub.wait(600, lambda: NO_RATE(hub))
    hub.wait(600)
    assert kinds(hub) == []


def test_an_open_notice_survives_a_restart_without_being_sent_again(tmp_path):
    hub = Hub(tmp_path)
    hub.wait(180, lambda: NO_RATE(hub))
    again = Hub(tmp_path, clock=hub.clock)
    again._seq = hub._seq
    again.wait(60, lambda: NO_RATE(again))
    assert kinds(again) == []
    assert again.shown(BED).notice == "no_rate"
    again.wait(1, lambda: again.say(BED))
    assert kinds(again) == [("no_rate", False)]
    assert again.delivered[0].id == hub.delivered[0].id


def test_a_notice_names_the_device_and_that_it_is_no_alarm(hub):
    hub.wait(180, lambda: NO_RATE(hub))
    assert hub.ward.rename(BED, "Bed 12", "boss")
    message = json.loads(encode_notice(hub.delivered[0], "ward-3"))
    assert message["device"] == BED
    assert (message["state"], message["text"]) == ("began", "No valid heart rate for 3 min")
    assert message["notice"] == "Not a clinical alarm. Research use only."
    assert "Bed 12" not in json.dumps(message)


def test_names_and_hidden_tiles_are_kept(tmp_path, caplog):
    caplog.set_level("INFO")
    hub = Hub(tmp_path)
    hub.say(BED)
    assert hub.ward.rename(BED, "Bed 12", "boss")
    assert hub.ward.hide(BED, True, "boss")
    assert not hub.ward.rename("radar-0009", "Bed 13", "boss")
    assert (tmp_path / "ward.json").stat().st_mode & 0o077 == 0
    again = Hub(tmp_path, clock=hub.clock)
    again.say(BED)
    assert (again.shown(BED).label, again.shown(BED).hidden) == ("Bed 12", True)
    again.wait(600)
    assert kinds(again) == []  # a hidden device has no notices
    assert again.ward.hide(BED, False, "boss")
    assert again.ward.rename(BED, "", "boss")
    again.wait(1)
    assert kinds(again) == [("offline", True)]
    assert again.shown(BED).label == ""
    actions = [record.audit["action"] for record in caplog.records if hasattr(record, "audit")]
    assert actions == ["tile renamed", "tile hidden", "tile shown", "tile renamed"]
    assert "Bed 12" not in caplog.text


def test_hiding_ends_an_open_notice(hub):
    hub.wait(180, lambda: NO_RATE(hub))
    hub.ward.hide(BED, True, "boss")
    hub.wait(1, lambda: NO_RATE(hub))
    assert kinds(hub) == [("no_rate", True), ("no_rate", False)]


def test_a_notice_is_acknowledged_while_it_is_open(hub):
    hub.wait(180, lambda: NO_RATE(hub))
    [notice] = hub.ward.snapshot("boss", True).notices
    assert hub.ward.acknowledge(notice.id, "boss")
    assert hub.ward.tick(True).notices[0].acknowledged_by == "boss"
    hub.wait(1, lambda: hub.say(BED))
    assert hub.delivered[-1].acknowledged_by == "boss"
    assert not hub.ward.acknowledge(notice.id, "boss")
