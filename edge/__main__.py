"""radarecg: the command line. Builds the parts and connects them; does nothing itself."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: on small products threads only wait for each other

from edge.calibrate import calibrate
from edge.calibration import UNCALIBRATED
from edge.command_line import Command, parser
from edge.config import broker_of, load_hub_config, spool_of
from edge.diagnostics import diagnose
from edge.doctor import examine, load_setup
from edge.errors import InputError
from edge.mqtt.bridge import run_bridge, store_in
from edge.pipeline import Pipeline, first_problem, run
from edge.radar.boards import boards
from edge.radar.calibration import load_calibration
from edge.radar.dca1000 import DataPort
from edge.radar.dca1000_control import CardConfig, load_card
from edge.radar.decode import IQ_ORDERS
from edge.radar.firmware import explain, load_chirp
from edge.recording import Recorder, check_new, open_recording
from edge.report import Report
from edge.runtime import serve
from edge.sources.replay import ReplaySource
from edge.spec import WINDOW_S
from edge.swap import use
from edge.twin.awr1843_emulator import Awr1843Emulator
from edge.twin.dca1000_emulator import Dca1000Emulator
from edge.twin.heart import Heart
from edge.twin.scene import SCENES


def main(argv: list[str] | None = None) -> int:
    """Runs one command; the exit status is 0, 1 (it did not work), 2 (the input is at fault) or 130 (interrupted)."""
    args = parser(COMMANDS).parse_args(argv)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    try:
        return int(args.command(args))
    except InputError as error:
        print(f"radarecg: error: {error}", file=sys.stderr)
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        print(f"radarecg: error: {reason}", file=sys.stderr)
    except KeyboardInterrupt:
        print("radarecg: interrupted", file=sys.stderr)
        return 130
    return 2


def command_run(args: argparse.Namespace) -> int:
    """The runtime: radar frames in, ECG and vitals out over MQTT, until stopped."""
    serve(args.config, _on_stop)
    return 0


def command_record(args: argparse.Namespace) -> int:
    """Writes frames from the card into a new folder until stopped, or for a while."""
    check_new(args.folder)
    chirp = load_chirp(args.cfg)
    card = load_card(args.card) if args.card else CardConfig()
    calibration = load_calibration(args.calibration, chirp) if args.calibration else UNCALIBRATED
    recorder: Recorder | None = None  # with the first frame: what fails before leaves no folder
    with boards(chirp, args.serial, card) as start_boards, ExitStack() as stack:
        data = DataPort(args.host, args.port, chirp.frame_bytes)
        _on_stop(data.close)
        start_boards(data.silence_s)
        end_s = time.monotonic() + args.seconds if args.seconds else float("inf")
        for frame in data.frames():
            if frame:
                recorder = recorder or stack.enter_context(Recorder(args.folder, chirp, args.iq_order, calibration))
                recorder.write(frame)
            if recorder and sys.stderr.isatty():
                seconds = recorder.frames * chirp.frame_period_s
                print(f"\r{recorder.frames} frames, {seconds:.1f} s of data", end="", file=sys.stderr)
            if time.monotonic() > end_s:
                data.close()
    if recorder is None:
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
    chirp, target = load_chirp(args.cfg), (args.host, args.port)
    scene = replace(SCENES[args.scene], heart=Heart(args.heart_rate_bpm))
    stopping: list[bool] = []
    _on_stop(lambda: stopping.append(True))
    with ExitStack() as stack:
        radar = control = None
        if args.card:
            card = load_card(args.card)
            control = (card.card_address, card.control_port)
            radar = stack.enter_context(Awr1843Emulator(chirp.image))
        twin = Dca1000Emulator(chirp, scene, target, args.truth_port, radar, control)
        logging.getLogger("edge.twin").info("sending to %s:%d, telling the truth on port %d", *target, twin.truth_port)
        if radar:
            print(radar.port, flush=True)
        twin.run(lambda: bool(stopping))
    return 0


def command_fhir_bridge(args: argparse.Namespace) -> int:
    """On a hub: what devices publish as FHIR Observations, in a folder or at a server."""
    config, store, stopping = load_hub_config(args.config), store_in(args.target), threading.Event()
    _on_stop(stopping.set)
    run_bridge(broker_of(config, args.config), spool_of(config, args.config), store, args.fhir, stopping)
    return 0


def command_swap_model(args: argparse.Namespace) -> int:
    """Another network: tried here, then put in its place; a runtime at work takes it and says so on info."""
    print(use(args.folder, args.config))
    return 0


def command_check_config(args: argparse.Namespace) -> int:
    """What a chirp file means, or which limits it breaks."""
    for name, value in explain(load_chirp(args.cfg)).items():
        print(f"{name:>15}  {value}")
    return 0


def command_doctor(args: argparse.Namespace) -> int:
    """Whether this machine, the boards and the broker are ready, and what to do where not."""
    return examine(load_setup(args.config))


def command_diagnostics(args: argparse.Namespace) -> int:
    """What somebody needs who is to help: versions, settings without secrets, the doctor's findings, the last log."""
    diagnose(args.config, args.out)
    print(args.out)
    return 0


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


COMMANDS: dict[str, Command] = {
    "demo": command_demo,
    "run": command_run,
    "record": command_record,
    "replay": command_replay,
    "calibrate": command_calibrate,
    "plot": command_plot,
    "twin": command_twin,
    "fhir-bridge": command_fhir_bridge,
    "swap-model": command_swap_model,
    "doctor": command_doctor,
    "diagnostics": command_diagnostics,
    "check-config": command_check_config,
}


if __name__ == "__main__":
    sys.exit(main())
