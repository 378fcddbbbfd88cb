"""Capture over a faulty network: every released frame is correct or marked as incomplete."""

import random
import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.radar.dca1000.assembler import NEAR_BYTES, PAUSE_S, pack_header
from edge.radar.dca1000.data_port import DataPort
from edge.radar.dca1000.udp import Datagram
from edge.twin.card import EmulatedCard, Faults, FaultyLink, Packetizer

FRAME = 12288
NEAR_WRAP = ((1 << 32) // FRAME - 40) // 91 * 91 * FRAME  # a frame and a packet begin here, some 100 before 2^32


def marked_frames(first: int, count: int, recording: int = 0) -> dict[int, bytes]:
    """Frames without zero bytes, so that holes can be detected."""
    rng = np.random.default_rng((recording, first))
    return {first + k: rng.integers(1, 256, FRAME, np.uint8).tobytes() for k in range(count)}


def packets_of(frames: dict[int, bytes]) -> list[bytes]:
    packetizer = Packetizer(min(frames) * FRAME)
    return [packet for frame in frames.values() for packet in packetizer.push(frame)]


def assemble(packets, assembler):
    return [frame for packet in packets for frame in assembler.push(Datagram(packet, "card", 7))]


def assert_true(released, *recordings):
    """Complete frames belong to one recording; in others each byte is of a recording, or 0 and not counted."""
    for frame in released:
        originals = [frames[frame.seq] for frames in recordings if frame.seq in frames]
        if frame.complete:
            assert bytes(frame.data) in originals
        else:
            data = np.frombuffer(frame.data, np.uint8)
            assert np.count_nonzero(data) == frame.received < FRAME
            true = [data == np.frombuffer(original, np.uint8) for original in originals]
            assert np.all(np.any(true, 0) | (data == 0))


@given(st.data(), st.sampled_from([0, NEAR_WRAP]))
def test_any_order_with_any_loss_never_invents_a_byte(assembler_type, data, first_byte):
    frames = marked_frames(first_byte // FRAME, 8)
    packets = packets_of(frames)
    kept = data.draw(st.lists(st.sampled_from(packets), unique=True))
    order = data.draw(st.permutations(kept + data.draw(st.lists(st.sampled_from(packets), max_size=5))))
    released = assemble(order, assembler_type(FRAME))
    assert_true(released, frames)


@given(st.builds(Faults, *[st.floats(0, 0.3)] * 3, st.floats(0, 0.03), st.integers(0, 999)))
def test_whatever_the_faults_frames_rise_and_are_true(assembler_type, faults):
    frames = marked_frames(0, 40)
    packets = packets_of(frames)
    beginning = (
        2 * NEAR_BYTES // 1456 + 1
    )  # these very late packets look like a restart: only their count of 0 shows it
    released = assemble(packets[:beginning] + FaultyLink(faults).push(packets[beginning:]), assembler_type(FRAME))
    assert_true(released, frames)
    numbers = [frame.seq for frame in released]
    assert numbers == sorted(set(numbers))


@given(st.integers(8, 90), st.integers(0, 12), st.integers(0, 999))
def test_a_restart_never_mixes_two_recordings(assembler_type, run, lost_at_start, seed):
    """Also when packet 1 is lost. A card needs more than 40 ms to end a recording and start the next."""
    before, after = marked_frames(0, run), marked_frames(0, 100, recording=1)
    noise = Faults(loss=0.01, reorder=0.02, duplicate=0.02, seed=seed)
    assembler = assembler_type(FRAME)
    released = assemble(FaultyLink(noise).push(packets_of(before)), assembler)
    again = assemble(FaultyLink(noise).push(packets_of(after)[lost_at_start:]), assembler)
    assert_true(released, before)
    assert_true(again, before, after)
    assert assembler.restarts == 1
    assert sum(bytes(frame.data) == after[frame.seq] for frame in again if frame.complete) > 75


def test_one_percent_loss_touches_only_its_frames(assembler_type):
    frames = marked_frames(0, 2000)
    released = assemble(FaultyLink(Faults(loss=0.01)).push(packets_of(frames)), assembler_type(FRAME))
    assert_true(released, frames)
    complete = sum(frame.complete for frame in released)
    assert complete / len(released) == pytest.approx(0.99**9.4, abs=0.02)
    assert [frame.seq for frame in released] == list(range(len(released)))  # a packet less is no frame less


def test_across_32_bits_nothing_is_lost(assembler_type):
    frames = marked_frames(NEAR_WRAP // FRAME, 200)
    packets = packets_of(frames)
    assert {packet[8:10] for packet in packets} == {b"\0\0", b"\1\0"}
    released = assemble(FaultyLink(Faults(reorder=0.2, duplicate=0.2)).push(packets), assembler_type(FRAME))
    assert all(frame.complete for frame in released)
    assert_true(released, frames)
    assert len(released) >= 198


def test_late_packets_are_not_taken_for_a_restart(assembler_type):
    frames = marked_frames(0, 600)
    assembler = assembler_type(FRAME)
    released = assemble(FaultyLink(Faults(delay=0.05)).push(packets_of(frames)), assembler)
    assert_true(released, frames)
    assert assembler.restarts == 0


@pytest.mark.parametrize("late", [(50, 55), (80, 81, 82), (50, 52), (40, 41, 42, 43)])
@pytest.mark.parametrize("by", range(6, 20))
def test_a_few_packets_held_up_together_are_no_restart(assembler_type, late, by):
    """With or without packets in time between the late ones."""
    frames = marked_frames(0, 30)
    packets = packets_of(frames)
    resumed = late[-1] + by - len(late)
    order = [k for k in range(resumed) if k not in late] + [*late, *range(resumed, len(packets))]
    assembler = assembler_type(FRAME)
    released = assemble([packets[k] for k in order], assembler)
    assert_true(released, frames)
    assert assembler.restarts == 0
    assert [frame.seq for frame in released] == list(range(len(released)))
    assert sum(not frame.complete for frame in released) <= 3  # late packets span as many


def test_the_time_of_a_frame_is_that_of_its_last_packet(assembler_type):
    packets = packets_of(marked_frames(0, 6))
    assembler = assembler_type(FRAME)
    stamped = [Datagram(packet, "card", t_ns) for t_ns, packet in enumerate(packets) if t_ns != 4]
    released = [frame for packet in stamped for frame in assembler.push(packet)]
    assert [frame.t_ns for frame in released[:2]] == [8, 16]
    assert [frame.complete for frame in released[:2]] == [False, True]


@given(st.integers(0, 91 * 2), st.sampled_from([3 * 3600, -5 * 3600, 1, -1]))
def test_a_clock_that_is_set_costs_one_frame_at_most(assembler_type, at, by_s):
    frames = marked_frames(0, 20)
    assembler, released = assembler_type(FRAME), []
    for k, packet in enumerate(packets_of(frames)):
        t_ns = 10**18 + k * 500_000 + (by_s * 10**9 if k >= at else 0)
        released += assembler.push(Datagram(packet, "card", t_ns))
    assert_true(released, frames)
    assert len(released) >= 17  # the last frames wait for later packets
    assert sum(not frame.complete for frame in released) <= 1
    assert assembler.restarts == 0


@pytest.mark.usefixtures("_each_receiver")
def test_faults_restart_and_wrap_over_a_real_socket():
    port = DataPort("127.0.0.1", 0, FRAME)
    first, second = marked_frames(NEAR_WRAP // FRAME, 300), marked_frames(NEAR_WRAP // FRAME, 300, recording=1)
    faults = Faults(loss=0.01, reorder=0.02, duplicate=0.02, delay=0.002)
    card = EmulatedCard(("127.0.0.1", port.port), faults=faults, start_bytes=NEAR_WRAP)
    for frames in (first, second):
        for k, frame in enumerate(frames.values()):
            card.send(frame)
            if k % 20 == 0:
                time.sleep(0.002)
        card.restart()
        time.sleep(1.25 * PAUSE_S)  # as every card does
    card.close()
    released = []
    for frame in port.frames():
        if frame is None:
            port.close()
        else:
            released.append(frame)
    assert_true(released, first, second)
    assert port.restarts == 1
    assert Counter(frame.complete for frame in released)[True] > 500


def test_the_same_seed_fails_the_same_way():
    packets = [pack_header(k + 1, 1456 * k) + bytes(1456) for k in range(500)]
    faults = Faults(0.1, 0.1, 0.1, 0.1, seed=random.randrange(1000))
    assert FaultyLink(faults).push(packets) == FaultyLink(faults).push(packets)


TAGGED = 20  # frames of a recording
packet_numbers = st.integers(0, TAGGED * FRAME // 1456 - 1)


@st.composite
def recordings_on_a_bad_way(draw):
    """Packets of several recordings of any length: truncated, lost, reordered and duplicated, with pauses between."""
    arrivals, originals, t_ns = [], [], 0
    for recording in range(draw(st.integers(2, 4))):
        frames = marked_frames(0, TAGGED, recording)
        originals.append(frames)
        sent = packets_of(frames)[: draw(packet_numbers)][draw(st.integers(0, 15)) :]
        noise = draw(st.builds(Faults, *[st.floats(0, 0.3)] * 3, st.floats(0, 0.03), st.integers(0, 999)))
        for packet in FaultyLink(noise).push(sent):
            t_ns += 100_000
            arrivals.append(Datagram(packet, "card", t_ns))
        t_ns += round(PAUSE_S * 1e9) + 1
    return arrivals, originals


@given(recordings_on_a_bad_way())
def test_no_frame_is_of_two_recordings_wherever_the_card_restarts(assembler_type, way):
    arrivals, originals = way
    assembler = assembler_type(FRAME)
    for frame in (frame for packet in arrivals for frame in assembler.push(packet)):
        data = np.frombuffer(frame.data, np.uint8)
        assert np.count_nonzero(data) == frame.received
        true = [data == np.frombuffer(frames[frame.seq], np.uint8) for frames in originals]
        assert any(np.all(same | (data == 0)) for same in true)  # all bytes received belong to one recording


@given(st.integers(20, 90), st.integers(0, 11))
def test_a_restart_without_a_pause_mixes_nothing_either(assembler_type, run, lost_at_start):
    """If the two are farther apart than packets can be late."""
    before, after = marked_frames(0, TAGGED), marked_frames(0, TAGGED, recording=1)
    assembler = assembler_type(FRAME)
    released = assemble(packets_of(before)[:run] + packets_of(after)[lost_at_start:], assembler)
    assert assembler.restarts == 1
    complete = [bytes(frame.data) for frame in released if frame.complete]
    assert set(complete) <= {*before.values(), *after.values()}
    assert sum(frame in after.values() for frame in complete) >= TAGGED - 4


noise = st.one_of(
    st.binary(max_size=1500),
    st.builds(
        lambda sequence, count, payload: pack_header(sequence, count) + payload,
        st.integers(0, 300),
        st.one_of(st.integers(0, 200_000), st.integers(0, 140).map(lambda k: k * 1456)),
        st.binary(min_size=1, max_size=1456),
    ),
)


@given(st.lists(st.tuples(st.integers(0, 167), st.sampled_from(["card", "other"]), noise), max_size=60))
def test_foreign_datagrams_change_nothing(assembler_type, foreign):
    """From another host: any datagram, even valid packets; from the card's host: all invalid ones."""
    frames = marked_frames(0, TAGGED)
    packets = packets_of(frames)
    arrivals = [Datagram(packet, "card", k) for k, packet in enumerate(packets)]
    lies = packets_of(marked_frames(0, TAGGED, recording=1))
    for at, sender, data in sorted(foreign, key=lambda each: each[0], reverse=True):
        in_step = len(data) > 10 and data[:10] in [packet[:10] for packet in packets]
        arrivals[at + 3 : at + 3] = [Datagram(data, "other" if in_step else sender, at)]
        arrivals[at + 3 : at + 3] = [Datagram(lie, "other", at) for lie in lies[at : at + 5]]
    assembler = assembler_type(FRAME)
    released = [frame for packet in arrivals for frame in assembler.push(packet)]
    assert [bytes(frame.data) for frame in released] == list(frames.values())[: len(released)]
    assert len(released) >= TAGGED - 1
    assert assembler.restarts == 0


def test_another_card_is_followed_once_the_first_is_silent(assembler_type):
    first, second = packets_of(marked_frames(0, 5)), packets_of(marked_frames(0, 5, recording=1))
    assembler = assembler_type(FRAME)
    for packet in first:
        assembler.push(Datagram(packet, "first", 0))
    for packet in second:
        assembler.push(Datagram(packet, "second", 0))
    assert assembler.ignored == len(second)
    after = [
        frame for packet in second for frame in assembler.push(Datagram(packet, "second", round(PAUSE_S * 1e9) + 1))
    ]
    complete = [bytes(frame.data) for frame in after if frame.complete]
    assert complete == list(marked_frames(0, 5, recording=1).values())[:4]
