"""Runs the image with a network that never returns: the engine starts the container again, and the device is offline.

The network is a real one with a loop without an end, let past the checks that would refuse it (`hanging`).
"""

from __future__ import annotations

import argparse
import shutil
import time
from contextlib import ExitStack
from pathlib import Path

from tests.container.check import ask, wait_for
from tests.container.outside import NAME, ROOT, Hub, Podman, importable, running, set_up, start_broker, start_twin
from tests.helpers.bundles import hanging

PLACE = "/hanging"
NETWORK = f'backend = "onnxruntime"\nbundle = "{PLACE}/bundle"'
MAX_RESTART_S = 20.0
START_S = 120.0


def make_network(folder: Path) -> None:
    """The bundle, and what lets it pass, for a user that is not root."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "tests/container/hanging", folder)
    hanging(folder / "bundle")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def watch(hub: Hub, podman: Podman) -> tuple[float, list[tuple[str, str, str]]]:
    """Seconds from the last vitals to the container's restart, and the states published until it is online again."""
    process, last_s, restarted_s = _process(podman), time.monotonic(), 0.0
    states: list[tuple[str, str, str]] = []
    end_s = last_s + START_S
    while time.monotonic() < end_s and not (restarted_s and states and states[-1][0] == "online"):
        for kind, message in hub.listen(0.5):
            if kind == "vitals" and not restarted_s:
                last_s = time.monotonic()
            if kind == "status":
                states.append((message["state"], message["reason"], message["boot"]))
        if not restarted_s and (now := _process(podman)) and now != process:
            restarted_s = time.monotonic()
    return (restarted_s or end_s) - last_s, states


def _process(podman: Podman) -> int:
    """The container's process; 0 when none runs."""
    return int(podman.json("container", "inspect", NAME)[0]["State"]["Pid"])


def main() -> None:
    """The checks, in order."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("image")
    args = parser.parse_args()
    podman, network = Podman(args.work), args.work / "hanging"
    make_network(network)
    with ExitStack() as stack:
        folder = set_up(args.work / "etc", NETWORK)
        start_broker(stack, folder)
        hub = Hub(folder)
        _twin, port = start_twin(stack, folder, slower=1)
        options = (*importable(podman, args.image, network, PLACE), "--restart", "unless-stopped")
        stack.enter_context(running(podman, args.image, folder, port, *options))
        waited_s = wait_for(hub, podman, START_S, valid=False)
        ask("vitals before the network hangs", waited_s is not None, f"after {waited_s or 0:.0f} s")
        restart_s, states = watch(hub, podman)
        ask(
            f"restarted within {MAX_RESTART_S:g} s of the last vitals", restart_s <= MAX_RESTART_S, f"{restart_s:.1f} s"
        )
        said = [(state, reason) for state, reason, _ in states]
        ask("offline is published", ("offline", "connection_lost") in said, said)
        ask("online with another boot", said[-1:] == [("online", "started")] and states[0][2] != states[-1][2])
        logs = podman("logs", NAME)
        ask("the log says why", "the chain hangs" in logs.stdout + logs.stderr)
    print("container-test with a network that hangs: passed", flush=True)


if __name__ == "__main__":
    main()
