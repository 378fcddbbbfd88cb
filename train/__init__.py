"""Training on a workstation: data, networks, strategies. It imports `edge`; `edge` never imports it."""

import sys

from edge.core.interrupts import end_quietly

if sys.argv[0] == "-m":  # python -m train... before the module is imported: from here on Ctrl-C prints no traceback
    end_quietly("train")
