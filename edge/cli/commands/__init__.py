"""One module a command: `add_options` says what it takes, `run` does it. It is imported when its command is chosen."""
