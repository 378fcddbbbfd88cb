"""Where the AWR1843BOOST's antennas are: shared by the twin and by whatever focuses on a point of the chest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge.core.spec import SPEED_OF_LIGHT_M_S
from edge.core.types import Float64
from edge.radar.chirp import ChirpConfig

HALF_WAVE_M = SPEED_OF_LIGHT_M_S / 79e9 / 2
"""The SDK gives places in half wavelengths; 79 GHz is the middle of the sweep. Half a GHz moves TX3 by 0.1 mm."""

GAP_HALF_WAVES = 2.7
"""From RX4 to TX1, read off SPRUIM4 figure 10: +-0.3, which a phase calibration on the board absorbs."""


@dataclass(frozen=True)
class Antennas:
    """Places in metres: tx_m [TX, 3], rx_m [RX, 3]; x to the side, y away from the board, z up; RX1 is the origin."""

    tx_m: Float64
    rx_m: Float64

    def of(self, chirp: ChirpConfig) -> Antennas:
        """Those that a chirp file uses, the transmitters in the order in which they fire."""
        return Antennas(self.tx_m[np.array(chirp.tx_order) - 1], self.rx_m[np.array(chirp.rx) - 1])

    @property
    def middle_m(self) -> Float64:
        """The place [3] halfway between the middle of the transmitters and that of the receivers."""
        return np.asarray((self.tx_m.mean(axis=0) + self.rx_m.mean(axis=0)) / 2)


# SDK board/antenna_geometry.c gAntDef_default: receivers a half wavelength apart, TX1 to TX3 four, TX2 between them
# and one higher (the SDK counts rows downward).
_RX = [[k, 0, 0] for k in range(4)]
_TX = [[3 + GAP_HALF_WAVES + x, 0, z] for x, z in ((0, 0), (2, 1), (4, 0))]

AWR1843 = Antennas(np.array(_TX) * HALF_WAVE_M, np.array(_RX) * HALF_WAVE_M)
