"""The device side of radarecg: turns raw 77 GHz radar frames into heart rate and signal quality, published over MQTT.

Research use only, not a medical device.
"""

__version__ = "0.1.0"
