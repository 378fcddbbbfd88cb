"""The digital twin: simulates a person in front of an AWR1843 with a DCA1000, down to the UDP packets.

It replaces the boards: the runtime cannot distinguish them. In addition the twin provides the true heart rate.
"""
