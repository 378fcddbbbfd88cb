"""Files of capture programs: streams, packet records and UDP payloads, intact or damaged, in one or several parts."""

import struct

import numpy as np
import pytest

from edge.core.errors import InputError
from edge.radar.dca1000.messages import PAYLOAD_BYTES
from edge.sources.raw_file import PART_UNIT_BYTES, RESTART_PACKETS, open_raw_file
from edge.twin.card import Packetizer

STREAM = np.random.default_rng(1).bytes(40 * PAYLOAD_BYTES)
SIZE = 5000  # of the pieces that are cut out


def as_records(packets: list[bytes]) -> list[bytes]:
    """Packet records as mmWave Studio writes them: the number of data bytes follows the sequence number."""
    return [packet[:4] + struct.pack("<I", len(packet) - 10) + packet[4:] for packet in packets]


def packets_of(stream: bytes) -> list[bytes]:
    packetizer = Packetizer()
    packets = packetizer.push(stream)
    rest = stream[len(packets) * PAYLOAD_BYTES :]
    if rest:  # what the card sends when no more comes
        packets.append(packetizer.push(rest + bytes(PAYLOAD_BYTES))[0][: 10 + len(rest)])
    return packets


def cut_all(path, stream=STREAM) -> bytes:
    raw = open_raw_file(path)
    assert (raw.start, raw.end) == (0, len(stream))
    places = range(0, len(stream), SIZE)
    return b"".join(raw.cut(places, SIZE))[: len(stream)]


@pytest.fixture
def save(tmp_path):
    def write(*parts: bytes, name: str = "adc_data_Raw_0.bin"):
        path = tmp_path / name
        path.write_bytes(b"".join(parts))
        return path

    return write


@pytest.mark.parametrize("kind", [lambda packets: packets, as_records])
@pytest.mark.parametrize("extra", [0, 368])
def test_packets_are_recognised_and_their_data_is_the_stream(save, kind, extra):
    stream = STREAM + STREAM[:extra]
    assert cut_all(save(*kind(packets_of(stream))), stream) == stream


def test_the_first_bytes_of_a_real_raw_file():
    """The first words of such a file as int16, from a public report: 1, 0, 1456, 0, 0, 0, 0."""
    first = as_records(packets_of(STREAM))[0]
    assert struct.unpack_from("<7h", first) == (1, 0, 1456, 0, 0, 0, 0)


def test_a_stream_without_headers_is_taken_as_it_is(save):
    assert cut_all(save(STREAM)) == STREAM
    zeros = bytes(10 * PAYLOAD_BYTES)
    assert cut_all(save(zeros), zeros) == zeros


@pytest.mark.parametrize("seed", range(5))
def test_late_and_repeated_packets_are_put_in_place(save, seed):
    records, rng = as_records(packets_of(STREAM)), np.random.default_rng(seed)
    sent = np.concatenate([np.arange(len(records)), rng.choice(len(records), 9)])
    arrived = sent[np.argsort(sent + rng.uniform(0, 6, len(sent)))]
    assert (np.diff(arrived) <= 0).any()
    assert cut_all(save(*(records[k] for k in arrived))) == STREAM


def test_missing_packets_are_zero_and_counted(save):
    records = as_records(packets_of(STREAM))
    raw = open_raw_file(save(*records[:7], *records[9:]))
    hole = slice(7 * PAYLOAD_BYTES, 9 * PAYLOAD_BYTES)
    (data,) = raw.cut([0], len(STREAM))
    assert data[hole] == bytes(2 * PAYLOAD_BYTES)
    assert data[: hole.start] + data[hole.stop :] == STREAM[: hole.start] + STREAM[hole.stop :]
    there = raw.bytes_before(np.array([0, 100, hole.start + 1, hole.stop, hole.stop + 5, len(STREAM) + 9]))
    missing = 2 * PAYLOAD_BYTES
    assert there.tolist() == [0, 100, hole.start, hole.start, hole.start + 5, len(STREAM) - missing]


def test_a_capture_that_began_late_keeps_its_places(save):
    records = as_records(packets_of(STREAM))
    raw = open_raw_file(save(*records[12:]))
    assert (raw.start, raw.end) == (12 * PAYLOAD_BYTES, len(STREAM))
    assert b"".join(raw.cut([raw.start], raw.end - raw.start)) == STREAM[raw.start :]


@pytest.mark.parametrize("cut", [1, 700, PAYLOAD_BYTES, PAYLOAD_BYTES + 3, PAYLOAD_BYTES + 14])
def test_a_last_packet_that_is_cut_loses_only_what_is_cut(save, cut):
    content = b"".join(as_records(packets_of(STREAM)))[:-cut]
    raw = open_raw_file(save(content))
    assert raw.end == len(STREAM) - min(cut, PAYLOAD_BYTES)
    assert b"".join(raw.cut([0], raw.end)) == STREAM[: raw.end]


def test_a_header_that_is_damaged_costs_its_packet(save, caplog):
    records = as_records(packets_of(STREAM))
    records[34] = records[34][:8] + b"\xff\xff\xff" + records[34][11:]
    raw = open_raw_file(save(*records))
    assert "1 packets with a damaged header are ignored" in caplog.text
    assert raw.bytes_before(np.array([len(STREAM)])) == len(STREAM) - PAYLOAD_BYTES


def test_a_file_that_goes_to_pieces_is_read_so_far(save, caplog):
    records = as_records(packets_of(STREAM))
    raw = open_raw_file(save(*records[:36], bytes(999)))
    assert f"damaged from byte {36 * len(records[0])} on" in caplog.text
    assert raw.end == 36 * PAYLOAD_BYTES


def test_a_second_stream_in_the_file_is_not_mixed_with_the_first(save, caplog):
    first = packets_of(bytes((RESTART_PACKETS + 50) * PAYLOAD_BYTES))
    raw = open_raw_file(save(*as_records(first + packets_of(STREAM))))
    assert "the card restarted" in caplog.text
    assert raw.end == (RESTART_PACKETS + 50) * PAYLOAD_BYTES
    assert not any(next(raw.cut([0], len(STREAM))))


@pytest.mark.parametrize("kind", ["stream", "records"])
def test_parts_are_read_as_one(save, kind):
    stream = np.random.default_rng(2).bytes(3 * PART_UNIT_BYTES)
    units = as_records(packets_of(stream))
    if kind == "stream":
        units = [stream[k : k + PAYLOAD_BYTES] for k in range(0, len(stream), PAYLOAD_BYTES)]
    per_part = PART_UNIT_BYTES // len(units[0])
    parts = [units[k : k + per_part] for k in range(0, len(units), per_part)]
    paths = [save(*part, name=f"adc_data_Raw_{k}.bin") for k, part in enumerate(parts)]
    assert cut_all(paths[0], stream) == stream
    with pytest.raises(InputError, match=r"continues adc_data_Raw_1.bin; open adc_data_Raw_0.bin"):
        open_raw_file(paths[2])


def test_a_recording_that_only_has_the_next_name_is_no_part(save):
    save(STREAM, name="session_1.bin")
    assert cut_all(save(STREAM, name="session_0.bin")) == STREAM
