"""Errors a user can mend."""


class InputError(ValueError):
    """Bad input. The message is one line: what was wrong, where, and what to do."""
