"""Recording up to the last frame: when it ends and what it waits for, with simulated boards and real packets."""

from dataclasses import replace

import pytest

import edge.sources.capture as module
from edge.dsp.frontend.rcg import RcgExtractor
from edge.radar.calibration import UNCALIBRATED
from edge.radar.dca1000.data_port import DataPort
from edge.sources.capture import RecordingRequest, record_frames
from edge.sources.points import open_points
from edge.sources.recording import open_recording
from edge.twin.card import EmulatedCard

FRAME = 12288  # 8.4 packets: the last frame's rest is held back


class MadeUpBoards:
    """The radar sends `count` frames when started; when the radar is stopped, the card sends the rest."""

    def __init__(self, data, count, ours=True, lost=()):
        self.versions = {}
        self.card = EmulatedCard(("127.0.0.1", data.port), tail_s=0.0)
        self.count, self.ours, self.lost = count, ours, lost
        self.stops = 0
        self.sent_all = False

    def start(self, silence_s):
        for number in range(self.count):
            if number not in self.lost:
                self.card.send(bytes([number % 255 + 1]) * FRAME)

    def stop_radar(self):
        self.stops += 1
        if self.ours:
            self.card.serve()
        return self.ours

    def has_sent_all(self):
        return self.sent_all


@pytest.fixture
def data():
    port = DataPort("127.0.0.1", 0, FRAME)
    yield port
    port.close()


def wanted(chirp, folder, seconds=None):
    return RecordingRequest(folder / "rec", chirp, "sdk", UNCALIBRATED, seconds)


def index(folder):
    return open_recording(folder / "rec").index


def test_the_last_frame_is_complete_after_a_stop(mmecg, data, tmp_path):
    boards = MadeUpBoards(data, 7)
    assert record_frames(wanted(mmecg, tmp_path), boards, data, lambda: data.silence_s() > 0.05) == 7
    assert index(tmp_path)["received"].tolist() == [FRAME] * 7
    assert boards.stops == 1
    boards.card.close()


def test_it_ends_with_the_frames_that_the_radar_was_to_send(mmecg, data, tmp_path):
    boards = MadeUpBoards(data, 7)
    boards.card.serve()

    def send_rest(silence_s):
        MadeUpBoards.start(boards, silence_s)
        boards.card.serve()

    boards.start = send_rest
    assert record_frames(wanted(replace(mmecg, frames=7), tmp_path), boards, data, lambda: False) == 7
    assert index(tmp_path)["seq"].tolist() == list(range(7))
    boards.card.close()


def test_it_ends_where_the_last_frames_never_come(mmecg, data, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "TAIL_S", 0.05)
    boards = MadeUpBoards(data, 5)
    boards.sent_all = True
    assert record_frames(wanted(replace(mmecg, frames=7), tmp_path), boards, data, lambda: False) == 5
    boards.card.close()


def test_without_a_frame_there_is_no_folder(mmecg, data, tmp_path):
    boards = MadeUpBoards(data, 0)
    assert record_frames(wanted(mmecg, tmp_path, 0.01), boards, data, lambda: False) == 0
    assert not (tmp_path / "rec").exists()
    boards.card.close()


def test_boards_of_others_that_stream_on_are_not_waited_for(mmecg, data, tmp_path):
    boards = MadeUpBoards(data, 7, ours=False)
    assert record_frames(wanted(mmecg, tmp_path), boards, data, lambda: data.silence_s() < 0.2) <= 7
    boards.card.close()


def test_a_stream_of_others_that_has_stopped_is_waited_for(mmecg, data, tmp_path):
    boards = MadeUpBoards(data, 7, ours=False)

    def stopped():
        if data.silence_s() < 0.25:
            return False
        boards.card.serve()  # the rest comes only now
        return True

    assert record_frames(wanted(mmecg, tmp_path), boards, data, stopped) == 7
    assert index(tmp_path)["received"].tolist() == [FRAME] * 7
    boards.card.close()


def test_a_radar_that_streams_on_though_it_was_stopped_does_not_hold_up_the_end(mmecg, tmp_path, monkeypatch):
    monkeypatch.setattr("edge.radar.dca1000.data_port.FINISH_TIMEOUT_S", 0.05)
    data = DataPort("127.0.0.1", 0, FRAME, tail_s=3600)
    boards = MadeUpBoards(data, 7)
    boards.stop_radar = lambda: True  # and the rest never comes
    assert record_frames(wanted(mmecg, tmp_path), boards, data, lambda: data.silence_s() > 0.25) == 7
    assert index(tmp_path)["received"].tolist() == [FRAME] * 6 + [7 * FRAME // 1456 * 1456 - 6 * FRAME]
    boards.card.close()


def test_points_are_recorded_with_a_front_end(mmecg, data, tmp_path):
    boards = MadeUpBoards(data, 7)
    boards.versions = {"card_fpga": "2.8"}
    request = replace(wanted(mmecg, tmp_path), front_end=RcgExtractor(mmecg))
    assert record_frames(request, boards, data, lambda: data.silence_s() > 0.05) == 7
    recording = open_points(tmp_path / "rec")
    assert recording.index["seq"].tolist() == list(range(7))
    assert recording.metadata.boards == {"card_fpga": "2.8"}
    boards.card.close()
