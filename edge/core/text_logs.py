"""Log records as text, one line each: a name from outside that contains a line break cannot forge another record."""

from __future__ import annotations

import logging
import re

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def one_line(text: str) -> str:
    """Return a text with its control characters, such as line breaks, written as in a Python string."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


class TextFormatter(logging.Formatter):
    """Formats a record as time, level, logger and message; only a traceback follows on further lines, indented."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the name in logging
        """Return the record's line."""
        record.message = one_line(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: object) -> str:  # noqa: N802  # the name in logging
        """Return the traceback, indented, so that no line of it looks like a record."""
        return "\n".join(f"    {one_line(line)}" for line in super().formatException(ei).split("\n"))  # type: ignore[arg-type]


def use_text_logs() -> None:
    """Log to stderr, from the level INFO, with the text formatter on every handler of the root logger."""
    logging.basicConfig(level=logging.INFO)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(TextFormatter())
