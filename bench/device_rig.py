"""A device under test for bench/faults.py: broker, twin, `radarecg run` and a subscriber, as processes and threads."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import paho.mqtt.client as paho
from outage import Mosquitto

from edge.demo.processes import free_port
from edge.vitals.quality import tolerance_bpm

ROOT = Path(__file__).parents[1]
CFG = ROOT / "firmware_config/awr1843_mmecg.cfg"
FRAME_PERIOD_MS = 20  # a quarter of the frames: a busy computer keeps up with the twin
DEVICE, BPM, CARD = "radar-0001", 68.0, "127.0.0.1"
BROKER = "127.0.0.5"
"""Where the device reaches the broker; the subscriber reaches it at 127.0.0.1."""
Key = tuple[str, int]  # boot and seq, which identify a message


def run_device(config: str) -> int:
    """Runs the device; a line on stdin sets its clock ("clock -4") or its longest wait for a new connection
    ("reconnect 1"), or makes the chain hang ("hang").

    Prints each message that it accepts for delivery.
    """
    from edge.__main__ import main
    from edge.mqtt import connection
    from edge.mqtt.outbox import Outbox
    from edge.mqtt.topics import SPOOLED
    from edge.pipeline import Pipeline
    from edge.radar.dca1000 import data_port
    from edge.radar.dca1000.receivers import PortableReceiver

    offset_ns, hangs = [0], threading.Event()
    unix_ns, publish, push = time.time_ns, Outbox.publish, Pipeline.push
    time.time_ns = lambda: unix_ns() + offset_ns[0]
    data_port.open_receiver = PortableReceiver  # type: ignore[assignment]  # the kernel's time stamps cannot be changed

    def announce(self: Outbox, topic: Any, payload: bytes) -> None:
        publish(self, topic, payload)
        if topic in SPOOLED:
            message = json.loads(payload)
            print(message["boot"], message["seq"], flush=True)

    def hang(self: Pipeline, frame: Any, on_waveform: Any) -> Any:
        if hangs.is_set():
            threading.Event().wait()
        return push(self, frame, on_waveform)

    def obey() -> None:
        for line in sys.stdin:
            word, *value = line.split()
            if word == "clock":
                offset_ns[0] += int(float(value[0]) * 1e9)
            elif word == "reconnect":
                connection.MAX_WAIT_S = float(value[0])
            else:
                hangs.set()

    Outbox.publish, Pipeline.push = announce, hang  # type: ignore[method-assign]
    threading.Thread(target=obey, daemon=True).start()
    return main(["run", "--config", config])


class Rig:
    """Broker, twin, device and subscriber."""

    def __init__(self, stack: ExitStack, folder: Path, **settings: str) -> None:
        self.stack, self.folder = stack, folder
        self.mqtt_port, self.data_port = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_DGRAM)
        self.taken: list[Key] = []
        self.arrived: set[Key] = set()
        self.vitals: list[tuple[float, dict[str, Any]]] = []  # with the time of arrival, live ones only
        self.unmeasured: list[tuple[float, float]] = []  # periods in which no rate may be valid
        self.restarts = 0
        self.refused = 0  # requests of the health check that were not answered with 200
        self.web_port = free_port(socket.SOCK_STREAM)
        spool = settings.get("spool", "spool.db")
        (folder / "card.toml").write_text(f'card_address = "{CARD}"\nhost_address = "127.0.0.4"\n')
        self.cfg = folder / "radar.cfg"
        self.cfg.write_text(CFG.read_text().replace("1 0 5 1 0", f"1 0 {FRAME_PERIOD_MS} 1 0"))
        self.config = folder / "radarecg.toml"
        self.config.write_text(
            f'device = "{DEVICE}"\n[radar]\ncfg = "{self.cfg}"\ncard = "card.toml"\ndata_host = "127.0.0.1"\n'
            f'data_port = {self.data_port}\n[mqtt]\nhost = "{BROKER}"\nport = {self.mqtt_port}\n'
            f'[spool]\nfile = "{spool}"\nbackfill_per_s = 500\n[web]\nport = {self.web_port}\n'
        )
        self.broker = Mosquitto(folder, self.mqtt_port, BROKER)
        stack.callback(lambda: self.broker.process.kill())
        self._subscribe()
        self.twin = self.start_twin("127.0.0.1", self.data_port, BPM)
        self._closing = False
        self.start_device()
        stack.callback(self.close)

    def start_twin(self, host: str, port: int, bpm: float) -> subprocess.Popen[bytes]:
        """Start a simulated radar that sends to `port` of `host`."""
        ports = ["--host", host, "--port", str(port), "--truth-port", str(free_port(socket.SOCK_DGRAM))]
        person = ["--heart-rate-bpm", str(bpm)]
        twin = subprocess.Popen([sys.executable, "-m", "edge", "twin", "--cfg", self.cfg, *ports, *person], cwd=ROOT)
        self.stack.callback(twin.kill)
        return twin

    def start_device(self) -> None:
        """Start the device, and again whenever it ends."""
        command = [sys.executable, __file__, str(self.config)]
        self.device = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        threading.Thread(target=self._read, args=(self.device,), daemon=True).start()

    def tell(self, line: str) -> None:
        """Send a line to the device's process (see `run_device`)."""
        assert self.device.stdin
        self.device.stdin.write(f"{line}\n")
        self.device.stdin.flush()

    def wait_until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait for a condition; return whether it came true in time."""
        end_s = time.monotonic() + timeout_s
        while not condition() and time.monotonic() < end_s:
            time.sleep(0.05)
        return condition()

    def has_valid_rate_since(self, start_s: float) -> bool:
        """Whether a valid rate has arrived."""
        return any(at_s > start_s and each["hr"]["valid"] for at_s, each in list(self.vitals))

    def has_vitals_since(self, start_s: float) -> bool:
        """Whether vitals of any quality have arrived."""
        return any(at_s > start_s for at_s, _ in list(self.vitals))

    def false_valid_s(self, first: int) -> int:
        """Count the seconds with a valid rate that is wrong or that nothing measured, from `vitals[first]` on."""
        return sum(
            each["hr"]["valid"]
            and (
                abs(each["hr"]["value"] - BPM) > tolerance_bpm(BPM)
                or any(start_s < at_s < end_s for start_s, end_s in self.unmeasured)
            )
            for at_s, each in self.vitals[first:]
        )

    def close(self) -> None:
        """Stop the device, so that it is not started again."""
        self._closing = True
        self.device.kill()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        for line in process.stdout:
            if line.endswith("\n") and len(words := line.split()) == 2:
                self.taken.append((words[0], int(words[1])))
        process.wait()
        if not self._closing:
            self.restarts += 1
            self.start_device()

    def _subscribe(self) -> None:
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, "hub", clean_session=False, protocol=paho.MQTTv311)
        client.on_connect = lambda *_: client.subscribe(f"radarecg/v1/{DEVICE}/#", qos=1)
        client.on_message = self._on_message
        client.reconnect_delay_set(1, 1)
        client.connect("127.0.0.1", self.mqtt_port)
        client.loop_start()
        self.stack.callback(client.loop_stop)

    def _on_message(self, client: paho.Client, userdata: object, message: paho.MQTTMessage) -> None:
        payload = json.loads(message.payload)
        if "seq" in payload:
            self.arrived.add((payload["boot"], payload["seq"]))
        if message.topic.endswith(f"{DEVICE}/vitals"):
            self.vitals.append((time.monotonic(), payload))


if __name__ == "__main__":
    sys.exit(run_device(sys.argv[1]))
