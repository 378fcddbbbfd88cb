"""Constants that two or more stages share. A constant used by one file only is at the top of that file.

Radar parameters are not here; they come from the chirp file (`edge.radar.chirp_file.parser`).
"""

import hashlib
import math
from dataclasses import dataclass

SPEED_OF_LIGHT_M_S = 299_792_458.0

RCG_RATE_HZ = 200
"""Rate of all RCG and displacement samples after `edge.dsp.frontend.rcg`, independent of the frame rate."""

WAVEFORM_RATE_HZ = 50
"""Rate of the heart waveform and of all signals slower than the vibration of one beat."""

BLOCK_S = 0.1
"""Length of one processing block: long enough for vectorised code, short compared with a heartbeat."""

HEART_RATE_RANGE_BPM = (40.0, 180.0)
BREATHING_RATE_RANGE_BPM = (6.0, 42.0)

WINDOW_S = 10.0
"""Length of the history that a heart rate is computed from; published as `window_s`."""

VITALS_PERIOD_S = 1.0

SST_WINDOW = 4 * RCG_RATE_HZ
"""Samples of one spectrogram: the 4 s that are the network's input (radarODE-MTL section III)."""
SST_PAST = 2 * RCG_RATE_HZ
"""Samples before the window that its first columns need: 2 s give the same agreement with the full record as 4 s."""
SST_PERIOD = 1600
"""Length of the circular transform: past, window, and predicted samples."""

SST_BINS = 71
SST_LOW_HZ = 0.6950
SST_HIGH_HZ = 100.0
SST_BIN_OCTAVES = math.log2(SST_HIGH_HZ / SST_LOW_HZ) / SST_BINS
"""Bin b starts at SST_LOW_HZ * 2^(b * SST_BIN_OCTAVES): the upper 71 rows of MATLAB's wsst of a 180 s record."""

SST_COLUMNS = 120
SST_COLUMN_RATE_HZ = 30

SST_SCALES = tuple(2 ** (j / 10) for j in range(1, 91))
"""Wavelet scales in samples. The lowest bins are wrong if only the 71 scales within the bins' range are used."""
SST_OMEGA0 = 6.0
"""Centre of the analytic Morlet wavelet in rad. It is cut to 0 at SST_REACH from the centre (4e-6 of its peak)."""
SST_REACH = 5.0
SST_ROLL_OFF_HZ = 80.0
"""Wavelets fade out from here to half the sampling rate; a sharp cut would make the shortest ring over the window."""

SST_HIGH_PASS_HZ = 0.7
SST_AR_ORDER = 64
SST_AR_TAPER = 0.3
SST_AR_RIDGE = 1e-4
SST_THRESHOLD = 1e-6
"""Coefficients below this fraction of the channel's largest sample are ignored; their frequency is undefined."""
SST_SCALE_RANK = 9
"""The cell of this rank (0.1 % of all) is scaled to 1, so that a single outlier does not set the scale."""
SST_SILENCE_MM_S2 = 1e-9
"""A smaller scale is rounding error, not motion: the noise of a radar is a billion times larger."""
SST_GRID = 20
"""Common period, in samples, of frames at 60 Hz, frames at 30 Hz and samples at 200 Hz."""


@dataclass(frozen=True, slots=True)
class SstSpec:
    """Parameters of the SST. A network must be used with the values it was trained with.

    frame_rate_hz: 60, averaged to 30 columns a second. 30 takes half the work but is aliased; bundles may not use it,
    but its columns are single samples, which other programs compute too.
    """

    frame_rate_hz: int = 60

    def __post_init__(self) -> None:
        if self.frame_rate_hz not in (30, 60):
            raise ValueError(f"frame_rate_hz is {self.frame_rate_hz}; it must be 30 or 60")

    @property
    def segment(self) -> int:
        """Return the samples that one window needs: past and window."""
        return SST_PAST + SST_WINDOW


SST_DEFAULT = SstSpec()

ECG_PIECE_SAMPLES = 200
"""Samples of an ECG piece: the cycle around the window's middle beat, resampled to this length."""
ECG_PIECE_R_FRACTION = 1 / 3
"""Position of the R peak in the piece, as a fraction: the P wave is before it, the T wave after it."""
ANCHOR_CLASSES = SST_WINDOW
"""Number of classes of the anchor output: one for each sample of the window at which an R peak can be."""
CYCLE_MIN = 60
CYCLE_CLASSES = 260
"""Class c is a cycle of CYCLE_MIN + c samples, 200 to 37.6 bpm. The paper's classes 0 to 259 end at 46 bpm."""


def fingerprint(spec: SstSpec) -> str:
    """Return 16 hex digits that identify the definition of a network's input and output.

    The value changes when any of the constants changes. Bundles, checkpoints and spectrograms on disk contain it, so
    the keys and the text of `spec` must stay the same when a constant or a field is renamed.
    """
    numbers = {
        "RCG_RATE_HZ": RCG_RATE_HZ,
        "SST_WINDOW": SST_WINDOW,
        "SST_PAST": SST_PAST,
        "SST_PERIOD": SST_PERIOD,
        "SST_BINS": SST_BINS,
        "SST_LOW_HZ": SST_LOW_HZ,
        "SST_HIGH_HZ": SST_HIGH_HZ,
        "SST_BIN_OCTAVES": SST_BIN_OCTAVES,
        "SST_COLUMNS": SST_COLUMNS,
        "SST_COLUMN_RATE_HZ": SST_COLUMN_RATE_HZ,
        "SST_SCALES": SST_SCALES,
        "SST_OMEGA0": SST_OMEGA0,
        "SST_REACH": SST_REACH,
        "SST_ROLL_OFF_HZ": SST_ROLL_OFF_HZ,
        "SST_HIGH_PASS_HZ": SST_HIGH_PASS_HZ,
        "SST_AR_ORDER": SST_AR_ORDER,
        "SST_AR_TAPER": SST_AR_TAPER,
        "SST_AR_RIDGE": SST_AR_RIDGE,
        "SST_THRESHOLD": SST_THRESHOLD,
        "SST_SCALE_RANK": SST_SCALE_RANK,
        "SST_SILENCE_MM_S2": SST_SILENCE_MM_S2,
        "SST_GRID": SST_GRID,
        "PIECE": ECG_PIECE_SAMPLES,
        "PIECE_R": ECG_PIECE_R_FRACTION,
        "ANCHOR_CLASSES": ANCHOR_CLASSES,
        "CYCLE_MIN": CYCLE_MIN,
        "CYCLE_CLASSES": CYCLE_CLASSES,
    }
    # The text of versions that had a look-ahead, so that their bundles and checkpoints stay valid.
    sst = f"SstSpec(frame_rate_hz={spec.frame_rate_hz!r}, look_ahead_s=0.0)"
    text = f"({sorted(numbers.items())!r}, {sst})"
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
