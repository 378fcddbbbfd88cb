"""The intended use, as every output states it."""

TYPE_CHECKING = False  # that of `typing`, whose import takes as long as the rest of `radarecg --version`
if TYPE_CHECKING:
    from typing import Final

INTENDED_USE: "Final" = "research"
NOT_A_DEVICE = "Research use only. Not a medical device."
