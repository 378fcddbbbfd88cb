"""paho's MQTT client, guarded against a broker that breaks the protocol.

paho alone receives packets of up to 256 MB, keeps every QoS 2 message that the broker does not complete, takes an
acknowledgement for a message that it has not sent yet, and ends its thread without a callback when it raises an
exception that it does not expect; the device would then wait for that connection for ever.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from paho.mqtt.client import Client
from paho.mqtt.enums import MessageState, MessageType, MQTTErrorCode

MAX_INCOMPLETE = 100
"""Incoming QoS 2 messages. No program here subscribes with QoS 2, but some brokers subscribe clients by themselves."""

log = logging.getLogger(__name__)


class ProtocolViolationError(Exception):
    """The broker sent what MQTT does not allow, or more than this client accepts."""


class GuardedClient(Client):
    """A client for one connection, which a packet that a broker must not send ends as "Protocol error".

    `on_loop_end` is called when paho's thread ends, for whatever reason.
    """

    max_packet_bytes = 1 << 17
    """As the CONNECT packet says; a broker may ignore it."""
    on_loop_end: Callable[[], object] | None = None
    _has_connack = False

    def loop_forever(self, timeout: float = 1.0, retry_first_connection: bool = False) -> MQTTErrorCode:
        """Process the network traffic until the connection ends."""
        try:
            return super().loop_forever(timeout, retry_first_connection)
        finally:
            if self.on_loop_end is not None:
                self.on_loop_end()

    def _packet_read(self) -> MQTTErrorCode:
        try:
            return super()._packet_read()
        except ProtocolViolationError as violation:
            log.error("the broker violates MQTT: %s", violation)
        except Exception:
            log.exception("a packet of the broker cannot be processed")
        return MQTTErrorCode.MQTT_ERR_PROTOCOL

    def _sock_recv(self, bufsize: int) -> bytes:
        if bufsize > self.max_packet_bytes:  # what is left of a packet
            raise ProtocolViolationError(f"a packet of {bufsize} bytes, at most {self.max_packet_bytes} are accepted")
        return super()._sock_recv(bufsize)

    def _packet_handle(self) -> MQTTErrorCode:
        kind = self._in_packet["command"] & 0xF0
        if (kind == MessageType.CONNACK) == self._has_connack:
            raise ProtocolViolationError("the first packet, and no other, must be a CONNACK")
        if kind == MessageType.PUBACK:
            self._require_sent(int.from_bytes(self._in_packet["packet"][:2], "big"))
        self._has_connack, keepalive_s = True, self.keepalive
        result = super()._packet_handle()
        # The broker may ask for a shorter time; with a longer one, the end of the network would be noticed too late.
        self._keepalive = min(self.keepalive or keepalive_s, keepalive_s)
        if len(self._in_messages) > MAX_INCOMPLETE:
            raise ProtocolViolationError(f"it does not complete {len(self._in_messages)} messages with QoS 2")
        return result

    def _require_sent(self, number: int) -> None:
        message = self._out_messages.get(number)
        if message is not None and message.state == MessageState.MQTT_MS_QUEUED:
            raise ProtocolViolationError(f"it acknowledges message {number}, which was not sent")
