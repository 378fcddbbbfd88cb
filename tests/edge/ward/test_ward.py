"""What a ward shows of a device, by its messages and the hub's monotonic clock, and which notices begin and end."""

import json

import msgspec
import pytest

from edge.core.errors import InputError
from edge.mqtt.topics import VITALS
from edge.mqtt.watcher import Received
from edge.ward.messages import Snapshot, Update
from edge.ward.notices import Limits, encode_notice
from edge.ward.records import RecordsFile
from edge.ward.tile import CURRENT_S
from edge.ward.ward import MAX_DEVICES
from tests.helpers.ward import Hub

BED = "radar-0001"


@pytest.fixture
def hub(tmp_path):
    return Hub(tmp_path)


def test_present_vitals_are_shown(hub):
    hub.say(BED, 68.4, movement="mild")
    shown = hub.shown(BED)
    assert (shown.link, shown.heart_rate_bpm, shown.breathing_rate_bpm, shown.state) == ("live", 68, 15, "good")
    assert shown.movement == "mild"


def test_an_invalid_rate_is_null_with_its_reason(hub):
    hub.say(BED, 68.0)
    hub.say(BED, None, ["body_movement"])
    shown = hub.shown(BED)
    assert (shown.heart_rate_bpm, shown.breathing_rate_bpm, shown.flags) == (None, None, ("body_movement",))


def test_nothing_counts_as_present_after_a_few_seconds(hub):
    hub.say(BED)
    hub.wait(CURRENT_S)
    assert hub.shown(BED).link == "live"
    hub.wait(1)
    shown = hub.shown(BED)
    assert (shown.link, shown.heart_rate_bpm) == ("silent", None)
    assert shown.since_ms == round(1000 * (hub.clock.unix() - CURRENT_S - 1))


def test_setting_the_hubs_clock_changes_nothing(hub):
    hub.say(BED)
    hub.clock.unix_offset_s += 86_400
    assert hub.shown(BED).link == "live"
    hub.clock.unix_offset_s -= 2 * 86_400
    assert hub.shown(BED).heart_rate_bpm == 68


def test_a_message_that_waited_in_the_broker_is_not_present(hub):
    hub.ward.receive(Received(BED, VITALS.suffix, hub.vitals(BED), age_s=CURRENT_S + 1))
    assert hub.shown(BED).link == "silent"
    hub.wait(5)
    assert hub.bins(BED)[0] == 68


def test_late_vitals_fill_the_sparkline_and_are_never_present(hub):
    hub.say(BED, 70.0)
    for age_s in range(40, 60):
        hub.say_late(BED, age_s, 90.0)
    assert hub.shown(BED).heart_rate_bpm == 70
    hub.wait(10, lambda: hub.say(BED, 70.0))
    bins = hub.bins(BED)
    assert bins[:4] == [90, 90, 90, 90]
    assert None in bins  # between them and the live ones
    assert bins[-1] == 70
    hub.wait(20)
    for age_s in range(20):
        hub.say_late(BED, age_s, 60.0)
    assert hub.shown(BED).link == "silent"


def test_late_vitals_before_the_first_live_ones_are_drawn_with_these(hub):
    for age_s in range(30, 35):
        hub.say_late(BED, age_s, 90.0)
    hub.wait(5)
    assert hub.bins(BED) == []
    hub.wait(10, lambda: hub.say(BED, 70.0))
    assert hub.bins(BED)[0] == 90
    assert hub.bins(BED)[-1] == 70


def test_a_message_out_of_order_does_not_replace_the_newest(hub):
    old = hub.vitals(BED, 50.0)
    hub.say(BED, 70.0)
    hub.ward.receive(Received(BED, VITALS.suffix, old, 0.0))
    assert hub.shown(BED).heart_rate_bpm == 70


def test_withheld_rates_and_silence_differ_in_the_sparkline(hub):
    hub.wait(5 - hub.clock.now_s % 5 + 5, lambda: hub.say(BED, 60.0))
    hub.wait(10, lambda: hub.say(BED, None, ["low_snr"]))
    hub.wait(10)
    hub.wait(6, lambda: hub.say(BED, 64.0))
    bins = hub.bins(BED)
    assert 0 in bins[: bins.index(None)]
    assert bins[-1] == 64


def test_only_the_name_in_the_topic_is_trusted(hub, caplog):
    hub.say(BED, 70.0)
    hub.ward.receive(Received("radar-0666", VITALS.suffix, hub.vitals(BED, 40.0), 0.0))
    assert hub.shown(BED).heart_rate_bpm == 70
    assert hub.shown("radar-0666").link == "unreadable"
    assert "names another device, radar-0001" in caplog.text


@pytest.mark.parametrize("payload", [b"no JSON", b"{}", b'{"schema": "radarecg.vitals/2"}', b"[" * 100_000, b"\xff"])
def test_what_cannot_be_read_is_shown_and_logged_once(hub, caplog, payload):
    for _ in range(3):
        hub.ward.receive(Received(BED, VITALS.suffix, payload, 0.0))
    assert hub.shown(BED).link == "unreadable"
    assert caplog.text.count("cannot read a message of radar-0001") == 1


@pytest.mark.parametrize("t_ns", [10**15, -(10**19), 10**18 * 9, 10**400])
def test_a_device_whose_clock_is_far_off_is_shown(hub, t_ns):
    hub.say(BED, 70.0)
    wrong = json.loads(hub.vitals(BED, 72.0)) | {"t_ns": t_ns}
    hub.ward.receive(Received(BED, VITALS.suffix, json.dumps(wrong).encode(), 0.0))
    is_a_number = t_ns < 10**400
    assert hub.shown(BED).heart_rate_bpm == (72 if is_a_number else 70)
    hub.wait(6)
    hub.say(BED, 74.0)
    assert hub.shown(BED).heart_rate_bpm == 74


def test_fields_of_a_newer_version_are_ignored(hub):
    newer = json.loads(hub.vitals(BED)) | {"temperature": 36.5}
    hub.ward.receive(Received(BED, VITALS.suffix, json.dumps(newer).encode(), 0.0))
    assert hub.shown(BED).heart_rate_bpm == 68


def test_a_contradiction_is_not_shown(hub):
    wrong = json.loads(hub.vitals(BED)) | {"quality": {"state": "unusable", "sqi": 0.1, "flags": ["no_subject"]}}
    hub.ward.receive(Received(BED, VITALS.suffix, json.dumps(wrong).encode(), 0.0))
    assert hub.shown(BED).heart_rate_bpm is None


def test_a_replay_is_not_present(hub):
    hub.say(BED, 68.0, replayed=True)
    shown = hub.shown(BED)
    assert (shown.link, shown.heart_rate_bpm) == ("replay", None)
    hub.wait(300, lambda: hub.say(BED, 68.0, replayed=True))
    assert hub.delivered == []
    assert hub.bins(BED) == []


def test_offline_by_the_will_or_by_a_stop(hub):
    hub.say(BED)
    hub.wait(1)
    hub.say_status(BED, "offline")
    shown = hub.shown(BED)
    assert (shown.link, shown.stopped) == ("offline", False)
    hub.wait(1)
    hub.say_status(BED, "online", "started")
    hub.say(BED)
    assert hub.shown(BED).link == "live"
    hub.wait(1)
    hub.say_status(BED, "offline", "stopped")
    assert hub.shown(BED).stopped


def test_a_retained_status_alone_shows_no_vitals(hub):
    hub.say_status(BED, "online", "started")
    assert hub.shown(BED).link == "waiting"
    hub.wait(10)
    shown = hub.shown(BED)
    assert (shown.link, shown.since_ms) == ("silent", None)


def test_names_that_no_device_has_and_too_many_devices(hub, caplog):
    for name in ("Mrs Smith", "radar-0001\n", "", "+", "x" * 65):
        hub.ward.receive(Received(name, VITALS.suffix, b"{}", 0.0))
    assert hub.ward.snapshot("desk", False).tiles == []
    for k in range(MAX_DEVICES + 2):
        hub.say_status(f"radar-{k}", "online", "started")
    hub.ward.tick(True)
    assert len(hub.ward.snapshot("desk", False).tiles) == MAX_DEVICES
    assert caplog.text.count("the others are not shown") == 1


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


def test_records_that_cannot_be_read_are_an_error(tmp_path):
    (tmp_path / "ward.json").write_text('{"labels": {"radar-0001": "two\\nlines"}}')
    with pytest.raises(InputError, match=r"ward\.json: cannot read the ward's records"):
        RecordsFile(tmp_path / "ward.json")


def test_an_update_has_only_what_changed_and_a_snapshot_everything(hub):
    hub.say(BED, 68.0)
    hub.say("radar-0002", 70.0)
    first = hub.ward.tick(True)
    assert [tile.device for tile in first.tiles] == [BED, "radar-0002"]
    hub.say(BED, 68.3)  # the same on the page
    hub.say("radar-0002", 71.0)
    second = hub.ward.tick(True)
    assert [tile.device for tile in second.tiles] == ["radar-0002"]
    assert second.number == first.number + 1
    assert second.notices is None
    snapshot = hub.ward.snapshot("desk", False)
    assert {tile.device: tile.heart_rate_bpm for tile in snapshot.tiles} == {BED: 68, "radar-0002": 71}
    assert snapshot.number == second.number
    for message in (second, snapshot):
        msgspec.json.encode(message)
    assert isinstance(second, Update)
    assert isinstance(snapshot, Snapshot)


def test_updates_and_snapshot_have_the_same_sparkline(hub):
    bins = {}
    for k in range(60):
        hub.clock.now_s += 1
        if k % 7 < 5:
            hub.say(BED, 60.0 + k)
        update = hub.ward.tick(True)
        bins |= dict(update.bins.get(BED, []))
    values = hub.ward.snapshot("desk", False).sparklines[BED]
    numbered = {update.bin - len(values) + k: value for k, value in enumerate(values)}
    assert bins.items() <= numbered.items()
    assert len([value for value in values if value is not None]) == len(bins)
