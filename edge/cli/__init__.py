"""The command line: `parser` has the table of commands; each command is a module of `commands`."""
