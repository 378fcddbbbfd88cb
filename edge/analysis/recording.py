"""Opens recordings and reconstructs them with the chain of the device."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from edge import __version__
from edge.analysis.collector import Collector
from edge.analysis.result import About, Result, unix_time
from edge.core.sinks import FanOut, Sink
from edge.core.types import Vitals
from edge.dsp.frontend.rcg import CHECK_S, find_problem
from edge.front_end_process import MIN_RECORDED_S, FrontEndProcess
from edge.inference.bundle import SHIPPED
from edge.inference.loader import Network, load_network
from edge.pipeline import Pipeline, run
from edge.radar.iq import IQ_ORDERS, IqOrder
from edge.sources import FrontEnd
from edge.sources.metadata import RecordingError, recording_name
from edge.sources.points import PointsRecording, PointsSource, is_points_recording, open_points
from edge.sources.recording import Recording
from edge.sources.recording import open_recording as open_raw_recording
from edge.sources.replay import ReplaySource


def open_recording(path: Path | str, cfg: Path | None = None, iq_order: IqOrder | None = None) -> OpenRecording:
    """Open a recording of raw samples or of points, or a bare `.bin` file, for which `cfg` is the chirp file.

    Raises InputError if it is not a recording, is damaged or does not fit its chirp file; FileNotFoundError.
    """
    path = Path(path)
    return OpenRecording(open_points(path) if is_points_recording(path) else open_raw_recording(path, cfg, iq_order))


class OpenRecording:
    """A recording that can be reconstructed."""

    def __init__(self, recording: Recording | PointsRecording) -> None:
        self.recording = recording
        self._source: ReplaySource | PointsSource | FrontEndProcess | None = None
        self._is_stopped = False
        self.name = recording_name(recording.path)
        index = recording.index
        self.start_ns = int(index["t_ns"].min())
        self.end_ns = int(index["t_ns"].max() + round(recording.chirp.frame_period_s * 1e9))
        self.measured_s = len(index) * recording.chirp.frame_period_s
        """Length of the frames that were recorded, s."""

    def reconstruct(
        self,
        network: Network | Path | str | None = SHIPPED,
        progress: Callable[[float], object] | None = None,
        also: Sink | None = None,
    ) -> Result:
        """Run the chain on the whole recording.

        Args:
            network: A bundle's folder or a loaded network; None for no ECG, only the rates of the motion itself.
            progress: Called once a second of the recording with the fraction that is done, 0 to 1.
            also: Receives everything that the chain sends, while it runs.

        Raises InputError when these are not radar data of a chest, or the bundle is not valid; OSError.
        """
        recording = self.recording
        now_ns = self.start_ns

        def on_second(vitals: Vitals) -> None:
            nonlocal now_ns
            now_ns = vitals.t_ns
            if progress:
                progress(min(1.0, (now_ns - self.start_ns) / (self.end_ns - self.start_ns)))

        collector = Collector(on_second)
        with ExitStack() as stack:
            self._source, front_end = self._open_chain(stack)
            if isinstance(network, (Path, str)):
                network = load_network(Path(network))
            self.require_radar_data(front_end if isinstance(front_end, FrontEndProcess) else None)
            pipeline = Pipeline(
                recording.chirp,
                lambda: recording.clock_synced,
                recording.calibration,
                network.begin if network else None,
                front_end=front_end,
            )
            if not self._is_stopped:
                run(self._source, pipeline, FanOut(collector, also) if also else collector)
        frames = pipeline.frames
        meta = recording.metadata
        about = About(
            name=self.name,
            started=unix_time(self.start_ns) if meta else None,
            clock_synced=recording.clock_synced,
            radarecg=__version__,
            network=network.name if network else None,
            device=meta.device if meta else None,
            note=meta.note if meta else None,
            frame_rate_hz=recording.chirp.frame_rate_hz,
            frames_received=frames.received,
            frames_lost=frames.lost,
        )
        return collector.result(about, self.start_ns, now_ns if self._is_stopped else self.end_ns, not self._is_stopped)

    def stop(self) -> None:
        """End `reconstruct` after the current frame; its result is that of the frames before."""
        self._is_stopped = True
        if self._source:
            self._source.close()

    def _open_chain(self, stack: ExitStack) -> tuple[ReplaySource | PointsSource | FrontEndProcess, FrontEnd | None]:
        """Return the source of the frames, and the front end if it is not the usual one."""
        recording = self.recording
        if isinstance(recording, PointsRecording):
            return PointsSource(recording), recording.front_end()
        if self.measured_s < MIN_RECORDED_S:
            return ReplaySource(recording), None
        ahead = stack.enter_context(FrontEndProcess(recording))
        return ahead, ahead

    def require_radar_data(self, front_end: FrontEndProcess | None = None) -> None:
        """Raise RecordingError if the first frames cannot be radar data of a chest; a running `front_end` tells it."""
        recording, first = self.recording, round(CHECK_S / self.recording.chirp.frame_period_s)
        if isinstance(recording, PointsRecording):
            problem = recording.problem_at(first)
        elif front_end:
            problem = front_end.problem_after(first)
        else:
            problem = find_problem(recording.chirp, ReplaySource(recording).frames())
        if problem and "IQ order" in problem and isinstance(recording, Recording):
            other = next(order for order in IQ_ORDERS if order != recording.iq_order)
            problem = f"{problem}; try --iq-order {other}"
        if problem:
            raise RecordingError(f"{recording.path}: {problem}")
