"""Errors a user can mend."""


class InputError(ValueError):
    """Bad input. The message is one line: what was wrong, where, and what to do."""


def install_hint(extra: str) -> str:
    """What to type when an optional part of pyproject.toml is missing. radarecg is on no index: from its folder."""
    return f"pip install '.[{extra}]' in radarecg's folder"
