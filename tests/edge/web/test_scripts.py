"""The page's JavaScript modules in a real browser: texts, and the positions of samples."""

from itertools import product

from edge.core.types import RateEstimate
from edge.vitals.quality import FLAGS, Evidence, assess

pytest_plugins = ["tests.helpers.browser"]


def test_every_flag_has_a_text_and_every_state_a_shape(shared_tab):
    words = shared_tab.evaluate("import('/words.js').then(({ FLAGS }) => FLAGS)")
    assert words.keys() == FLAGS.keys()
    for flag, severity in FLAGS.items():
        assert words[flag]["reason"], flag
        assert bool(words[flag]["look"]) == (severity != "note")
    looks = {word["look"] for word in words.values() if word["look"]} | {"good", "degraded", "unusable"}
    shapes = {look: shared_tab.inner_html(f"symbol#{look}") for look in looks}
    assert len(set(shapes.values())) == len(looks)


EXPLAIN = "(seconds) => import('/words.js').then(({ explain }) => seconds.map(explain))"


def explained(shared_tab, *flags, state="unusable", movement="none", irregular=None) -> dict:
    second = {"state": state, "flags": flags, "movement": movement, "irregular": irregular}
    return shared_tab.evaluate(EXPLAIN, [second])[0]


def test_reasons_do_not_contradict_each_other(shared_tab):
    both = explained(shared_tab, "radar_fault", "stale", "frame_loss")
    assert (both["title"], both["reason"]) == ("Radar fault", "No radar frames are being received.")
    assert explained(shared_tab, "stale")["title"] == "Radar silent"
    blind = explained(shared_tab, "radar_fault", "no_subject", "frame_loss")
    assert blind["reason"] == "The radar's data cannot be used. Radar frames are being lost."
    moving = explained(shared_tab, "body_movement", "frame_loss", movement="mild")
    assert (moving["look"], moving["title"]) == ("moving", "Moving a little")
    assert moving["reason"] == "No heart rate during movement. Radar frames are being lost."
    assert "a hint, not a diagnosis" in explained(shared_tab, state="good", irregular=True)["reason"]


def test_the_clock_does_not_affect_the_state(shared_tab):
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
    for second, explanation in zip(seconds, shared_tab.evaluate(EXPLAIN, seconds), strict=True):
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


def test_samples_are_placed_by_their_time(shared_tab):
    def shown(until, *put):
        return shared_tab.evaluate(SWEEP, {"put": put, "until": until})

    first = {"t_ms": 80_000, "sample0": 500, "samples": [1, 2, None, 4], "continues": False}
    assert shown(80_300, first)[:6] == [1, 2, None, 4, None, None]
    late = {"t_ms": 80_430, "sample0": 504, "samples": [5, 6], "continues": True}  # by their number, not by the clock
    assert shown(80_500, first, late)[:6] == [1, 2, None, 4, 5, 6]
    jump = {"t_ms": 80_600, "sample0": 506, "samples": [7], "continues": True}  # two samples were lost
    assert shown(80_600, first, jump)[:7] == [1, 2, None, 4, None, None, 7]
    new = {"t_ms": 81_000, "sample0": 504, "samples": [8], "continues": False}  # not contiguous
    assert shown(81_000, first, new)[:11] == [1, 2, None, 4, *[None] * 6, 8]
    assert shown(88_000, first)[:4] == [None] * 4  # overwritten eight seconds later


def test_the_pen_follows_a_clock_that_is_set(shared_tab):
    delays = shared_tab.evaluate("""async () => {
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


def test_the_trace_is_trusted_only_where_its_second_was_good(shared_tab):
    good, moving = shared_tab.evaluate("""async () => {
      const { Trust } = await import("/trust.js");
      const trust = new Trust();
      [["good", 80_200], ["good", 81_200], ["moving", 82_200], ["moving", 83_400], ["good", 84_200]]
        .forEach(([look, t_ms]) => trust.put(t_ms, look));
      trust.advance(84_200);
      return [trust.good(40), trust.moving()];
    }""")
    assert good[:22] == [True] * 7 + [False] * 11 + [True] * 4  # fifths of a second from 80 s on
    assert moving == [[7 / 40, 18 / 40]]


def test_rows_become_columns_without_holes_and_words(shared_tab):
    answer = {
        "resolution_s": 60,
        "t_s": [600, 720, 780],
        "heart_rate_bpm": [61.4, None, 70.0],
        "ci95_low_bpm": [59.0, None, 68.0],
        "ci95_high_bpm": [64.0, None, 73.0],
        "valid": [0.5, 0, 1],
        "present": [1, 1, 1],
        "moving": [0, 1, 0],
        "recorded": [1, 1, 1],
        "flags": [[], ["body_movement"], []],
    }
    events = [{"t_s": 610, "kind": "device_started", "flag": None}, {"t_s": 650, "kind": "flag_began", "flag": "stale"}]
    rates, words, summary = shared_tab.evaluate(
        """async ([answer, events]) => {
          const { describe, summarise, toColumns } = await import("/columns.js");
          const columns = toColumns([answer], 590, 830);
          return [columns.heart_rate_bpm, columns.t_s.map((_, k) => describe(columns, k, events)), summarise(columns)];
        }""",
        [answer, events],
    )
    assert rates == [None, 61.4, None, None, 70.0]
    assert words == [
        "00:09: not recorded",
        "00:10: 61 per minute, 95 % interval 59 to 64; Device started; Radar silent",
        "00:11: not recorded",
        "00:12: heart rate withheld (moving)",
        "00:13: 70 per minute, 95 % interval 68 to 73",
    ]
    assert summary == "61 to 70 per minute, withheld 50 % of the time, not recorded 40 %"


def test_the_page_remembers_each_second_once(shared_tab):
    answer = shared_tab.evaluate("""async () => {
      const { Memory } = await import("/memory.js");
      const memory = new Memory();
      const second = (heart_rate_bpm) => ({ heart_rate_bpm, ci95_bpm: null, flags: [], movement: "none" });
      [[100.95, 60], [102.02, 61], [102.98, null], [107.0, 63]].forEach(([t_s, bpm]) => memory.put(t_s, second(bpm)));
      return memory.answer();
    }""")
    assert answer["t_s"] == [100, 101, 102, 106]  # not at whole seconds, yet without a hole where none was
    assert answer["heart_rate_bpm"] == [60, 61, None, 63]
    assert answer["valid"] == [1, 1, 0, 1]
