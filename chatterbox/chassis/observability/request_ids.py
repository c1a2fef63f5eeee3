"""Request ids: each HTTP request has one, it goes along with the calls made on its behalf, and logs name it.

A caller may give one in `X-Request-Id`; what doesn't look like an id is replaced, so that nothing foreign reaches logs.
"""

import random
import re
from contextvars import ContextVar

HEADER = "X-Request-Id"
"""The header that carries an id, in requests and in answers."""
_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}", re.ASCII)
_current: ContextVar[str | None] = ContextVar("chatterbox.request_id", default=None)


def current() -> str | None:
    """The id of the request that this task works for."""
    return _current.get()


def begin(request_id: str | None) -> None:
    """From here on, this task and those that it starts work for `request_id` (None: for nobody)."""
    _current.set(request_id)


def accepted(given: str | None) -> str:
    """The id that a caller gave, or a new one where that is none.

    >>> accepted("deploy-7.1"), len(accepted("two words")), len(accepted(None))
    ('deploy-7.1', 16, 16)
    """
    return given if given is not None and _ID.fullmatch(given) else new()


def new() -> str:
    """An id that nothing else has."""
    return f"{random.getrandbits(64):016x}"
