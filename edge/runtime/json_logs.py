"""JSON logs: one object per line. Logs contain data of devices and connections, never of a person."""

from __future__ import annotations

import json
import logging
from datetime import datetime, timezone


class JsonFormatter(logging.Formatter):
    """Formats a record as `t` (RFC 3339), `level`, `logger`, `message`, and `audit` or `exception` if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        moment = datetime.fromtimestamp(record.created, timezone.utc)
        line = {
            "t": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if audit := getattr(record, "audit", None):
            line["audit"] = audit
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def use_json_logs() -> None:
    """Set the JSON formatter on every handler of the root logger."""
    for handler in logging.getLogger().handlers:
        handler.setFormatter(JsonFormatter())
