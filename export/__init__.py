"""From a checkpoint to a bundle and a TensorRT engine. May use `train` and `edge`; neither imports it."""

import sys

from edge.core.interrupts import end_quietly

if sys.argv[0] == "-m":  # python -m export..., and Python is still looking for the module: Ctrl-C is quiet from here on
    end_quietly("export")
