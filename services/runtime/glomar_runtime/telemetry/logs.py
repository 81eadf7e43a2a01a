"""JSON log lines on stderr: time, level, place, text, trace id. Set up once by `service.run`.

A line's text is a constant of the code; what varies is in a few named extras. An exception is its class and
the places it passed, never its text, which may hold what somebody sent.
"""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime

from opentelemetry import trace

EXTRAS = ("error_type", "status", "count", "sequence", "conditions", "where", "port", "fault")


class JsonFormatter(logging.Formatter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage() if record.name.startswith("glomar") else str(record.msg),
        }
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            line["trace_id"] = f"{span.trace_id:032x}"
        line.update({name: record.__dict__[name] for name in EXTRAS if name in record.__dict__})
        if record.exc_info and record.exc_info[0] is not None:
            line["error_type"] = record.exc_info[0].__name__
            frames = traceback.extract_tb(record.exc_info[2])
            line["frames"] = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames]
        return json.dumps(line)


def set_up(service: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service))
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    for chatty in ("uvicorn", "nats", "faststream"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
