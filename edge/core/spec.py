"""Numbers that two or more stages share. A number used by one file lives at the top of that file.

Nothing about the radar stands here: it comes from the chirp file (`edge.radar.chirp_file.parser`).
"""

import hashlib
import math
from dataclasses import dataclass
from typing import Final

SPEED_OF_LIGHT_M_S = 299_792_458.0

RCG_RATE_HZ = 200
"""Rate of every RCG and displacement sample after `edge.dsp.frontend.rcg`, whatever the frame rate."""

WAVEFORM_RATE_HZ = 50
"""Rate of the heart waveform, and of everything slower than the vibration of one beat."""

BLOCK_S = 0.1
"""The chain works on blocks of this length: long enough to vectorise, short against a heartbeat."""

HEART_RATE_RANGE_BPM = (40.0, 180.0)
BREATHING_RATE_RANGE_BPM = (6.0, 42.0)

WINDOW_S = 10.0
"""History behind one heart rate; published as `window_s`."""

VITALS_PERIOD_S = 1.0

SST_WINDOW = 4 * RCG_RATE_HZ
"""Samples of one spectrogram: the four seconds the network sees (radarODE-MTL section III)."""
SST_PAST = 2 * RCG_RATE_HZ
"""Samples before the window that its first columns need: with 2 s they agree with the whole record as with 4 s."""
SST_PERIOD = 1600
"""Samples of the transform's circle: past, window, look-ahead, and the predicted rest."""

SST_BINS = 71
SST_LOW_HZ = 0.6950
SST_HIGH_HZ = 100.0
SST_BIN_OCTAVES = math.log2(SST_HIGH_HZ / SST_LOW_HZ) / SST_BINS
"""Bin b holds SST_LOW_HZ * 2^(b * SST_BIN_OCTAVES) up to the next: the upper 71 rows of MATLAB's wsst of 180 s."""

SST_COLUMNS = 120
SST_COLUMN_RATE_HZ = 30

SST_SCALES = tuple(2 ** (j / 10) for j in range(1, 91))
"""In samples. With only the 71 that lie in the bins' own range the lowest bins are wrong."""
SST_OMEGA0 = 6.0
"""Centre of the analytic Morlet wavelet, rad; the wavelet is 0 beyond SST_REACH from it (4e-6 of its peak)."""
SST_REACH = 5.0
SST_ROLL_OFF_HZ = 80.0
"""From here to half the sampling rate wavelets fade smoothly: cut there, the shortest would ring through the window."""

SST_HIGH_PASS_HZ = 0.7
SST_AR_ORDER = 64
SST_AR_TAPER = 0.3
SST_AR_RIDGE = 1e-4
SST_THRESHOLD = 1e-6
"""Coefficients below this share of the channel's largest sample have no instantaneous frequency."""
SST_SCALE_RANK = 9
"""The cell of this rank (0.1 % of them) becomes 1: one odd cell does not decide the scale of the others."""
SST_SILENCE_MM_S2 = 1e-9
"""A smaller scale is rounding, not motion: a radar's own noise is a billion times as large."""
SST_GRID = 20
"""Samples after which frames at 60 Hz, frames at 30 Hz and samples meet."""


@dataclass(frozen=True, slots=True)
class SstSpec:
    """What may differ between two SSTs: both belong to a network's input and must be those it was trained with.

    frame_rate_hz: 60, averaged to 30 columns a second; or 30, half the work, aliased.
    look_ahead_s: how much later than its end a window is computed, 0 to 1 s, in whole samples.
    """

    frame_rate_hz: int = 60
    look_ahead_s: float = 0.0

    def __post_init__(self) -> None:
        if self.frame_rate_hz not in (30, 60):
            raise ValueError(f"frame_rate_hz is {self.frame_rate_hz}; 30 or 60")
        if not 0 <= self.look_ahead_s <= 1:
            raise ValueError(f"look_ahead_s is {self.look_ahead_s}; 0 to 1")
        if not math.isclose(self.look_ahead, self.look_ahead_s * RCG_RATE_HZ, abs_tol=1e-6):
            raise ValueError(f"look_ahead_s is {self.look_ahead_s}; a multiple of {1 / RCG_RATE_HZ:g}, a sample")

    @property
    def look_ahead(self) -> int:
        """Samples after the window that it uses."""
        return round(self.look_ahead_s * RCG_RATE_HZ)

    @property
    def segment(self) -> int:
        """Samples that one window needs: its past, itself, its look-ahead."""
        return SST_PAST + SST_WINDOW + self.look_ahead


SST_DEFAULT = SstSpec()

PIECE = 200
"""Samples of an ECG piece: one cycle around the window's middle beat, whatever its length."""
PIECE_R = 1 / 3
"""Where in the piece its R peak lies: the third of a cycle before it holds the P wave, the rest the T wave."""
ANCHOR_CLASSES = SST_WINDOW
"""An R peak can be at every sample of the window."""
CYCLE_MIN = 60
CYCLE_CLASSES = 260
"""Class c is a cycle of CYCLE_MIN + c samples, 200 to 37.6 bpm; the paper's 0 to 259 end at 46 bpm."""


def fingerprint(spec: SstSpec) -> str:
    """Return 16 hex digits for all that a network's input and output mean: another number, another fingerprint.

    Bundles, checkpoints and spectrograms on disk carry it. The keys and the text of `spec` are part of that format:
    they stay as they are when a constant or a field is renamed.
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
        "PIECE": PIECE,
        "PIECE_R": PIECE_R,
        "ANCHOR_CLASSES": ANCHOR_CLASSES,
        "CYCLE_MIN": CYCLE_MIN,
        "CYCLE_CLASSES": CYCLE_CLASSES,
    }
    sst = f"SstSpec(frame_rate_hz={spec.frame_rate_hz!r}, look_ahead_s={spec.look_ahead_s!r})"
    text = f"({sorted(numbers.items())!r}, {sst})"
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


INTENDED_USE: Final = "research"
NOT_A_DEVICE = "Research use only. Not a medical device."
