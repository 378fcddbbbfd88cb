"""Signal processing: arrays in, arrays out. No sockets, no files."""
