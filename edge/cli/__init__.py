"""The command line: `parser` holds the table of commands; each command is a module in `commands`."""
