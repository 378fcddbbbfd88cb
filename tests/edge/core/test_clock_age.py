"""Ages do not depend on the host clock where the monotonic time is known."""

import time

from edge.core.clock import age_ns


def test_an_age_is_right_although_the_clock_was_set(monkeypatch):
    then_ns, steady_ns = 1_000_000_000_000, 5_000_000_000
    monkeypatch.setattr(time, "monotonic_ns", lambda: steady_ns + 7)
    for now_ns in (then_ns - 4_000_000_000, then_ns + 4_000_000_000):
        monkeypatch.setattr(time, "time_ns", lambda now_ns=now_ns: now_ns)
        assert age_ns(then_ns, steady_ns) == 7
        assert age_ns(then_ns, None) == max(0, now_ns - then_ns)
