"""Continuous operation needs frames that neither end nor wait for a trigger."""

import pytest

from edge.radar.boards import require_unlimited_frames
from edge.radar.chirp import ChirpConfigError
from tests.edge.radar.test_board_restarts import frames_of


@pytest.mark.parametrize(
    ("finite", "message"),
    [
        ({"frames": 100}, r"some\.cfg: frameCfg: the radar stops after 100 frames \(numFrames\); set numFrames to 0"),
        ({"trigger": 2}, r"needs a hardware trigger pulse .*triggerSelect 2.*set triggerSelect to 1 .*radarecg record"),
    ],
)
def test_continuous_operation_needs_unlimited_frames(mmecg, finite, message):
    with pytest.raises(ChirpConfigError, match=message):
        require_unlimited_frames(frames_of(mmecg, **finite))
    require_unlimited_frames(mmecg)
