"""Converts a checkpoint to a bundle and a TensorRT engine. It imports `train` and `edge`; neither imports it."""

import sys

from edge.core.interrupts import end_quietly

if sys.argv[0] == "-m":  # python -m export..., before Python has found the module: handle Ctrl-C from now on
    end_quietly("export")
