"""What comes from the radar and the card, and files about them: a result or a known error, within limits."""

import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.core.types import RawFrame
from edge.radar.awr1843.replies import Reply
from edge.radar.chirp_file.parser import load_chirp
from edge.radar.dca1000.assembler import MAX_PACKET_BYTES, NEAR_BYTES, FrameAssembler, pack_header
from edge.radar.dca1000.messages import Command, parse_reply, request, status_words
from edge.radar.dca1000.udp import Datagram
from edge.sources.raw_file import open_raw_file
from edge.sources.recording import Recorder, open_recording
from tests.conftest import ROOT
from tests.helpers.assemblers import NativeAssembler
from tests.helpers.fuzz import budget, damaged, outcome

FRAME = 4096
CFG_FILES = [path.read_bytes() for path in sorted((ROOT / "firmware_config").glob("*.cfg"))]
PAYLOAD = bytes(range(256)) * 6
COUNTS = st.one_of(st.integers(0, 40), st.sampled_from([2**32 - 1, 2**48 // 1456]), st.integers(0, 2**33))


@st.composite
def packets(draw) -> bytes:
    """A packet of the stream, with its place or another one, of any length; or none at all."""
    if draw(st.integers(0, 4)) == 0:
        return draw(st.binary(max_size=64))
    k = draw(COUNTS)
    number = draw(st.sampled_from([k + 1, k + 1, k + 1, k, 0]))
    return pack_header(number, k * 1456) + PAYLOAD[: draw(st.sampled_from([1456, 1456, 1456, 1, 0, 700]))]


@pytest.mark.parametrize("assembler_type", [FrameAssembler, NativeAssembler])
@budget
@given(
    st.lists(
        st.tuples(packets(), st.sampled_from(["card", "card", "card", "other"]), st.sampled_from([0, 0, 1, 10**9]))
    ),
)
def test_data_packets_give_whole_frames_in_bounded_memory(assembler_type, arrivals):
    assembler, t_ns, pushed = assembler_type(FRAME), 10**9, 0
    for data, sender, pause_ns in arrivals:
        t_ns += pause_ns
        frames = assembler.push(Datagram(data, sender, t_ns, t_ns))
        pushed += len(data)
        assert all(len(frame.data) == FRAME and 0 < frame.received <= FRAME for frame in frames)
        if assembler_type is FrameAssembler:  # the compiled one never allocates memory after its creation
            assert len(assembler._slots) <= 2 * NEAR_BYTES // FRAME + 2
    assert sum(frame.received for frame in assembler.flush()) <= pushed


@budget
@given(st.one_of(damaged(request(Command.SYSTEM_ERROR), struct.pack("<4H", 0xA55A, 10, 1, 0xEEAA)), st.binary()))
def test_a_control_reply_is_a_code_and_a_status_or_nothing(data):
    if reply := parse_reply(data):
        code, status = reply
        assert 0 <= code <= 0xFFFF
        assert len(status_words(status)) == status.bit_count()


SERIAL = [
    b"profileCfg 0 77\r\nDone\r\n",
    b"profileCfg 0 77\r\nError -52\r\n",
    b"'x' is not recognized as a CLI command\r\nError -1",
    b"Ignored: Sensor is already stopped\r\nDone",
    b"Exception: \x1b[2J, cause",
]


@budget
@given(damaged(*SERIAL))
def test_a_serial_reply_is_success_or_a_problem_of_one_line(raw):
    reply = Reply.parse("profileCfg 0 77", raw)
    assert isinstance(reply.is_already_in_state, bool)
    assert reply.text.isprintable()
    assert reply.problem is None or reply.problem.isprintable()


STUDIO = b'{"mmWaveDevices": [{"mmWaveDeviceId": 0, "rfConfig": {"rlFrameCfg_t": {"numLoops": 1}}}]}'


@budget
@given(data=damaged(*CFG_FILES, STUDIO, b"<?xml version='1.0'?><Root><apiname_cfg/></Root>"), for_replay=st.booleans())
def test_a_chirp_file_is_accepted_or_an_error(data, for_replay, tmp_path):
    path = tmp_path / "x.cfg"
    path.write_bytes(data)
    chirp = outcome(lambda: load_chirp(path, for_replay))
    if isinstance(chirp, str):
        assert str(path) in chirp
    else:
        assert 0 < chirp.frame_bytes < 1 << 24
        assert 0 < chirp.frame_period_s < 10


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, iwr6843) -> Path:
    folder = tmp_path_factory.mktemp("recorded") / "night"
    with Recorder(folder, iwr6843, "sdk") as recorder:
        for seq in range(3):
            data = np.random.default_rng(seq).bytes(iwr6843.frame_bytes)
            recorder.write(RawFrame(seq, seq * 10**7, data, len(data)))
    return folder


@budget
@given(data=st.data(), name=st.sampled_from(["meta.json", "frames.idx", "chirp.cfg", "adc.bin"]))
def test_a_recording_gives_frames_of_one_size_or_an_error(data, name, recorded, tmp_path):
    folder = tmp_path / "night"
    shutil.copytree(recorded, folder, dirs_exist_ok=True)
    (folder / name).write_bytes(data.draw(damaged((recorded / name).read_bytes())))

    def sizes() -> tuple[int, list[int]]:
        recording = open_recording(folder)
        return recording.chirp.frame_bytes, [len(frame.data) for frame in recording.frames()]

    found = outcome(sizes)
    if isinstance(found, str):
        assert str(folder) in found
    else:
        assert set(found[1]) == {found[0]}


RAW = b"".join(pack_header(k + 1, 1456 * k) + PAYLOAD[:1456] for k in range(6))
RECORDS = b"".join(struct.pack("<IIIH", k + 1, 1456, 1456 * k, 0) + PAYLOAD[:1456] for k in range(6))


@budget
@given(damaged(RAW, RECORDS, PAYLOAD * 6))
def test_a_raw_file_stores_no_more_bytes_than_it_has(tmp_path, data):
    path = tmp_path / "capture.bin"
    path.write_bytes(data or b"\0")
    raw = outcome(lambda: open_raw_file(path))
    if not isinstance(raw, str):
        assert 0 <= raw.pieces["length"].sum() <= path.stat().st_size
        (cut,) = raw.cut([int(raw.pieces["start"][0])], MAX_PACKET_BYTES)
        assert len(cut) == MAX_PACKET_BYTES
