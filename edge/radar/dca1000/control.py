"""Controls the DCA1000 over its control port: configures it, starts and stops its recording, reads its status."""

from __future__ import annotations

import ipaddress
import select
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec

from edge.core.errors import InputError
from edge.core.files import read_text_file
from edge.core.toml import TomlError, parse_toml
from edge.radar.chirp import ChirpConfig
from edge.radar.dca1000.card_json import explain_json, is_json
from edge.radar.dca1000.card_rate import MAX_DELAY_US, MIN_DELAY_US, card_rate_bit_s, max_packet_delay_us
from edge.radar.dca1000.messages import (
    FPGA_GEN,
    MAX_REPLY_BYTES,
    PACKET_BYTES,
    TICKS_PER_US,
    Command,
    FpgaVersion,
    parse_reply,
    request,
)
from edge.radar.dca1000.status_log import StatusLog
from edge.radar.dca1000.udp import bind_interface

REPLY_TIMEOUT_S = 0.5  # then the request is sent again; the card replies within milliseconds unless it is configuring
MAX_ATTEMPTS = 20  # per request; TI's own tools also wait ten seconds
LOOPBACK = "127.0.0.1"
MAX_POLLED = 100
FEW_ATTEMPTS = 6  # per request where a user waits for the program to end


class CardError(InputError):
    """The card does not reply or rejects a request. The message names the request, the address and what to check."""


class CardConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The card's addresses, control port and packet delay. The defaults are the FPGA's defaults (SW2.6 at GND).

    `interface` is the network interface that the card is connected to; nothing from another one is then received.
    """

    card_address: str = "192.168.33.180"
    host_address: str = "192.168.33.30"
    control_port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 4096
    packet_delay_us: Annotated[int, msgspec.Meta(ge=MIN_DELAY_US, le=MAX_DELAY_US)] = 25
    interface: str | None = None

    def __post_init__(self) -> None:
        for address in (self.card_address, self.host_address):
            ipaddress.IPv4Address(address)
        if self.card_address == self.host_address:
            raise ValueError(f"card_address and host_address are both {self.card_address}: they must differ")


def require_rate(chirp: ChirpConfig, card: CardConfig) -> None:
    """Raise CardError when the card's packet delay is too long for these frames; the message gives a suitable delay.

    A data rate above the card's maximum violates the limit `card_rate` of `edge.radar.chirp_file.limits`.
    """
    carried = card_rate_bit_s(card.packet_delay_us)
    if carried >= chirp.rate_bit_s:
        return
    longest = max_packet_delay_us(chirp)
    advice = (
        f"set it to {longest} or less" if longest else "no delay is short enough: take fewer frames, loops or samples"
    )
    raise CardError(
        f"{chirp.source} sends {chirp.rate_bit_s / 1e6:.0f} Mbit/s, the card carries {carried / 1e6:.0f} with "
        f"packet_delay_us = {card.packet_delay_us} (dca1000.toml); {advice}"
    )


def load_card(path: Path | None) -> CardConfig:
    """Read a card's settings file, `dca1000.toml`; without one, return the defaults. Raises InputError, OSError."""
    if path is None:
        return CardConfig()
    try:
        text = read_text_file(path)
    except InputError as error:
        raise CardError(str(error)) from error
    if is_json(text):
        raise CardError(f"{path}: {explain_json(text)}")
    try:
        return parse_toml(text, CardConfig)
    except TomlError as error:
        raise CardError(f"{path}: {error}") from error


def data_senders(card: CardConfig, is_configured: bool) -> frozenset[str]:
    """Return the addresses that data packets are accepted from: the card's.

    While neither the card's settings nor the radar's port are configured, also a twin on this computer.
    """
    return frozenset({card.card_address} if is_configured else {card.card_address, LOOPBACK})


class Card:
    """Client for one card's control port. Every method may raise CardError.

    `on_status` is called with the bits of each asynchronous status; without it, they are logged. Replies are accepted
    from the card's address and any port: a DCA1000 sends them from UDP port 1024 (a public capture, FPGA 2.8).
    """

    def __init__(self, config: CardConfig, on_status: Callable[[int], None] | None = None) -> None:
        self._config, self._on_status = config, on_status or StatusLog()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        bind_interface(self._socket, config.interface)
        here = f"{config.host_address}:{config.control_port}"
        try:
            self._socket.bind((config.host_address, config.control_port))
        except OSError as error:
            self._socket.close()
            raise CardError(
                f"cannot bind {here} to control the card ({error.strerror}): give the Ethernet port towards the card "
                f"the address {config.host_address}/24, and check that no other program uses UDP {config.control_port}"
            ) from error

    def __enter__(self) -> Card:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket. The card continues what it is doing."""
        self._socket.close()

    def connect(self, attempts: int = MAX_ATTEMPTS) -> None:
        """Send SYSTEM_CONNECT until the card replies: while it starts or configure itself it ignores requests."""
        self._command(Command.SYSTEM_CONNECT, attempts=attempts)

    def version(self) -> FpgaVersion:
        """Send READ_FPGA_VERSION; the reply has 7 bits major, 7 bits minor and one bit for a playback build."""
        status = self._request(Command.READ_FPGA_VERSION)
        return FpgaVersion(status & 0x7F, status >> 7 & 0x7F, bool(status >> 14 & 1))

    def reset(self) -> None:
        """Send RESET_FPGA, which ends any earlier recording and clears the settings; call `configure` afterwards."""
        self._command(Command.RESET_FPGA)
        self.connect()

    def configure(self) -> FpgaVersion:
        """Prepare the card for recording, whatever its earlier state, and return its FPGA version."""
        self.connect()
        version = self.version()
        if version.playback:
            raise CardError(f"{self._name} has a playback image ({version.major}.{version.minor}), which cannot record")
        self.reset()
        self._command(Command.CONFIG_FPGA_GEN, FPGA_GEN)
        self.connect()
        delay = self._config.packet_delay_us * TICKS_PER_US
        self._command(Command.CONFIG_PACKET_DATA, struct.pack("<HHH", PACKET_BYTES, delay, 0))
        return version

    def start(self) -> None:
        """Send RECORD_START; sequence and byte count restart.

        The radar must not stream yet: otherwise byte 0 is not the first byte of a frame.
        """
        self._command(Command.RECORD_START)

    def stop(self) -> None:
        """Send RECORD_STOP."""
        self._command(Command.RECORD_STOP, attempts=FEW_ATTEMPTS)

    def poll(self) -> None:
        """Dispatches the statuses received since the last request. Call it regularly while recording."""
        for _ in range(MAX_POLLED):  # they may arrive faster than they are read
            if (reply := self._receive(0.0)) is None:
                return
            self._dispatch_status(*reply)

    @property
    def _name(self) -> str:
        return f"the card at {self._config.card_address}:{self._config.control_port}"

    def _command(self, command: Command, payload: bytes = b"", attempts: int = MAX_ATTEMPTS) -> None:
        if status := self._request(command, payload, attempts):
            raise CardError(
                f"{self._name} rejected {command.name} (status {status}): switch it off and on, then try again"
            )

    def _request(self, command: Command, payload: bytes = b"", attempts: int = MAX_ATTEMPTS) -> int:
        """Send a request until the card replies and return the reply's status.

        All requests are idempotent, so repeating one is safe, and a late reply to an earlier attempt is accepted.
        """
        for _ in range(attempts):
            if (status := self._send_once(command, payload)) is not None:
                return status
        raise self._timeout_error(command)

    def _send_once(self, command: Command, payload: bytes = b"") -> int | None:
        """Send a request once and return the reply's status, or None after REPLY_TIMEOUT_S.

        Asynchronous statuses received meanwhile are dispatched.
        """
        self.poll()
        try:
            self._socket.sendto(request(command, payload), (self._config.card_address, self._config.control_port))
        except OSError as error:
            raise self._timeout_error(command) from error
        end_s = time.monotonic() + REPLY_TIMEOUT_S
        while (reply := self._receive(max(0.0, end_s - time.monotonic()))) is not None:
            code, status = reply
            if code == command:
                return status
            self._dispatch_status(code, status)  # late replies to earlier requests are ignored
        return None

    def _dispatch_status(self, code: int, status: int) -> None:
        if code == Command.SYSTEM_ERROR:
            self._on_status(status)

    def _receive(self, timeout_s: float) -> tuple[int, int] | None:
        """Return code and status of the card's next well-formed reply, or None after `timeout_s`."""
        end_s = time.monotonic() + timeout_s
        while select.select([self._socket], [], [], max(0.0, end_s - time.monotonic()))[0]:
            data, (address, _) = self._socket.recvfrom(MAX_REPLY_BYTES)
            if address == self._config.card_address and (reply := parse_reply(data)):
                return reply
        return None

    def _timeout_error(self, command: Command) -> CardError:
        return CardError(
            f"{self._name} does not answer {command.name}: check its power, the Ethernet cable, that this machine is "
            f"{self._config.host_address} on that port, and switch SW2.6 (GND: the card's default addresses)"
        )
