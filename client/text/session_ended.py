"""Why a session ended, for people: the wire's sentences are for developers, and mention tokens.

The command that logs in again depends on server and profile; the caller appends it.
"""

from collections.abc import Mapping

from chatterbox.wire.close_codes import CloseCode
from chatterbox.wire.errors import Code

_REFUSED = "The server no longer accepts this login."
_ENDED = "The session has ended."
_EXPIRED = "The login has expired."

BY_CLOSE_CODE: Mapping[int, str] = {
    CloseCode.TOKEN_REFUSED: _REFUSED,
    CloseCode.SESSION_ENDED: _ENDED,
    CloseCode.TOKEN_EXPIRED: _EXPIRED,
}
BY_ERROR_CODE: Mapping[str, str] = {
    Code.SESSION_ENDED: _ENDED,
    Code.TOKEN_EXPIRED: _EXPIRED,
    Code.TOKEN_INVALID: _REFUSED,
    Code.TOKEN_MISSING: _REFUSED,
}
