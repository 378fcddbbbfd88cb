"""The control bar of a replay, in a real browser."""

from edge.core.replay import ReplayState
from tests.helpers.publishing import wait
from tests.helpers.web import Replay, speaking_page, tell, vitals

pytest_plugins = ["tests.helpers.browser"]


def test_the_bar_controls_a_replay(opened):
    replay = Replay()
    with speaking_page(replay=replay) as page:
        tab = opened(page)
        tell(page, tab, vitals(), "Good signal")
        assert tab.text_content("#link") == "Replay"
        page.replay(ReplayState(12.4, 60.0, 2.0, False))
        tab.wait_for_function("() => document.getElementById('replay-time').textContent === '0:12 of 1:00 · 2x'")
        tab.click("#replay-toggle")
        wait(lambda: replay.calls == ["pause"])
        page.replay(ReplayState(12.4, 60.0, 2.0, True))
        tab.wait_for_function("() => document.getElementById('replay-toggle').textContent === 'Resume'")
        assert tab.text_content("#replay-time").endswith("paused")
        tab.evaluate("document.activeElement.blur()")
        for key, call in (("Space", "resume"), ("ArrowRight", 22.0), ("ArrowLeft", 2.0)):
            tab.keyboard.press(key)
            wait(lambda call=call: replay.calls[-1] == call)
        tab.locator("#replay-position").fill("40")
        wait(lambda: replay.calls[-1] == 40.0)


def test_a_live_page_has_no_bar(page, opened):
    tab = opened(page)
    tell(page, tab, vitals(), "Good signal")
    assert tab.is_hidden("#replay")
    assert tab.text_content("#link") == "Live"
