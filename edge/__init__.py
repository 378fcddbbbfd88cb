"""The device side of radarecg: turns raw 77 GHz radar frames into heart rate and signal quality, published over MQTT.

Research use only, not a medical device.
"""

import os as _os
import sys as _sys

# More threads slow down the chain's small products. NumPy reads this when it is imported; a value that is set is kept.
if _os.environ.setdefault("OPENBLAS_NUM_THREADS", "1") == "1" and "numpy" in _sys.modules:
    try:
        from threadpoolctl import threadpool_limits as _threadpool_limits  # type: ignore[import-untyped]
    except ImportError:
        pass
    else:
        _threadpool_limits(1, "blas")

__version__ = "0.1.0"
