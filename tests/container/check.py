"""Runs the image as compose.yaml would, and looks at what a device's owner relies on.

The broker is mosquitto as deploy/setup.py sets it up. Radar, card and person are the twin's, outside: real UDP to the
card's data port, its control port, the radar's console on a pty; slowed down, see `slow_twin`.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import time
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

from packaging.requirements import Requirement

from edge.vitals.quality import tolerance_bpm
from tests.container.outside import BPM, NAME, ROOT, Hub, Podman, importable, running, set_up, start_broker, start_twin
from tests.container.slow_twin import SLOWER

LOCKS = ROOT / "deploy" / "lock"
WATCHED = 60  # vitals; one comes for every second of the frames' own time
START_S, RATE_S, WATCH_S = 600.0, 600.0, 600.0
"""Emulated, so long until the first vitals, until the first heart rate, and for the vitals that are watched."""


def ask(what: str, good: bool, found: object = "") -> None:
    """One line a check; the first that fails ends it."""
    print(f"{'ok' if good else 'FAIL':>4}  {what}{f': {found}' if found != '' else ''}", flush=True)
    if not good:
        raise SystemExit(1)


def inside(podman: Podman, *words: str) -> subprocess.CompletedProcess[str]:
    """A command in the running container."""
    return podman("exec", NAME, *words, check=False)


def locked(python: str, backend: str) -> dict[str, str]:
    """Name and version of every package that the backend's lock file has for this Python on Linux."""
    place = {"python_full_version": python, "python_version": ".".join(python.split(".")[:2]), "sys_platform": "linux"}
    lines = re.findall(r"^[a-z].*?(?= \\$)", (LOCKS / f"{backend}.txt").read_text(), re.MULTILINE)
    wanted = map(Requirement, lines)
    return {each.name: str(each.specifier)[2:] for each in wanted if not each.marker or each.marker.evaluate(place)}


def check_image(podman: Podman, image: str) -> None:
    """What is in the image, before anything runs."""
    found, base = (podman.json("image", "inspect", name)[0] for name in (image, "localhost/radarecg-test-base-arm64"))
    ask("arm64", found["Architecture"] == "arm64")
    ask("the user is not root", found["Config"]["User"] not in ("", "0", "root"), found["Config"]["User"])
    ask("a health check", bool(found["Healthcheck"]))
    added_mb = (found["Size"] - base["Size"]) / 1e6
    print(f"      image {found['Size'] / 1e6:.0f} MB, of which base {base['Size'] / 1e6:.0f} MB")
    ask("added on the base, under 220 MB", added_mb < 220, f"{added_mb:.0f} MB")


def check_inside(podman: Podman, backend: str) -> None:
    """The running container, from within."""
    ask("runs as radarecg", inside(podman, "id", "-un").stdout == "radarecg\n")
    ask("the root is read-only", "Read-only" in inside(podman, "touch", "/opt/radarecg/x").stderr)
    ask("the spool is not", inside(podman, "touch", "/var/lib/radarecg/spool/x").returncode == 0)
    secret = inside(podman, "cat", "/etc/radarecg/broker/broker.key", "/etc/radarecg/authority/ca.key")
    ask("the authority's and the broker's keys cannot be read", secret.stderr.count("Permission denied") == 2)
    program = (
        "import json, platform; from importlib.metadata import distributions as all; "
        "print(json.dumps([platform.python_version(), {d.name.lower().replace('_', '-'): d.version for d in all()}]))"
    )
    python, installed = json.loads(inside(podman, "python", "-c", program).stdout)
    installed.pop("radarecg")
    is_exact = installed == locked(python, backend)
    ask(f"Python {python}: exactly the lock file's packages", is_exact, ", ".join(installed))


def wait_for(hub: Hub, podman: Podman, within_s: float, valid: bool) -> float | None:
    """Seconds until vitals came, or valid ones; None when none came in time, or the container ended."""
    start_s = time.monotonic()
    while (waited_s := time.monotonic() - start_s) < within_s:
        for kind, message in hub.listen(5):
            if kind == "vitals" and (message["hr"]["valid"] or not valid):
                return waited_s
        state = podman.json("container", "inspect", NAME)[0]["State"]
        if not state["Running"]:
            print(f"      the container has ended: {state['Status']}, status {state['ExitCode']}")
            return None
    return None


def watch(hub: Hub, podman: Podman) -> None:
    """The first vitals, the first heart rate, then a minute of vitals, in whatever time the emulator takes for them."""
    for what, within_s, valid in (("the first vitals", START_S, False), ("the first heart rate", RATE_S, True)):
        waited_s = wait_for(hub, podman, within_s, valid)
        ask(what, waited_s is not None, f"after {waited_s or 0:.0f} s")
    counts: dict[str, int] = {}
    vitals = []
    start_s = time.monotonic()
    for kind, message in hub.listen(WATCH_S):
        counts[kind] = counts.get(kind, 0) + 1
        if kind == "vitals":
            vitals.append(message)
        if len(vitals) == WATCHED:
            break
    print(f"      in {time.monotonic() - start_s:.0f} s: {counts}")
    ask(f"{WATCHED} vitals", len(vitals) == WATCHED)
    steps_s = [(after["t_ns"] - before["t_ns"]) / 1e9 for before, after in pairwise(vitals)]
    ask(
        "one for every second of the frames",
        max(steps_s) < 2 and sum(steps_s) < WATCHED + 2,
        f"{min(steps_s):.2f} to {max(steps_s):.2f} s apart",
    )
    ask("the reconstructed ECG", counts.get("ecg", 0) > 0, counts.get("ecg", 0))
    rates = [each["hr"]["value"] for each in vitals if each["hr"]["valid"]]
    ask("a heart rate", len(rates) > WATCHED / 2, f"in {len(rates)} of {WATCHED} seconds")
    worst = max(abs(rate - BPM) for rate in rates)
    ask("it is the twin's", worst <= tolerance_bpm(BPM), f"at most {worst:.1f} bpm off")
    received, lost = (vitals[-1]["frames"][key] - vitals[0]["frames"][key] for key in ("received", "lost"))
    ask("no frame is lost", lost == 0, f"{received} received, {lost} lost")


def healthy(podman: Podman, image: str) -> bool:
    """By the image's own health check, which may take longer here than an engine would let it."""
    command = podman.json("image", "inspect", image)[0]["Healthcheck"]["Test"][1:]
    done = inside(podman, *command)
    print(f"      the health check says {done.stdout.strip() or done.stderr.strip().splitlines()[-1:]}")
    return done.returncode == 0


def settles(podman: Podman, image: str, well: bool) -> bool:
    """Whether the health check comes to say so, twice in a row.

    Emulated, one window of the network takes as long as the check lets a frame be old, and frames wait for minutes.
    """
    end_s, before = time.monotonic() + WATCH_S, not well
    while time.monotonic() < end_s:
        now = healthy(podman, image)
        if now == before == well:
            return True
        before = now
        time.sleep(10)
    return False


def main() -> None:
    """The checks, in order."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("image")
    args = parser.parse_args()
    podman = Podman(args.work)
    check_image(podman, args.image)
    with ExitStack() as stack:
        folder = set_up(args.work / "etc")
        start_broker(stack, folder)
        hub = Hub(folder)
        twin, port = start_twin(stack, folder)
        slow_clock = Path(__file__).with_name("slow_clock")
        options = (*importable(podman, args.image, slow_clock, "/slow"), "--env", f"SLOWER={SLOWER}")
        stack.enter_context(running(podman, args.image, folder, port, *options))
        watch(hub, podman)
        ask("healthy while frames come", settles(podman, args.image, well=True))
        stats = podman.json("stats", "--no-stream", "--format", "json", NAME)[0]
        print(f"      memory {stats['mem_usage'].split('/')[0].strip()}, CPU {stats['avg_cpu']}, emulated")
        check_inside(podman, "onnxruntime")
        twin.stop()
        ask("not healthy when frames stop", settles(podman, args.image, well=False))
        podman("stop", NAME)
        ended = podman.json("container", "inspect", NAME)[0]["State"]["ExitCode"]
        ask("it stops when asked", ended == 0, f"status {ended}")
        said = [message["state"] for kind, message in hub.listen(5) if kind == "status"]
        ask("and says goodbye", said[-1:] == ["offline"], said)
    print("container-test: passed", flush=True)


if __name__ == "__main__":
    main()
