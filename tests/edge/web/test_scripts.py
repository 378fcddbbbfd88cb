"""The page's JavaScript modules in a real browser: texts, and the positions of samples."""

from itertools import product

from edge.core.types import RateEstimate
from edge.vitals.quality import FLAGS, Evidence, assess

pytest_plugins = ["tests.helpers.browser"]


def test_every_flag_has_a_text_and_every_state_a_shape(page, opened):
    tab = opened(page)
    words = tab.evaluate("import('/words.js').then(({ FLAGS }) => FLAGS)")
    assert words.keys() == FLAGS.keys()
    for flag, severity in FLAGS.items():
        assert words[flag]["reason"], flag
        assert bool(words[flag]["look"]) == (severity != "note")
    looks = {word["look"] for word in words.values() if word["look"]} | {"good", "degraded", "unusable"}
    shapes = {look: tab.inner_html(f"symbol#{look}") for look in looks}
    assert len(set(shapes.values())) == len(looks)


EXPLAIN = "(seconds) => import('/words.js').then(({ explain }) => seconds.map(explain))"


def explained(tab, *flags, state="unusable", movement="none", irregular=None) -> dict:
    second = {"state": state, "flags": flags, "movement": movement, "irregular": irregular}
    return tab.evaluate(EXPLAIN, [second])[0]


def test_reasons_do_not_contradict_each_other(page, opened):
    tab = opened(page)
    both = explained(tab, "radar_fault", "stale", "frame_loss")
    assert (both["title"], both["reason"]) == ("Radar fault", "No radar frames are being received.")
    assert explained(tab, "stale")["title"] == "Radar silent"
    blind = explained(tab, "radar_fault", "no_subject", "frame_loss")
    assert blind["reason"] == "The radar's data cannot be used. Radar frames are being lost."
    moving = explained(tab, "body_movement", "frame_loss", movement="mild")
    assert (moving["look"], moving["title"]) == ("moving", "Moving a little")
    assert moving["reason"] == "No heart rate while you move. Radar frames are being lost."
    assert "a hint, not a diagnosis" in explained(tab, state="good", irregular=True)["reason"]


def test_the_clock_does_not_affect_the_state(page, opened):
    tab = opened(page)
    verdicts = {
        assess(
            Evidence(*seen, 20.0, lost_fraction, RateEstimate(), {}, RateEstimate(70.0, 1.0), False, True, None, synced)
        )
        for seen, lost_fraction, synced in product(
            product((0.0, 2.0, 9.0), (None, "wrong IQ order"), (True, False), ("none", "mild")),
            (0.0, 0.05),
            (True, False),
        )
    }
    seconds = [{"state": v.state, "flags": v.flags, "movement": "none", "irregular": None} for v in verdicts]
    for second, explanation in zip(seconds, tab.evaluate(EXPLAIN, seconds), strict=True):
        unsynced = "clock_unsynced" in second["flags"]
        assert "clock" not in explanation["title"] + explanation["reason"]
        assert ("clock" in explanation["note"]) == unsynced
        assert ("cannot be used" in explanation["reason"]) + ("being received" in explanation["reason"]) <= 1
        assert bool(explanation["reason"]) == (second["state"] != "good")


SWEEP = """async ({ put, until }) => {
  const { Pen, Sweep, Timeline } = await import("/sweep.js");
  const sweep = new Sweep(10), timeline = new Timeline();
  for (const stretch of put) {
    timeline.follow({ rate_hz: 10, ...stretch });
    stretch.samples.forEach((value, k) => sweep.put(sweep.place(timeline.at(stretch.sample0 + k)), value));
  }
  sweep.advance(until);
  return sweep.shown;
}"""


def test_samples_are_placed_by_their_time(page, opened):
    tab = opened(page)

    def shown(until, *put):
        return tab.evaluate(SWEEP, {"put": put, "until": until})

    first = {"t_ms": 80_000, "sample0": 500, "samples": [1, 2, None, 4], "continues": False}
    assert shown(80_300, first)[:6] == [1, 2, None, 4, None, None]
    late = {"t_ms": 80_430, "sample0": 504, "samples": [5, 6], "continues": True}  # by their number, not by the clock
    assert shown(80_500, first, late)[:6] == [1, 2, None, 4, 5, 6]
    jump = {"t_ms": 80_600, "sample0": 506, "samples": [7], "continues": True}  # two samples were lost
    assert shown(80_600, first, jump)[:7] == [1, 2, None, 4, None, None, 7]
    new = {"t_ms": 81_000, "sample0": 504, "samples": [8], "continues": False}  # not contiguous
    assert shown(81_000, first, new)[:11] == [1, 2, None, 4, *[None] * 6, 8]
    assert shown(88_000, first)[:4] == [None] * 4  # overwritten eight seconds later


def test_the_pen_follows_a_clock_that_is_set(page, opened):
    tab = opened(page)
    delays = tab.evaluate("""async () => {
      const { Pen } = await import("/sweep.js");
      const pen = new Pen(), behind = [];
      for (const [t_ms, now_ms] of [[0, 100], [1000, 1250], [3_600_000, 2100], [3_601_000, 3100], [2000, 4100]]) {
        pen.record(t_ms, now_ms);
        behind.push(t_ms - pen.at(now_ms));
      }
      return behind;
    }""")
    # The pen is 300 ms behind the fastest message; after a clock step it starts again.
    assert delays == [300, 150, 300, 300, 300]
