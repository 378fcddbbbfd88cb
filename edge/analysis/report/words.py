"""The words that a report explains."""

WORDS = {
    "heart rate": "Beats a minute over the last 10 s. The band around it is its 95 % interval: the true rate is inside "
    "it in 95 of 100 cases, if the assumptions of the method hold.",
    "withheld": "No rate is given where it would probably be wrong; the reasons are listed above. An old rate is never "
    "repeated.",
    "ECG": "Reconstructed by a neural network from the motion of the chest. It shows the rhythm and a usual shape, not "
    "a measured lead: amplitudes and small details have no meaning.",
    "R peak": "The main peak of a heartbeat in an ECG, marked by a triangle.",
    "tachogram": "The time from each R peak to the next. A dot far from the others is an early or late beat, or one "
    "that was missed or added.",
    "RMSSD, SDNN": "Two measures of how much this time varies, in ms, over a minute. They contain the radar's own "
    "timing error of about 10 ms.",
    "SST": "Synchrosqueezed transform: which frequencies the chest vibrates with, over time; bright is strong. Each "
    "beat shows two bright marks, when the aortic valve opens and when it closes.",
    "quality": "good, degraded (use with care) or unusable (the heart rate is withheld).",
}
REASONS = {
    "radar_fault": "the radar sent nothing, or no data of a chest",
    "stale": "no frame for more than a second",
    "no_subject": "nobody in view",
    "body_movement": "the person moved",
    "warming_up": "too little history, at the start or after a movement",
    "low_snr": "the motion had no clear period",
    "model_uncertain": "the sources contradicted one another",
    "frame_loss": "frames were lost",
    "clock_unsynced": "the computer's clock was not synchronized: times may be wrong",
    "network_failed": "the network did not run",
}
"""Each quality flag, in words."""
