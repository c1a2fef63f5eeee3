"""Logs: `noun.verb` and fields, as text or JSON. No secret and no message text gets into one.

Uvicorn logs a WebSocket's whole path, with `?token=`, whenever it accepts or refuses one; so its logger is
quietened, and whatever still comes is cut by `redact`.
"""

import json
import logging
import re
import sys
import time

from chatterbox.chassis.observability import request_ids

_SECRET = re.compile(
    r"((?:token|password|access_token)=)[^&\s\"'\\]+|(Bearer\s+)[^\s\"'\\]+|\beyJ[\w-]+\.[\w-]+\.[\w-]*", re.IGNORECASE
)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


def redact(text: str) -> str:
    """Cut whatever looks like a token out of `text`.

    >>> redact("GET /ws?token=eyJh.eyJz.c2ln&x=1")
    'GET /ws?token=[cut]&x=1'
    """
    return _SECRET.sub(lambda found: (found[1] or found[2] or "") + "[cut]", text)


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    """What was given as `extra`."""
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def name_request(record: logging.LogRecord) -> bool:
    """Write the id of the request that is being answered into a record, as its field `request`."""
    if (request_id := request_ids.current()) is not None:
        record.request = request_id
    return True


class TextFormatter(logging.Formatter):
    """`12:00:00.123 info gateway connection.closed user_id=7`, control characters escaped."""

    def format(self, record: logging.LogRecord) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(record.created)) + f".{int(record.msecs):03d}"
        fields = "".join(f" {name}={value}" for name, value in fields_of(record).items())
        line = f"{clock} {record.levelname.lower()} {record.name} {record.getMessage()}{fields}"
        trace = self.formatException(record.exc_info).split("\n") if record.exc_info else []
        return redact("\n".join(map(_escape, [line, *trace])))


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

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
    """Send every logger of this process to standard error, in one format."""
    out = logging.StreamHandler(sys.stderr)
    out.setFormatter(JsonFormatter() if as_json else TextFormatter())
    out.addFilter(name_request)
    logging.basicConfig(level=level.upper(), handlers=[out], force=True)
    for noisy in ("uvicorn.error", "uvicorn.access", "httpx", "httpcore", "aiosqlite", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
