"""The digital twin: a person in front of an AWR1843 with a DCA1000, down to the UDP packets.

It stands where the boards would: the runtime cannot tell them apart. Only it knows the true heart rate.
"""
