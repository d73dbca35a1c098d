"""Structured logs: one JSON object a line on standard error."""

from __future__ import annotations

import faulthandler
import json
import logging
import signal
import sys
from datetime import UTC, datetime

from countermark.service.traces import trace_id

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}


class JsonLines(logging.Formatter):
    """A record, its extra fields, the trace it belongs to and its traceback as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if trace := trace_id():
            line["trace_id"] = trace
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def set_up_logging(level: str) -> None:
    """Send all logs of this process to standard error as JSON lines, and on SIGUSR1 what each of its threads is at."""
    faulthandler.register(signal.SIGUSR1, file=sys.stderr, all_threads=True)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("dbos").handlers[:] = [handler]  # or it makes one of its own, which writes plain text
    logging.getLogger("countermark").setLevel(level)
    logging.getLogger("python_multipart").setLevel(
        logging.ERROR
    )  # it warns of every malformed body, which clients send
