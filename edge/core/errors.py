"""Errors caused by user input."""


class InputError(ValueError):
    """Invalid input. The message is one line that states what is wrong, where, and what to do."""


def install_hint(extra: str) -> str:
    """Return the command that installs an optional dependency group. It needs the folder: radarecg is not on PyPI."""
    return f"pip install '.[{extra}]' in radarecg's folder"
