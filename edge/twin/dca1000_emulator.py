"""A DCA1000 that streams the twin's frames as the card would, in real time, and tells the truth when asked.

Alone it streams always; with a radar's console and a control port, when both are started, as the boards do.

Data: UDP packets of 1456 bytes with sequence and byte count; a packet leaves when it is full, so a frame ends on
the wire with the first bytes of the next one, and the last frame two seconds late, as on the card. After as many frames
as frameCfg asks for no more come until the next start; a hardware trigger is taken to pulse once a frame period.
Truth: any datagram to the truth port is answered with JSON; `{"window_s": 10}` sets the window of what it tells.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

from edge.core.spec import RCG_RATE_HZ
from edge.radar.chirp import ChirpConfig
from edge.radar.iq import encode
from edge.twin.awr1843_emulator import Awr1843Emulator
from edge.twin.card import EmulatedCard
from edge.twin.ecg import EcgShape, ecg_mv
from edge.twin.fmcw import Fmcw
from edge.twin.scene import Scene

DEFAULT_TRUTH_PORT = 4100
MOST_ECG_S = 20.0
"""So much ECG fits into one answer."""
_FRAMES_AHEAD = 4  # synthesised at once: cheaper per frame, and still a small burst of work
# A late twin catches up at most twice as fast as real time, or its burst would overflow the receiver's socket.
_CATCH_UP = 0.5
_IDLE_S = 0.005


class Dca1000Emulator:
    """Streams to `target`; answers on `truth_port` (0 picks a free one).

    With `control` it answers the card's control port there, and sends `radar`'s frames only while it is to record.
    Raises OSError when a port cannot be had.
    """

    def __init__(
        self,
        chirp: ChirpConfig,
        scene: Scene,
        target: tuple[str, int],
        truth_port: int,
        radar: Awr1843Emulator | None = None,
        control: tuple[str, int] | None = None,
    ) -> None:
        self._chirp, self._scene, self._radar = chirp, scene, radar
        self._card = EmulatedCard(target, control)
        self._fmcw = Fmcw(chirp, scene)
        self._truth = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._truth.bind(("127.0.0.1", truth_port))
        self._truth.setblocking(False)
        self.truth_port: int = self._truth.getsockname()[1]
        self.frames_sent = 0
        self._sent_ns = time.time_ns()

    def run(self, stopped: Callable[[], bool]) -> None:
        """Streams until `stopped()`."""
        period_s = self._chirp.frame_period_s
        due_s = time.monotonic()
        start, sent = self._radar_start, 0  # which start of the radar these frames are of, and how many
        with closing(self._card), self._truth:
            while not stopped():
                if start != self._radar_start:
                    start, sent = self._radar_start, 0
                if not self._radar_runs or sent == self._frames_wanted:
                    time.sleep(_IDLE_S)
                    self._answer()
                    continue
                for iq in self._fmcw.frames(self.frames_sent, _FRAMES_AHEAD):
                    data = encode(iq, "sdk")
                    self._answer_until(due_s)
                    if not self._radar_runs or start != self._radar_start or sent == self._frames_wanted:
                        break
                    self._card.send(data)
                    self._sent_ns = time.time_ns()
                    self.frames_sent += 1
                    sent += 1
                    due_s = max(due_s + period_s, time.monotonic() + period_s * _CATCH_UP)

    def truth(self, window_s: float) -> dict[str, object]:
        """What is true at the frame last sent, which left at `t_ns`, over the window before it: mean rates, the ECG at
        200 Hz up to then, and how long before then its R peaks were.
        """
        now_s = max(0, self.frames_sent - 1) * self._chirp.frame_period_s
        samples = round(min(window_s, MOST_ECG_S) * RCG_RATE_HZ)
        start_s = now_s - samples / RCG_RATE_HZ
        beats = [replace(beat, r_s=beat.r_s - start_s) for beat in self._scene.heart.beats(start_s - 1, now_s + 1)]
        ecg = ecg_mv(beats, EcgShape(), samples + 1, RCG_RATE_HZ)
        return {
            "t_ns": self._sent_ns,
            "r_peaks_ago_s": (now_s - self._scene.heart.beats_s(now_s - window_s, now_s)).round(4).tolist(),
            "ecg_mv": ecg.round(3).tolist(),
            "heart_rate_bpm": self._scene.heart.rate_bpm(now_s, window_s),
            "breathing_rate_bpm": self._scene.body.breathing_rate_bpm,
            "frames_sent": self.frames_sent,
        }

    @property
    def _radar_runs(self) -> bool:
        return self._radar is None or self._radar.running

    @property
    def _radar_start(self) -> int:
        return self._radar.starts if self._radar else 0

    @property
    def _frames_wanted(self) -> int | None:
        """How many frames follow a start; None: endlessly."""
        return (self._radar.frames if self._radar else self._chirp.frames) or None

    def _answer_until(self, due_s: float) -> None:
        self._answer()
        while (left_s := due_s - time.monotonic()) > 0:
            time.sleep(min(left_s, _IDLE_S))
            self._answer()

    def _answer(self) -> None:
        self._card.answer()
        try:
            question, asker = self._truth.recvfrom(1024)
        except BlockingIOError:
            return
        try:
            window_s = float(json.loads(question)["window_s"])
        except (ValueError, TypeError, KeyError):
            window_s = 10.0
        self._truth.sendto(json.dumps(self.truth(window_s)).encode(), asker)
