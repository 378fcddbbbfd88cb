"""Emulates a DCA1000 that streams the twin's frames in real time and provides the ground truth on request.

Without a radar console and a control port it streams always; with them, only while both boards are started.

Data: UDP packets of 1456 bytes with sequence and byte count. A packet is sent when it is full, so the end of a frame is
sent with the first bytes of the next one, and the end of the last frame two seconds late, as on the card. After the
number of frames set in frameCfg the stream pauses until the next start. A hardware trigger is simulated as one pulse
per frame period.
Ground truth: the reply to any datagram to the truth port is JSON; `{"window_s": 10}` sets the window it describes.
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

MOST_ECG_S = 20.0
"""Maximum length of the ECG in one reply."""
_FRAMES_AHEAD = 4  # synthesized together: faster per frame, and still a short computation
# A late twin catches up at most at twice real time; a faster burst would overflow the receiver's socket.
_CATCH_UP = 0.5
_IDLE_S = 0.005


class Dca1000Emulator:
    """Streams to `target` and replies on `truth_port` (0 selects a free port).

    With `control`, the address of the card's control port, it sends `radar`'s frames only while it is recording.
    Raises OSError when a port cannot be bound.
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
        start, sent = self._start_count, 0  # the radar's start counter, and the frames sent since that start
        with closing(self._card), self._truth:
            while not stopped():
                if start != self._start_count:
                    start, sent = self._start_count, 0
                if not self._is_radar_running or sent == self._frame_limit:
                    time.sleep(_IDLE_S)
                    self._serve()
                    continue
                for iq in self._fmcw.frames(self.frames_sent, _FRAMES_AHEAD):
                    data = encode(iq, "sdk")
                    self._serve_until(due_s)
                    if not self._is_radar_running or start != self._start_count or sent == self._frame_limit:
                        break
                    self._card.send(data)
                    self._sent_ns = time.time_ns()
                    self.frames_sent += 1
                    sent += 1
                    due_s = max(due_s + period_s, time.monotonic() + period_s * _CATCH_UP)

    def truth(self, window_s: float) -> dict[str, object]:
        """Return the ground truth over the window that ends with the last frame sent, at `t_ns`.

        Contains the mean rates, the ECG at 200 Hz, the ages of its R peaks at `t_ns`, and what the person does then.
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
            "activity": self._scene.activity(now_s),
            "frames_sent": self.frames_sent,
        }

    @property
    def _is_radar_running(self) -> bool:
        return self._radar is None or self._radar.running

    @property
    def _start_count(self) -> int:
        return self._radar.starts if self._radar else 0

    @property
    def _frame_limit(self) -> int | None:
        """Number of frames after a start; None: unlimited."""
        return (self._radar.frames if self._radar else self._chirp.frames) or None

    def _serve_until(self, due_s: float) -> None:
        self._serve()
        while (left_s := due_s - time.monotonic()) > 0:
            time.sleep(min(left_s, _IDLE_S))
            self._serve()

    def _serve(self) -> None:
        self._card.serve()
        try:
            request, sender = self._truth.recvfrom(1024)
        except BlockingIOError:
            return
        try:
            window_s = float(json.loads(request)["window_s"])
        except (ValueError, TypeError, KeyError):
            window_s = 10.0
        self._truth.sendto(json.dumps(self.truth(window_s)).encode(), sender)
