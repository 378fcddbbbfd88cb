"""What leaves the history: data that are too old, and above the size limit the oldest."""

from __future__ import annotations

from edge.history.settings import HistoryConfig
from edge.history.store import HistoryStore

DAY_S = 86_400
MINUTES_DAYS = 365
"""How long minutes and events are kept."""


def expire(store: HistoryStore, config: HistoryConfig, now_s: float | None) -> None:
    """Delete what is too old. `now_s` is the Unix time, None if no time service keeps the clock.

    A wrong clock must not delete everything, so without a time service the limit is the amount: of the recorded
    minutes, those of the newest `days` days are kept.
    """
    with store.transaction() as db:

        def first_kept(table: str, key: str, unit_s: int, days: int) -> int:
            blocks = days * DAY_S // unit_s
            row = db.execute(f"SELECT {key} FROM {table} ORDER BY {key} DESC LIMIT 1 OFFSET ?", (blocks,)).fetchone()
            return max(row[0] + 1 if row else 0, int(now_s) // unit_s - blocks if now_s is not None else 0)

        ecg_minute = first_kept("seconds", "minute", 60, config.ecg)
        hour = first_kept("minutes", "hour", 3600, MINUTES_DAYS)
        if config.ecg:
            db.execute("DELETE FROM ecg WHERE t_us < ?", (ecg_minute * 60_000_000,))
        else:
            db.execute("DELETE FROM ecg")
        db.execute("DELETE FROM seconds WHERE minute < ?", (first_kept("seconds", "minute", 60, config.days),))
        db.execute("DELETE FROM minutes WHERE hour < ?", (hour,))
        db.execute("DELETE FROM event WHERE t_ms < ?", (hour * 3_600_000,))
    store.vacuum()


def shrink(store: HistoryStore, max_bytes: int) -> bool:
    """Delete the oldest data until the file is small enough; return whether any were deleted.

    The ECG goes first, because it is the largest part; then the seconds, the minutes and the events.
    """
    has_deleted = False
    while store.used_bytes() > max_bytes and _delete_oldest(store):
        has_deleted = True
    if has_deleted:
        store.vacuum()
    return has_deleted


def _delete_oldest(store: HistoryStore) -> bool:
    """Delete about the oldest hour (of minutes and events: the oldest day) of the first table that has rows."""
    with store.transaction() as db:
        for table, key, amount in (
            ("ecg", "t_us", 3_600_000_000),
            ("seconds", "minute", 60),
            ("minutes", "hour", 24),
            ("event", "t_ms", 86_400_000),
        ):
            oldest = db.execute(f"SELECT min({key}) FROM {table}").fetchone()[0]
            if oldest is not None:
                db.execute(f"DELETE FROM {table} WHERE {key} < ?", (oldest + amount,))
                return True
    return False
