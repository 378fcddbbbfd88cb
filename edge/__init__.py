"""radarecg on the device: raw 77 GHz radar frames in; heart rate, ECG and signal quality out over MQTT.

Research use only, not a medical device.
"""

__version__ = "0.1.0"
