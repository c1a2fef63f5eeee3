"""Request ids: one per HTTP request, passed on to other services and included in log lines.

A caller may choose one in `X-Request-Id`; anything that does not look like an id is replaced, to keep logs clean.
"""

import random
import re
from contextvars import ContextVar

HEADER = "X-Request-Id"
"""The header that carries the id, in requests and responses."""
_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}", re.ASCII)
_current: ContextVar[str | None] = ContextVar("chatterbox.request_id", default=None)


def current() -> str | None:
    """The id of the request that the current task handles, if any."""
    return _current.get()


def begin(request_id: str | None) -> None:
    """Set the request id of the current task and of tasks that it starts from now on (None: no request)."""
    _current.set(request_id)


def accepted(received: str | None) -> str:
    """The id that a caller sent if it is valid, else a new one.

    >>> accepted("deploy-7.1"), len(accepted("two words")), len(accepted(None))
    ('deploy-7.1', 16, 16)
    """
    return received if received is not None and _ID.fullmatch(received) else new()


def new() -> str:
    """A random id of 16 hexadecimal digits."""
    return f"{random.getrandbits(64):016x}"
