"""Signal processing on arrays, without sockets or files."""
