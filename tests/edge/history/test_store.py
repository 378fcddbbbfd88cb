"""The file: what is written is read again; bounds of age and size; deletion that leaves nothing behind."""

import random
import sqlite3
import stat

import numpy as np
import pytest

from edge.core.types import QualityFlag
from edge.history.blocks import MAX_FLAGS, totals_of_seconds
from edge.history.reader import open_reader
from edge.history.records import Event, Second, ecg_piece
from edge.history.retention import MINUTES_DAYS, expire, shrink
from edge.history.settings import HistoryConfig
from edge.history.store import HistoryError, HistoryStore
from tests.helpers.history import NOON, ecg_block, fill, vitals


@pytest.fixture
def path(tmp_path):
    return tmp_path / "history.sqlite"


@pytest.fixture
def store(path):
    store = HistoryStore(path)
    yield store
    store.close()


def rows(path, start, end, resolution=1):
    with open_reader(path) as reader:
        return reader.vitals(start, end, resolution)


def content(path) -> bytes:
    """Of the file and its log."""
    return b"".join(part.read_bytes() for part in sorted(path.parent.glob(f"{path.name}*")))


def test_a_second_is_read_as_it_was_written(store, path):
    store.write([Second(NOON + 7, vitals(NOON + 7, 71.239, flags=("frame_loss",), state="degraded"))], [], [])
    found = rows(path, NOON, NOON + 60)
    assert found.t_s.tolist() == [NOON + 7]
    # Rates are stored in hundredths, distances in millimetres.
    assert found.mean("heart_rate") == pytest.approx(71.24, abs=1e-9)
    assert found.mean("ci95_low") == pytest.approx(69.24, abs=1e-9)
    assert found.mean("ci95_high") == pytest.approx(74.24, abs=1e-9)
    assert found.mean("breathing_rate") == 15.0
    assert found.mean("chest_range") == 0.5
    counts = ("recorded", "valid", "good", "present", "moving", "irregular")
    assert [float(found.fraction(count)[0]) for count in counts] == [1, 1, 0, 1, 0, 0]
    assert found.flags() == [["frame_loss"]]


def test_a_moving_person_is_present_without_rates(store, path):
    store.write([Second(NOON, vitals(NOON, None))], [], [])
    found = rows(path, NOON, NOON + 1)
    assert np.isnan(found.mean("heart_rate")).all()
    assert np.isnan(found.mean("breathing_rate")).all()
    assert np.isnan(found.fraction("irregular")).all()
    assert [float(found.fraction(name)[0]) for name in ("valid", "present", "moving")] == [0, 1, 1]


def test_minutes_and_hours_are_the_means_of_their_seconds(path):
    rng = random.Random(7)
    rates = {NOON + k: rng.choice([None, rng.uniform(50, 90)]) for k in range(-100, 4000)}
    fill(path, NOON - 100, 4100, each=lambda second: vitals(second, rates[second]))
    for resolution in (60, 3600):
        found = rows(path, NOON - 100, NOON + 4000, resolution)
        assert found.t_s.tolist() == list(range((NOON - 100) // resolution * resolution, NOON + 4000, resolution))
        for k, start in enumerate(found.t_s.tolist()):
            inside = [rates[second] for second in range(start, start + resolution) if second in rates]
            valid = [rate for rate in inside if rate is not None]
            # Each second and each minute is rounded to a hundredth.
            assert found.mean("heart_rate")[k] == pytest.approx(np.mean(valid), abs=0.0101)
            assert found.fraction("recorded")[k] == pytest.approx(len(inside) / resolution, rel=1e-12)
            assert found.fraction("valid")[k] == pytest.approx(len(valid) / len(inside), rel=1e-12)
            assert found.fraction("moving")[k] == pytest.approx(1 - len(valid) / len(inside), rel=1e-12)


def test_flags_of_a_minute_are_ordered_by_their_number(path):
    flags = {k: ("low_snr",) if k < 20 else ("frame_loss", "clock_unsynced") if k < 50 else () for k in range(60)}
    fill(path, NOON, 60, each=lambda second: vitals(second, flags=flags[second - NOON]))
    assert rows(path, NOON, NOON + 60, 60).flags() == [["clock_unsynced", "frame_loss", "low_snr"]]


def test_a_file_of_another_version_keeps_its_flags_names(path, store):
    store.write([Second(NOON, vitals(NOON, flags=("of_the_future", "low_snr")))], [], [])
    store.write([Second(NOON + 1, vitals(NOON + 1, flags=("stale",)))], [], [])
    assert rows(path, NOON, NOON + 2).flags() == [["low_snr", "of_the_future"], ["stale"]]


def test_more_flags_than_bits_lose_the_newest_only(path, store):
    many = tuple(f"flag_{k:02d}" for k in range(MAX_FLAGS + 3))
    store.write([Second(NOON, vitals(NOON, flags=many))], [], [])
    assert sorted(rows(path, NOON, NOON + 1).flags()[0]) == list(many[:MAX_FLAGS])
    assert len(QualityFlag.__args__) <= MAX_FLAGS


def test_the_ecg_is_read_as_it_was_written(store, path):
    store.write([], [], [ecg_piece(ecg_block(NOON + 0.5)), ecg_piece(ecg_block(NOON + 1.5, 150, continues=False))])
    with open_reader(path) as reader:
        first, second = reader.ecg(NOON, NOON + 10)
        assert [piece.t_us for piece in reader.ecg(NOON + 1.5, NOON + 10)] == [second.t_us]
        assert reader.ecg(NOON + 2.25, NOON + 10) == []  # the second piece has three quarters of a second
        assert reader.ecg(NOON, NOON + 0.5) == []
    assert first.samples.tolist() == [-32768] * 5 + list(range(5, 200))
    assert (first.t_us, first.continues, second.continues) == (NOON * 10**6 + 500_000, True, False)
    assert first.r_peaks_s == pytest.approx([NOON + 0.5 + 50.25 / 200], abs=1e-6)


def test_events_are_read_in_order_and_repeated_ones_once(store, path):
    events = [Event(NOON * 1000 + 5, "flag_began", "low_snr"), Event(NOON * 1000, "device_started")]
    store.write([], [*events, *events], [])
    with open_reader(path) as reader:
        found = reader.events(NOON, NOON + 1, 10)
    assert [(event.t_s, event.kind, event.flag) for event in found] == [
        (NOON, "device_started", None),
        (NOON + 0.005, "flag_began", "low_snr"),
    ]


def test_a_clock_that_is_set_back_replaces_the_same_seconds_and_keeps_the_others(path):
    fill(path, NOON, 100, ecg=True)
    fill(path, NOON + 30, 10, ecg=True, each=lambda second: vitals(second, 90.0))
    rates = rows(path, NOON, NOON + 100).mean("heart_rate").tolist()
    assert rates == [60.0] * 30 + [90.0] * 10 + [60.0] * 60
    assert rows(path, NOON, NOON + 60, 60).mean("heart_rate") == pytest.approx([(50 * 60 + 10 * 90) / 60])


def test_only_the_owner_can_read_the_file(store, path):
    fill(path, NOON, 5)
    store.write([Second(NOON, vitals(NOON))], [], [])
    for part in path.parent.glob(f"{path.name}*"):
        assert stat.S_IMODE(part.stat().st_mode) == 0o600, part
    assert len(list(path.parent.glob(f"{path.name}*"))) == 3  # with the log and its index


def test_deletion_is_exact_to_the_second(path, store):
    fill(path, NOON, 3700, ecg=True)
    store.write([], [Event((NOON + k) * 1000, "flag_began", "stale") for k in (99, 100, 3599, 3600)], [])
    store.delete(NOON + 100, NOON + 3600)
    assert rows(path, NOON, NOON + 3700).t_s.tolist() == [*range(NOON, NOON + 100), *range(NOON + 3600, NOON + 3700)]
    minutes = rows(path, NOON, NOON + 3700, 60)
    assert minutes.totals.counts["recorded"].tolist() == [60, 40, 60, 40]
    with open_reader(path) as reader:
        assert [event.t_s - NOON for event in reader.events(NOON, NOON + 3700, 10)] == [99, 3600]
        assert [piece.t_us // 10**6 - NOON for piece in reader.ecg(NOON, NOON + 3700)] == [
            *range(100),
            *range(3600, 3700),
        ]


def test_a_minute_whose_seconds_have_expired_is_deleted_as_a_whole(path, store):
    fill(path, NOON, 180)
    with store.transaction() as db:
        db.execute("DELETE FROM seconds")
    store.delete(NOON + 70, NOON + 75)
    assert rows(path, NOON, NOON + 180, 60).t_s.tolist() == [NOON, NOON + 120]


def test_deleted_data_are_gone_from_the_file_and_its_log(path, store):
    fill(path, NOON, 1200, ecg=True)
    with store.transaction() as db:
        blobs = [row[0] for row in db.execute("SELECT samples FROM ecg")]
        blobs += [row[0] for row in db.execute("SELECT block FROM seconds")]
    assert any(blob in content(path) for blob in blobs)  # some are on two pages
    store.truncate_log()
    before = path.stat().st_size
    store.delete(0, NOON + 1200)
    assert store.truncate_log()
    assert not any(blob[:64] in content(path) for blob in blobs)
    assert path.stat().st_size < before / 5


def test_a_reader_in_the_way_of_the_log_is_reported(path, monkeypatch):
    monkeypatch.setattr("edge.history.store.BUSY_TIMEOUT_S", 0.01)
    store = HistoryStore(path)
    fill(path, NOON, 10)
    with sqlite3.connect(path) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM seconds").fetchone()
        store.delete_all()
        assert not store.truncate_log()
    reader.close()
    assert store.truncate_log()
    store.close()


DAY_S = 86_400


def test_what_is_too_old_is_deleted(path, store):
    for age_days in (0, 1, 2, 29, 31, 364, 366):
        fill(path, NOON - age_days * DAY_S, 2, ecg=True)
        store.write([], [Event((NOON - age_days * DAY_S) * 1000, "device_started")], [])
    expire(store, HistoryConfig(days=30, ecg=2), NOON + 100)
    ages = lambda times: [(NOON - t) // DAY_S for t in times]  # noqa: E731
    assert ages(rows(path, 0, 2**32).t_s.tolist()[::2]) == [29, 2, 1, 0]
    assert ages(rows(path, 0, 2**32, 60).t_s.tolist()) == [364, 31, 29, 2, 1, 0]
    with open_reader(path) as reader:
        assert ages([int(event.t_s) for event in reader.events(0, 2**32, 10)]) == [364, 31, 29, 2, 1, 0]
        assert ages([piece.t_us // 10**6 for piece in reader.ecg(0, 2**32)][::2]) == [1, 0]
    expire(store, HistoryConfig(days=30, ecg=0), NOON + 100)
    with open_reader(path) as reader:
        assert reader.ranges()["ecg"] is None


def test_a_clock_that_is_not_synchronised_deletes_nothing_by_age(path, store):
    fill(path, NOON, 60)
    fill(path, NOON + 1000 * DAY_S, 60)  # the clock was wrong, then or now
    expire(store, HistoryConfig(days=1), None)
    assert len(rows(path, 0, 2**32).t_s) == 120


def test_without_a_synchronised_clock_the_amount_is_limited(path, store):
    with store.transaction() as db:
        block = db.execute("SELECT zeroblob(0)").fetchone()[0]
        db.executemany("INSERT INTO seconds VALUES (?, ?)", ((NOON // 60 + k, block) for k in range(2000)))
        db.executemany("INSERT INTO minutes VALUES (?, ?)", ((k, block) for k in range(24 * MINUTES_DAYS + 5)))
    expire(store, HistoryConfig(days=1), None)
    with store.transaction() as db:
        assert db.execute("SELECT min(minute), count(*) FROM seconds").fetchone() == (NOON // 60 + 560, 1440)
        assert db.execute("SELECT min(hour), count(*) FROM minutes").fetchone() == (5, 24 * MINUTES_DAYS)


def test_the_file_stays_below_its_limit_oldest_first(path, store):
    for hour in range(5):
        fill(path, NOON + 3600 * hour, 1200, ecg=True)
    full = store.used_bytes()
    assert not shrink(store, full)
    assert shrink(store, full // 2)
    store.truncate_log()
    assert path.stat().st_size <= full // 2
    with open_reader(path) as reader:
        assert reader.ranges()["ecg"][1] == NOON + 4 * 3600 + 1200  # the newest stays
        assert reader.ranges()["ecg"][0] > NOON
        assert reader.ranges()["seconds"][0] == NOON
    assert shrink(store, 1)  # impossible, so everything goes
    with open_reader(path) as reader:
        assert set(reader.ranges().values()) == {None}


def test_a_damaged_block_is_left_out(path, store):
    fill(path, NOON, 180, ecg=True)
    with store.transaction() as db:
        db.execute(
            "UPDATE seconds SET block = CAST(substr(block, 1, 20) || 'x' AS BLOB) WHERE minute = ?", (NOON // 60 + 1,)
        )
        db.execute("UPDATE ecg SET samples = x'00' WHERE t_us = ?", ((NOON + 3) * 10**6,))
    assert len(rows(path, NOON, NOON + 180).t_s) == 120
    with open_reader(path) as reader:
        assert len(reader.ecg(NOON, NOON + 10)) == 9
    fill(path, NOON + 60, 60)
    assert len(rows(path, NOON, NOON + 180).t_s) == 180


def test_another_programs_file_is_refused_and_unchanged(path):
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE t (x)")
    db.close()
    before = path.read_bytes()
    with pytest.raises(HistoryError, match=r"history\.sqlite: this file is not a history: set another one"):
        HistoryStore(path)
    assert path.read_bytes() == before


def test_a_newer_version_is_refused(path, store):
    with store.transaction() as db:
        db.execute("PRAGMA user_version = 2")
    with pytest.raises(HistoryError, match="newer radarecg"):
        HistoryStore(path)
    with pytest.raises(HistoryError, match="newer radarecg"), open_reader(path):
        pass


def test_no_file_is_no_history(path):
    with pytest.raises(HistoryError, match="there is no history yet"), open_reader(path):
        pass
    path.write_bytes(b"x" * 5000)
    with pytest.raises(HistoryError, match="cannot be read"), open_reader(path):
        pass


def test_the_counts_of_every_second_are_consistent():
    """A second that was not recorded counts for nothing."""
    from edge.history.blocks import SECONDS, empty

    totals = totals_of_seconds(empty(SECONDS).reshape(1))
    assert all((count == 0).all() for count in totals.counts.values())
    assert not totals.flags.any()
