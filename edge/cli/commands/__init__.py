"""One module per command: `add_options` adds its options, `run` executes it. Only the chosen command is imported."""
