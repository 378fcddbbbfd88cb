"""What a ward shows of a device, by its messages and the hub's monotonic clock."""

import json

import msgspec
import pytest

from edge.core.errors import InputError
from edge.mqtt.topics import VITALS
from edge.mqtt.watcher import Received
from edge.ward.messages import Snapshot, Update
from edge.ward.records import RecordsFile
from edge.ward.tile import CURRENT_S
from edge.ward.ward import MAX_DEVICES
from tests.helpers.ward import BED


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
