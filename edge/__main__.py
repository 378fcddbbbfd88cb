"""radarecg: the command line. Builds the parts and connects them; does nothing itself."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: on small products threads only wait for each other

from edge import __version__
from edge.arguments import heart_rate, port, positive
from edge.calibrate import calibrate
from edge.calibration import UNCALIBRATED
from edge.config import broker_of, calibration_of, load_config
from edge.doctor import examine, load_setup
from edge.errors import InputError
from edge.mqtt.publisher import Publisher
from edge.pipeline import Pipeline, first_problem, run
from edge.radar.calibration import load_calibration
from edge.radar.dca1000 import DEFAULT_DATA_PORT, DataPort
from edge.radar.decode import IQ_ORDERS
from edge.radar.firmware import explain, load_chirp
from edge.recording import Recorder, open_recording
from edge.report import Report
from edge.sources.live import LiveSource
from edge.sources.replay import ReplaySource
from edge.spec import NOT_A_DEVICE, WINDOW_S
from edge.timing import clock_state
from edge.twin.dca1000_emulator import DEFAULT_TRUTH_PORT, Dca1000Emulator
from edge.twin.heart import Heart
from edge.twin.scene import SCENES


def main(argv: list[str] | None = None) -> int:
    """Runs one command; the exit status is 0, 1 (it did not work) or 2 (the input is at fault)."""
    args = _parser().parse_args(argv)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    try:
        return int(args.command(args))
    except InputError as error:
        print(f"radarecg: error: {error}", file=sys.stderr)
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        print(f"radarecg: error: {reason}", file=sys.stderr)
    return 2


def command_run(args: argparse.Namespace) -> int:
    """The runtime: radar frames in, vitals out over MQTT, until stopped."""
    config = load_config(args.config)
    chirp = load_chirp(args.config.parent / config.radar.cfg)
    source = LiveSource(chirp, config.radar.iq_order, config.radar.data_host, config.radar.data_port)
    publisher = Publisher(broker_of(config, args.config), config.device, chirp)
    pipeline = Pipeline(chirp, lambda: clock_state().synced, calibration_of(config, args.config, chirp))
    _on_stop(source.close)
    log = logging.getLogger("edge.run")
    log.info("%s  %s listens on port %d", NOT_A_DEVICE, config.device, source.port)
    try:
        run(source, pipeline, publisher)
    finally:
        publisher.close()
    frames = pipeline.frames
    log.info("stopped: %d frames, %d lost; %d messages dropped", frames.received, frames.lost, publisher.client.dropped)
    return 0


def command_record(args: argparse.Namespace) -> int:
    """Writes frames from the card into a new folder until stopped, or for a while."""
    chirp = load_chirp(args.cfg)
    calibration = load_calibration(args.calibration, chirp) if args.calibration else UNCALIBRATED
    data = DataPort(args.host, args.port, chirp.frame_bytes)
    _on_stop(data.close)
    end_s = time.monotonic() + args.seconds if args.seconds else float("inf")
    with Recorder(args.folder, chirp, args.iq_order, calibration) as recorder:
        for frame in data.frames():
            if frame:
                recorder.write(frame)
            if sys.stderr.isatty():
                seconds = recorder.frames * chirp.frame_period_s
                print(f"\r{recorder.frames} frames, {seconds:.1f} s of data", end="", file=sys.stderr)
            if time.monotonic() > end_s:
                data.close()
    if not recorder.frames:
        print(f"radarecg: error: no frame came to port {data.port}: is the radar streaming to it?", file=sys.stderr)
        return 1
    print(f"{args.folder}: {recorder.frames} frames")
    return 0


def command_replay(args: argparse.Namespace) -> int:
    """The same chain on a recording: a line a second, or one JSON line for the whole."""
    recording = open_recording(args.recording, args.cfg, args.iq_order)
    if problem := first_problem(ReplaySource(recording)):
        if "IQ order" in problem:
            other = next(order for order in IQ_ORDERS if order != recording.iq_order)
            problem = f"{problem}; try --iq-order {other}"
        raise InputError(f"{args.recording}: {problem}")
    source = ReplaySource(recording)
    _on_stop(source.close)
    pipeline = Pipeline(recording.chirp, lambda: recording.clock_synced, recording.calibration)
    report = Report(None if args.summary else sys.stdout)
    run(source, pipeline, report)
    frames = {"frames": pipeline.frames.received, "frames_lost": pipeline.frames.lost}
    seconds = len(recording.index) * recording.chirp.frame_period_s
    if seconds < WINDOW_S:
        print(f"radarecg: note: {seconds:.1f} s of data; a heart rate needs more than {WINDOW_S:.0f}", file=sys.stderr)
    if args.summary:
        print(json.dumps({"recording": args.recording.name, **frames, **report.summary()}))
    return 0


def command_calibrate(args: argparse.Namespace) -> int:
    """Phase calibration, from a recording of a strong reflector straight ahead."""
    calibrate(args.recording, args.range_m, args.out)
    return 0


def command_plot(args: argparse.Namespace) -> int:
    """Draws a recording: displacement, SST, and ECG where there is one."""
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as error:
        raise InputError("pictures need matplotlib: pip install 'radarecg[plot]'") from error
    from edge.plot import draw, motion_of_arrays, motion_of_recording

    picture = args.picture or Path(f"{args.file.stem or 'recording'}.png")
    if picture.suffix not in (".png", ".svg", ".pdf"):
        raise InputError(f"{picture}: a picture's name ends with .png, .svg or .pdf")
    if args.file.suffix.lower() == ".npz":
        motion = motion_of_arrays(args.file)
    else:
        motion = motion_of_recording(args.file.name, open_recording(args.file, args.cfg, args.iq_order))
    draw(motion, args.start, args.seconds).savefig(picture, dpi=120)
    print(picture)
    return 0


def command_twin(args: argparse.Namespace) -> int:
    """A simulated person in front of a simulated radar and card, until stopped."""
    scene = replace(SCENES[args.scene], heart=Heart(args.heart_rate_bpm))
    twin = Dca1000Emulator(load_chirp(args.cfg), scene, args.host, args.port, args.truth_port)
    stopping: list[bool] = []
    _on_stop(lambda: stopping.append(True))
    logging.getLogger("edge.twin").info(
        "sending to %s:%d, telling the truth on port %d", args.host, args.port, twin.truth_port
    )
    twin.run(lambda: bool(stopping))
    return 0


def command_check_config(args: argparse.Namespace) -> int:
    """What a chirp file means, or which limits it breaks."""
    for name, value in explain(load_chirp(args.cfg)).items():
        print(f"{name:>15}  {value}")
    return 0


def command_doctor(args: argparse.Namespace) -> int:
    """Whether this machine, the boards and the broker are ready, and what to do where not."""
    return examine(load_setup(args.config))


def command_demo(args: argparse.Namespace) -> int:
    """Broker, twin, runtime and a live view, on this machine."""
    try:
        from edge.demo.run import demo
    except ModuleNotFoundError as error:
        raise InputError(f"the demo needs {error.name}: pip install 'radarecg[demo]'") from error
    return demo(args.duration, args.picture)


def _on_stop(stop: Callable[[], object]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="radarecg", description=f"Heart rate from a radar. {NOT_A_DEVICE}")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=command.__doc__, description=command.__doc__)
        sub.set_defaults(command=command)
        return sub

    sub = add("demo", command_demo)
    sub.add_argument("--duration", type=positive, metavar="S", help="end by itself after this many seconds")
    sub.add_argument("--picture", type=Path, metavar="SVG", help="save the last view as a picture")

    sub = add("run", command_run)
    sub.add_argument("--config", type=Path, required=True, metavar="TOML")

    sub = add("record", command_record)
    sub.add_argument("folder", type=Path)
    sub.add_argument("--cfg", type=Path, required=True, help="the chirp file the radar runs")
    sub.add_argument("--seconds", type=positive, help="stop after this long; default: until interrupted")
    sub.add_argument("--host", default="0.0.0.0", help="this machine's address towards the card")
    sub.add_argument("--port", type=port, default=DEFAULT_DATA_PORT)
    sub.add_argument("--iq-order", choices=IQ_ORDERS, default="sdk")
    sub.add_argument("--calibration", type=Path, metavar="TOML", help="of the board: kept with the recording")

    sub = add("replay", command_replay)
    sub.add_argument("recording", type=Path, help="a recording's folder, or a bare .bin file")
    sub.add_argument("--cfg", type=Path, help="chirp file of a bare .bin file")
    sub.add_argument("--iq-order", choices=IQ_ORDERS, help="default: the recording's own; sdk for a bare file")
    sub.add_argument("--summary", action="store_true", help="one JSON line instead of a line a second")

    sub = add("calibrate", command_calibrate)
    sub.add_argument("recording", type=Path, help="a recording's folder")
    sub.add_argument("--range-m", type=positive, required=True, metavar="M", help="from the antennas to the reflector")
    sub.add_argument("--out", type=Path, required=True, metavar="TOML", help="a new file")

    sub = add("plot", command_plot)
    sub.add_argument("file", type=Path, help="a recording's folder, a bare .bin file, or an .npz with displacement_mm")
    sub.add_argument("--cfg", type=Path, help="chirp file of a bare .bin file")
    sub.add_argument("--iq-order", choices=IQ_ORDERS, help="default: the recording's own; sdk for a bare file")
    sub.add_argument("--start", type=positive, default=0.0, metavar="S", help="where the picture begins")
    sub.add_argument("--seconds", type=positive, default=8.0, metavar="S", help="how much it shows")
    sub.add_argument("--picture", type=Path, metavar="PNG", help="default: the file's name with .png, here")

    sub = add("twin", command_twin)
    sub.add_argument("--cfg", type=Path, required=True, help="the chirp file to behave as")
    sub.add_argument("--host", default="127.0.0.1", help="where to send the card's packets")
    sub.add_argument("--port", type=port, default=DEFAULT_DATA_PORT)
    sub.add_argument("--truth-port", type=port, default=DEFAULT_TRUTH_PORT)
    sub.add_argument("--scene", choices=SCENES, default="still", help="who sits where, and what happens")
    sub.add_argument("--heart-rate-bpm", type=heart_rate, default=68.0)

    sub = add("doctor", command_doctor)
    sub.add_argument("--config", type=Path, metavar="TOML", help="the settings of run; default: the boards' defaults")

    sub = add("check-config", command_check_config)
    sub.add_argument("cfg", type=Path)
    return parser


if __name__ == "__main__":
    sys.exit(main())
