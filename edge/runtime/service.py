"""The service `radarecg run`: starts boards, chain and sinks in the right order, and stops them in reverse."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from edge import __version__
from edge.core.audit import audit
from edge.core.clock import clock_state
from edge.core.intended_use import NOT_A_DEVICE
from edge.core.settings import resolve_file
from edge.core.sinks import FanOut, Sink
from edge.core.types import FrameCount
from edge.inference.ladder import PlacedNetwork
from edge.mqtt.info import NO_NETWORK, NetworkState
from edge.mqtt.payloads import HealthPayload, Model
from edge.mqtt.publisher import Publisher
from edge.mqtt.settings import load_broker, open_device_spool
from edge.pipeline import Pipeline, run
from edge.radar.boards import open_boards, require_unlimited_frames
from edge.radar.calibration_file import load_calibration
from edge.radar.chirp_file.parser import load_chirp
from edge.radar.dca1000.control import data_senders, load_card, require_rate
from edge.runtime.config import Config, load_config
from edge.runtime.device_state import DeviceState
from edge.runtime.history import report_history, start_history
from edge.runtime.json_logs import use_json_logs
from edge.runtime.model_swap import SwappableNetwork
from edge.runtime.personal_shift import PersonalShift
from edge.runtime.settings_file import settings_digest
from edge.runtime.systemd import Systemd
from edge.runtime.watchdog import Watchdog
from edge.sources.live import LiveSource
from edge.web.access import read_token
from edge.web.address import page_url

log = logging.getLogger("edge.run")


def serve(path: Path, on_stop: Callable[[Callable[[], object]], None]) -> None:
    """Run the device with the settings at `path` until the callback passed to `on_stop` is called.

    Raises InputError, OSError.
    """
    config = _load_config(path)
    radar, chirp = config.radar, load_chirp(path.parent / config.radar.cfg)
    require_unlimited_frames(chirp)
    card, broker = load_card(resolve_file(path, radar.card)), load_broker(config.mqtt, path)
    if is_driven := bool(radar.serial or radar.card):
        require_rate(chirp, card)
    network = SwappableNetwork(config, path) if config.network.backend != "none" else None
    shift = PersonalShift(config, path, lambda: network.active if network else None)
    calibration = load_calibration(resolve_file(path, radar.calibration), chirp)
    senders = data_senders(card, is_driven)
    with open_boards(chirp, radar.serial, card) as driven, ExitStack() as stack:
        source = LiveSource(chirp, radar.iq_order, radar.data_host, radar.data_port, senders, card.interface)
        pipeline = Pipeline(
            chirp,
            lambda: clock_state().synced,
            calibration,
            network.begin if network else None,
            config.network.decide_after_s,
            source_fault=source.fault,
        )
        source.wanted = pipeline.frames_wanted
        on_stop(source.close)
        _report_start(path, config, source.port)
        computer, history = DeviceState(), start_history(config, path, stack)
        publisher = Publisher(
            broker,
            config.device,
            chirp,
            open_device_spool(config.spool, path),
            _state(network.active, shift) if network else NO_NETWORK,
            config.spool.backfill_per_s,
            config.mqtt.home_assistant,
            config.mqtt.discovery_prefix,
            page_url(config.web.host, config.web.port) if config.web else None,
            computer.read,
            lambda: report_history(history),
            source.foreign_packets,
        )
        stack.callback(publisher.close)
        if network:
            network.watch(lambda now, refused: publisher.publish_network(_state(now, shift, refused)))
            stack.callback(network.close)
        systemd, watchdog = Systemd(), Watchdog(publisher.report_hang)
        sinks: list[Sink] = [each for each in (publisher, systemd, watchdog, history) if each]
        if config.web:
            measured = [part.gauges for part in (publisher, computer, network, history) if part]
            sinks.append(_page(config, path, network is not None, measured, pipeline, stack))
        stack.callback(systemd.stopping)
        driven.start(source.silence_s)
        stack.callback(watchdog.close)
        watchdog.start()
        _exempt_from_collection()
        run(source, pipeline, shift.before(FanOut(*sinks)))
        sent = publisher.health(pipeline.frames)
    _report_end(pipeline.frames, sent)


def _exempt_from_collection() -> None:
    """Have no later garbage collection, which stops the chain, search everything that was imported and opened."""
    gc.collect()
    gc.freeze()


def _load_config(path: Path) -> Config:
    config = load_config(path)
    if config.log == "json":
        use_json_logs()
    return config


def _report_start(path: Path, config: Config, port: int) -> None:
    log.info("%s  %s listens on port %d", NOT_A_DEVICE, config.device, port)
    audit("service started", version=__version__, settings=str(path), sha256=settings_digest(config))


def _report_end(frames: FrameCount, sent: HealthPayload) -> None:
    log.info(
        "stopped: %d frames, %d lost; %d messages dropped, %d evicted, %d spooled for the next start",
        *(frames.received, frames.lost, sent.dropped, sent.spool.evicted, sent.spool.messages),
    )


def _state(placed: PlacedNetwork, shift: PersonalShift, refused: str | None = None) -> NetworkState:
    model = Model(placed.network.name, placed.network.sha256) if placed.network else None
    return NetworkState(model, True, placed.rung, placed.fallback, refused, shift.is_active)


def _page(
    config: Config,
    path: Path,
    has_ecg: bool,
    gauges: list[Callable[[], dict[str, float]]],
    pipeline: Pipeline,
    stack: ExitStack,
) -> Sink:
    # Imported here, so that without a page no web server is in memory.
    from edge.web.messages import Hello
    from edge.web.page import LivePage

    assert config.web
    token = read_token(path.parent / config.web.token_file) if config.web.token_file is not None else None
    hello = Hello(config.device, __version__, has_ecg)
    page = LivePage(
        config.web.host,
        config.web.port,
        token,
        hello,
        lambda: {name: value for part in gauges for name, value in part().items()},
        resolve_file(path, config.history.file if config.history else None),
        pipeline.placement,
    )
    stack.callback(page.close)
    log.info("live page: %s", page_url(config.web.host, page.port))
    return page
