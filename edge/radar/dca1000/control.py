"""The dialogue with the DCA1000 over its control port: what to record and when, and what the card says about it."""

from __future__ import annotations

import ipaddress
import logging
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
from edge.radar.chirp import ChirpConfig
from edge.radar.dca1000.card_json import explain_json, is_json
from edge.radar.dca1000.card_rate import MAX_DELAY_US, MIN_DELAY_US, card_rate_bit_s, max_packet_delay_us
from edge.radar.dca1000.messages import (
    FPGA_GEN,
    HARMLESS,
    MAX_REPLY_BYTES,
    PACKET_BYTES,
    TICKS_PER_US,
    Command,
    FpgaVersion,
    parse_reply,
    request,
    status_words,
)

ANSWER_S = 0.5  # until a request is repeated; the card answers within milliseconds unless it is busy configuring
ATTEMPTS = 20  # of each request; TI's own tools wait ten seconds as well
FEW_ATTEMPTS = 6  # where somebody waits for the program to end
log = logging.getLogger(__name__)


class CardError(InputError):
    """The card does not answer or refuses; the message says what was asked of which address and what to check."""


class CardConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The card's addresses and pace. The defaults are those the FPGA has with SW2.6 at GND; ports are the card's."""

    card_address: str = "192.168.33.180"
    host_address: str = "192.168.33.30"
    control_port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 4096
    packet_delay_us: Annotated[int, msgspec.Meta(ge=MIN_DELAY_US, le=MAX_DELAY_US)] = 25

    def __post_init__(self) -> None:
        for address in (self.card_address, self.host_address):
            ipaddress.IPv4Address(address)
        if self.card_address == self.host_address:
            raise ValueError(f"card_address and host_address are both {self.card_address}: they are two machines'")


def require_rate(chirp: ChirpConfig, card: CardConfig) -> None:
    """Raises CardError when the card's packet delay is too long for these frames; the message names one that will do.

    Frames beyond the card's reach break the limit `card_rate` of `edge.radar.chirp_file.limits`.
    """
    carried = card_rate_bit_s(card.packet_delay_us)
    if carried >= chirp.rate_bit_s:
        return
    longest = max_packet_delay_us(chirp)
    advice = f"set it to {longest} or less" if longest else "no delay will do: fewer frames, loops or samples"
    raise CardError(
        f"{chirp.source} sends {chirp.rate_bit_s / 1e6:.0f} Mbit/s, the card carries {carried / 1e6:.0f} with "
        f"packet_delay_us = {card.packet_delay_us} (dca1000.toml); {advice}"
    )


def load_card(path: Path) -> CardConfig:
    """Reads `dca1000.toml`. Raises InputError, FileNotFoundError."""
    try:
        text = read_text_file(path)
    except InputError as error:
        raise CardError(str(error)) from error
    if is_json(text):
        raise CardError(f"{path}: {explain_json(text)}")
    try:
        return msgspec.toml.decode(text, type=CardConfig)
    except msgspec.DecodeError as error:
        raise CardError(f"{path}: {error}") from error


def log_status(bits: int) -> None:
    """Writes a status to the log, as a warning unless it only tells that something ended."""
    for words in status_words(bits):
        log.log(logging.WARNING if bits & ~HARMLESS else logging.INFO, "the card reports: %s", words)


class Card:
    """Speaks to one card; `on_status` is given the bits of each asynchronous status. Raises CardError throughout.

    Requests go to the card's control port. Replies count by the address they come from: a DCA1000 sends them from
    UDP port 1024 (a public capture, FPGA 2.8).
    """

    def __init__(self, config: CardConfig, on_status: Callable[[int], None] = log_status) -> None:
        self._config, self._on_status = config, on_status
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        here = f"{config.host_address}:{config.control_port}"
        try:
            self._socket.bind((config.host_address, config.control_port))
        except OSError as error:
            self._socket.close()
            raise CardError(
                f"cannot speak to the card from {here} ({error.strerror}): give the Ethernet port towards the card "
                f"the address {config.host_address}/24, and see that no other program uses UDP {config.control_port}"
            ) from error

    def __enter__(self) -> Card:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Gives the port back; what the card is doing, it goes on doing."""
        self._socket.close()

    def connect(self, attempts: int = ATTEMPTS) -> None:
        """SYSTEM_CONNECT until answered: a card that is starting or configuring ignores requests for a while."""
        self._do(Command.SYSTEM_CONNECT, attempts=attempts)

    def version(self) -> FpgaVersion:
        """READ_FPGA_VERSION: 7 bits major, 7 bits minor, one bit for a playback build."""
        status = self._ask(Command.READ_FPGA_VERSION)
        return FpgaVersion(status & 0x7F, status >> 7 & 0x7F, bool(status >> 14 & 1))

    def reset(self) -> None:
        """RESET_FPGA: ends what an earlier program left running; settings are lost, so `configure` comes next."""
        self._do(Command.RESET_FPGA)
        self.connect()

    def configure(self) -> FpgaVersion:
        """Makes the card ready to record, whatever it did before, and tells its FPGA's version."""
        self.connect()
        version = self.version()
        if version.playback:
            raise CardError(f"{self._name} has a playback image ({version.major}.{version.minor}), which cannot record")
        self.reset()
        self._do(Command.CONFIG_FPGA_GEN, FPGA_GEN)
        self.connect()
        delay = self._config.packet_delay_us * TICKS_PER_US
        self._do(Command.CONFIG_PACKET_DATA, struct.pack("<HHH", PACKET_BYTES, delay, 0))
        return version

    def start(self) -> None:
        """RECORD_START; sequence and byte count begin anew. The radar must not stream yet, or frames begin anywhere."""
        self._do(Command.RECORD_START)

    def stop(self) -> None:
        """RECORD_STOP."""
        self._do(Command.RECORD_STOP, attempts=FEW_ATTEMPTS)

    def poll(self) -> None:
        """Hands on the statuses that have come since the last request; to be called now and then while recording."""
        while (reply := self._receive(0.0)) is not None:
            self._hand_on(*reply)

    @property
    def _name(self) -> str:
        return f"the card at {self._config.card_address}:{self._config.control_port}"

    def _do(self, command: Command, payload: bytes = b"", attempts: int = ATTEMPTS) -> None:
        if status := self._ask(command, payload, attempts):
            raise CardError(f"{self._name} refused {command.name} (status {status}): switch it off and on, try again")

    def _ask(self, command: Command, payload: bytes = b"", attempts: int = ATTEMPTS) -> int:
        """The status of the reply. A request is repeated if none comes: doing any of them twice is doing it once.

        The reply to an earlier attempt, which came late, counts as well.
        """
        for _ in range(attempts):
            if (status := self._try(command, payload)) is not None:
                return status
        raise self._silent(command)

    def _try(self, command: Command, payload: bytes = b"") -> int | None:
        """Sends a request and waits for its reply; None if none comes in time. Statuses in between are handed on."""
        self.poll()
        try:
            self._socket.sendto(request(command, payload), (self._config.card_address, self._config.control_port))
        except OSError as error:
            raise self._silent(command) from error
        end_s = time.monotonic() + ANSWER_S
        while (reply := self._receive(max(0.0, end_s - time.monotonic()))) is not None:
            code, status = reply
            if code == command:
                return status
            self._hand_on(code, status)  # or a late reply to an earlier request, which nobody waits for
        return None

    def _hand_on(self, code: int, status: int) -> None:
        if code == Command.SYSTEM_ERROR:
            self._on_status(status)

    def _receive(self, timeout_s: float) -> tuple[int, int] | None:
        """Code and status of the card's next well-formed reply, None when there is none in time."""
        end_s = time.monotonic() + timeout_s
        while select.select([self._socket], [], [], max(0.0, end_s - time.monotonic()))[0]:
            data, (address, _) = self._socket.recvfrom(MAX_REPLY_BYTES)
            if address == self._config.card_address and (reply := parse_reply(data)):
                return reply
        return None

    def _silent(self, command: Command) -> CardError:
        return CardError(
            f"{self._name} does not answer {command.name}: check its power, the Ethernet cable, that this machine is "
            f"{self._config.host_address} on that port, and switch SW2.6 (GND: the card's default addresses)"
        )
