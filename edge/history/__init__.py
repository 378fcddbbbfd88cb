"""History on the device: vitals, events and, if configured, the ECG of the past, in one bounded SQLite file.

`writer` is the sink of the pipeline, `store` the file, `blocks` its packed rows, `reader` its queries, `export` CSV and
EDF.
"""
