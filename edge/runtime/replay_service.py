"""Replays a recording into the live page and to a broker: the same chain, paced, with pause and seek."""

from __future__ import annotations

import logging
import re
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from edge import __version__
from edge.core.errors import InputError
from edge.core.placement import Placement
from edge.core.replay import ReplayState
from edge.core.sinks import FanOut, Sink
from edge.core.types import EcgBlock, Quality, Vitals, Waveform
from edge.inference.loader import Network, load_network
from edge.mqtt.broker import Broker
from edge.mqtt.fields import DEVICE_PATTERN
from edge.mqtt.info import NO_NETWORK, NetworkState
from edge.mqtt.payloads import Model
from edge.mqtt.publisher import Publisher
from edge.mqtt.settings import MqttConfig, load_broker
from edge.mqtt.spool import Spool
from edge.pipeline import Pipeline, run
from edge.runtime.config import load_config
from edge.runtime.keyboard import Keyboard
from edge.sources.player import ReplayPlayer
from edge.sources.points import PointsRecording
from edge.sources.recording import Recording
from edge.web.address import page_url
from edge.web.messages import Hello
from edge.web.page import LivePage

HOST = "127.0.0.1"
SKIP_S = 10.0
MAX_SPOOL_BYTES = 64 << 20

log = logging.getLogger("edge.replay")


@dataclass(frozen=True)
class ReplayRequest:
    """What to replay, and where to: a page at `web_port` (0: a free port), a broker under the name `device`, or both.

    `speed` 1 is real time. The ECG is reconstructed with the network in `bundle`; without one there is no ECG.
    """

    recording: Recording | PointsRecording
    web_port: int | None = None
    broker: Broker | None = None
    device: str = "replay"
    speed: float = 1.0
    bundle: Path | None = None


def serve_replay(request: ReplayRequest, on_stop: Callable[[Callable[[], object]], None]) -> None:
    """Replay until stopped, or without a page until the recording ends. Raises InputError, OSError.

    After a seek the chain begins anew, as after a start of the device: no result mixes data from both positions.
    """
    if not re.match(DEVICE_PATTERN, request.device):
        raise InputError(f"--device {request.device}: must be 1 to 64 lower-case letters, digits and hyphens")
    recording = request.recording
    network = load_network(request.bundle) if request.bundle else None
    displays: list[Callable[[ReplayState], None]] = [_StatusLine()] if sys.stderr.isatty() else []
    pipelines: list[Pipeline] = []

    def show(state: ReplayState) -> None:
        for display in displays:
            display(state)

    player = ReplayPlayer(recording, request.speed, request.web_port is not None, show)
    on_stop(player.close)
    with ExitStack() as stack:
        if displays:
            stack.callback(print, file=sys.stderr)  # ends the status line
        sinks: list[Sink] = []
        if request.broker:
            sinks.append(_publisher(request, request.broker, network, player, stack))
        if request.web_port is not None:
            page = _open_page(request, request.web_port, player, lambda: pipelines[-1].placement())
            stack.callback(page.close)
            sinks.append(page)
            displays.append(page.replay)
        if stack.enter_context(Keyboard(_key_handler(player))).is_active:
            log.info("space pauses, the left and right arrows seek %g s, q ends", SKIP_S)
        sink = StretchSink(FanOut(*sinks), lambda: player.is_warming_up)
        for _ in player.stretches():
            sink.begin_stretch()
            begin = network.begin if network else None
            pipeline = Pipeline(
                player.chirp,
                lambda: recording.clock_synced,
                recording.calibration,
                begin,
                front_end=player.front_end(),
            )
            pipelines[:] = [pipeline]
            run(player, pipeline, sink)


def resolve_broker(text: str) -> Broker:
    """Return the broker of a settings file of `radarecg run`, or at HOST or HOST:PORT. Raises InputError, OSError."""
    path = Path(text)
    if path.is_file():
        return load_broker(load_config(path).mqtt, path)
    host, _, port = text.partition(":")
    try:
        config = msgspec.convert({"host": host} | ({"port": port} if port else {}), MqttConfig, strict=False)
    except msgspec.ValidationError as error:
        raise InputError(
            f"--mqtt {text}: neither a settings file nor an address: use HOST, HOST:PORT, or the settings file of "
            "radarecg run, which also names user, password and certificates"
        ) from error
    return load_broker(config, path)


class StretchSink:
    """Passes the results of successive stretches on as one stream.

    Those of a warm-up are dropped. Sample numbers rise over a seek; the first block after it does not continue.
    """

    def __init__(self, sink: Sink, is_warming_up: Callable[[], bool]) -> None:
        self._sink, self._is_warming_up = sink, is_warming_up
        self._ends = {"waveform": 0, "ecg": 0}
        self._shifts: dict[str, int] = {}

    def begin_stretch(self) -> None:
        """Begin a new stretch, whose sample numbers begin anew."""
        self._shifts = {}

    def waveform(self, wave: Waveform) -> None:
        """Pass a piece of the heart waveform on."""
        if not self._is_warming_up():
            is_first, shift = self._place("waveform", wave.sample0, len(wave.samples))
            self._sink.waveform(replace(wave, sample0=wave.sample0 + shift, continues=wave.continues and not is_first))

    def ecg(self, ecg: EcgBlock, quality: Quality) -> None:
        """Pass a piece of the ECG on."""
        if not self._is_warming_up():
            is_first, shift = self._place("ecg", ecg.sample0, len(ecg.estimate.ecg))
            moved = replace(
                ecg,
                sample0=ecg.sample0 + shift,
                window_end=ecg.window_end + shift,
                continues=ecg.continues and not is_first,
            )
            self._sink.ecg(moved, quality)

    def vitals(self, vitals: Vitals) -> None:
        """Pass the vitals of one second on."""
        if not self._is_warming_up():
            self._sink.vitals(vitals)

    def _place(self, signal: str, sample0: int, count: int) -> tuple[bool, int]:
        """Return whether a block is the stretch's first, and by how much the stretch's sample numbers are shifted."""
        is_first = signal not in self._shifts
        shift = self._shifts.setdefault(signal, self._ends[signal] - sample0)
        self._ends[signal] = sample0 + shift + count
        return is_first, shift


class _StatusLine:
    """Shows the position on a terminal, in one line that is overwritten."""

    def __call__(self, state: ReplayState) -> None:
        what = "paused" if state.is_paused else f"{state.speed:g}x"
        print(f"\r  {_minutes(state.position_s)} of {_minutes(state.duration_s)}, {what}  ", end="", file=sys.stderr)


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def _key_handler(player: ReplayPlayer) -> Callable[[str], None]:
    actions: dict[str, Callable[[], None]] = {
        "space": player.toggle,
        "left": lambda: player.skip(-SKIP_S),
        "right": lambda: player.skip(SKIP_S),
        "q": player.close,
    }
    return lambda key: actions.get(key, lambda: None)()


def _open_page(
    request: ReplayRequest, port: int, player: ReplayPlayer, placement: Callable[[], Placement | None]
) -> LivePage:
    hello = Hello(request.device, __version__, request.bundle is not None, is_replay=True)
    page = LivePage(HOST, port, None, hello, placement=placement, replay=player, clock_ns=player.now_ns)
    log.info("live page: %s", page_url(HOST, page.port))
    return page


def _publisher(
    request: ReplayRequest, broker: Broker, network: Network | None, player: ReplayPlayer, stack: ExitStack
) -> Publisher:
    state = NetworkState(Model(network.name, network.sha256), True) if network else NO_NETWORK
    # A replay can be repeated, so what the broker does not receive now is not kept.
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="radarecg-replay-"))
    publisher = Publisher(
        broker,
        request.device,
        request.recording.chirp,
        Spool(Path(folder) / "spool.db", MAX_SPOOL_BYTES),
        state,
        replay_clock_ns=player.now_ns,
    )
    stack.callback(publisher.close)
    return publisher
