"""Numbers that two or more stages share. A number used by one file lives at the top of that file.

Nothing about the radar stands here: it comes from the chirp file (`edge.radar.firmware`).
"""

from typing import Final

SPEED_OF_LIGHT_M_S = 299_792_458.0

RCG_RATE_HZ = 200
"""Rate of every RCG and displacement sample after `edge.dsp.rcg`, whatever the frame rate."""

WAVEFORM_RATE_HZ = 50
"""Rate of the heart waveform, and of everything slower than the vibration of one beat."""

BLOCK_S = 0.1
"""The chain works on blocks of this length: long enough to vectorise, short against a heartbeat."""

HEART_RATE_RANGE_BPM = (40.0, 180.0)
BREATHING_RATE_RANGE_BPM = (6.0, 42.0)

WINDOW_S = 10.0
"""History behind one heart rate; published as `window_s`."""

VITALS_PERIOD_S = 1.0

INTENDED_USE: Final = "research"
NOT_A_DEVICE = "Research use only. Not a medical device."
