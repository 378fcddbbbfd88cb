"""Antenna positions of the AWR1843BOOST, used by the digital twin and by the beamformer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge.core.spec import SPEED_OF_LIGHT_M_S
from edge.core.types import Float64
from edge.radar.chirp import ChirpConfig

HALF_WAVE_M = SPEED_OF_LIGHT_M_S / 79e9 / 2
"""The SDK gives positions in half wavelengths; 79 GHz is the middle of the sweep. 0.5 GHz would move TX3 by 0.1 mm."""

GAP_HALF_WAVES = 2.7
"""Distance from RX4 to TX1, measured in SPRUIM4 figure 10 to +-0.3; a phase calibration corrects the error."""


@dataclass(frozen=True)
class Antennas:
    """Positions in metres: tx_m [TX, 3], rx_m [RX, 3]; x sideways, y away from the board, z up; RX1 is the origin."""

    tx_m: Float64
    rx_m: Float64

    def of(self, chirp: ChirpConfig) -> Antennas:
        """Select the antennas that a chirp file uses, the transmitters in their firing order."""
        return Antennas(self.tx_m[np.array(chirp.tx_order) - 1], self.rx_m[np.array(chirp.rx) - 1])

    @property
    def middle_m(self) -> Float64:
        """The midpoint [3] between the centre of the transmitters and the centre of the receivers."""
        return np.asarray((self.tx_m.mean(axis=0) + self.rx_m.mean(axis=0)) / 2)


# SDK board/antenna_geometry.c gAntDef_default, in half wavelengths: the receivers are one apart, TX1 and TX3 four
# apart; TX2 is between them and one higher (the SDK counts rows downward).
_RX = [[k, 0, 0] for k in range(4)]
_TX = [[3 + GAP_HALF_WAVES + x, 0, z] for x, z in ((0, 0), (2, 1), (4, 0))]

AWR1843 = Antennas(np.array(_TX) * HALF_WAVE_M, np.array(_RX) * HALF_WAVE_M)
