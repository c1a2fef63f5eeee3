"""Log format: an event `noun.verb` plus fields, as text or JSON; tokens and passwords are redacted.

Uvicorn logs the full path of a WebSocket, including `?token=`, whenever it accepts or refuses one. So its loggers are
set to WARNING, and `redact` removes what still looks like a secret.
"""

import json
import logging
import re
import sys
import time

from chatterbox.chassis.observability import request_ids
from chatterbox.chassis.observability.rate_limited_log import RepeatedTraceFilter

_SECRET = re.compile(
    r"((?:token|password|access_token)=)[^&\s\"'\\]+|(Bearer\s+)[^\s\"'\\]+|\beyJ[\w-]+\.[\w-]+\.[\w-]*", re.IGNORECASE
)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


def redact(text: str) -> str:
    """Replace everything in `text` that looks like a token or password by `[cut]`.

    >>> redact("GET /ws?token=eyJh.eyJz.c2ln&x=1")
    'GET /ws?token=[cut]&x=1'
    """
    return _SECRET.sub(lambda match: (match[1] or match[2] or "") + "[cut]", text)


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    """The fields passed as `extra`."""
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def add_request_id(record: logging.LogRecord) -> bool:
    """Logging filter: add the id of the current request to the record, as field `request`."""
    if (request_id := request_ids.current()) is not None:
        record.request = request_id
    return True


class TextFormatter(logging.Formatter):
    """One line such as `12:00:00.123 info gateway connection.closed user_id=7`; control characters are escaped."""

    def format(self, record: logging.LogRecord) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(record.created)) + f".{int(record.msecs):03d}"
        fields = "".join(f" {name}={value}" for name, value in fields_of(record).items())
        line = f"{clock} {record.levelname.lower()} {record.name} {record.getMessage()}{fields}"
        trace = self.formatException(record.exc_info).split("\n") if record.exc_info else []
        return redact("\n".join(map(_escape, [line, *trace])))


class JsonFormatter(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **fields_of(record),
        }
        if record.exc_info:
            entry["trace"] = self.formatException(record.exc_info)
        return redact(json.dumps(entry, default=str))


def _escape(line: str) -> str:
    if line.isprintable():
        return line
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in line)


def configure(level: str, *, as_json: bool) -> None:
    """Configure logging of this process: everything to standard error, in one format."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    handler.addFilter(add_request_id)
    handler.addFilter(RepeatedTraceFilter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("uvicorn.error", "uvicorn.access", "httpx", "httpcore", "aiosqlite", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
