"""Training on a workstation: data, networks, strategies. May use `edge`; `edge` never imports it."""

import sys

from edge.core.interrupts import end_quietly

if sys.argv[0] == "-m":  # python -m train..., and Python is still looking for the module: Ctrl-C is quiet from here on
    end_quietly("train")
