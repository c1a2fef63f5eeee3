"""Why a login is good no more, in words for people. The wire's own are for developers, who know of tokens.

What to type then is not in them: it differs by server and profile, and who knows these adds it.
"""

from collections.abc import Mapping

from chatterbox.wire.close_codes import CloseCode
from chatterbox.wire.errors import Code

_REFUSED = "The server does not accept this login any more."
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
