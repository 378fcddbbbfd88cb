// The seconds that this page has received itself, in the form of an answer of /api/v1/vitals.

const KEPT_S = 600;
const ABSENT = ["no_subject", "stale", "radar_fault"];

export class Memory {
  #rows = []; // one per second, latest last
  now_s = null; // the device's clock

  // Records one second's vitals, which end at `t_s`.
  put(t_s, v) {
    this.now_s = t_s;
    const last = this.#rows.at(-1);
    // Vitals come once a second, though not at whole seconds: consecutive ones are in consecutive rows.
    const start_s = t_s - 1;
    const second = last && Math.abs(start_s - (last.t_s + 1)) < 1 ? last.t_s + 1 : Math.round(start_s);
    if (last && second <= last.t_s) this.#rows = this.#rows.filter((row) => row.t_s < second); // a clock that was set
    const isValid = v.heart_rate_bpm !== null;
    this.#rows.push({
      t_s: second,
      heart_rate_bpm: v.heart_rate_bpm,
      ci95_low_bpm: v.ci95_bpm?.[0] ?? null,
      ci95_high_bpm: v.ci95_bpm?.[1] ?? null,
      valid: Number(isValid),
      present: Number(!v.flags.some((flag) => ABSENT.includes(flag))),
      moving: Number(v.movement !== "none"),
      recorded: 1,
      flags: v.flags,
    });
    this.#rows = this.#rows.slice(-KEPT_S);
  }

  answer() {
    const columns = { resolution_s: 1, t_s: [] };
    for (const row of this.#rows) for (const name in row) (columns[name] ??= []).push(row[name]);
    return columns;
  }
}
