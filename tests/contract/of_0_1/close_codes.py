"""WebSocket close codes. Clients reconnect (with jitter) after 1001, 1012 and 4000-4499, not after 4500-4999."""

from enum import IntEnum


class CloseCode(IntEnum):
    """Close codes that this server sends; RFC 6455 section 7.4 for those below 4000."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    BAD_TEXT = 1007
    TOO_BIG = 1009
    RESTART = 1012

    BEHIND = 4000
    EPOCH_CHANGED = 4001
    CONNECT_TIMEOUT = 4002
    UNAVAILABLE = 4003
    TOO_MANY_CONNECTIONS = 4029

    TOKEN_REFUSED = 4500
    SESSION_ENDED = 4501
    TOKEN_EXPIRED = 4502
    TOO_MANY_BAD_FRAMES = 4503
    TOO_MANY_REFUSALS = 4504


SENTENCES: dict[CloseCode, str] = {
    CloseCode.NORMAL: "Closed by the client.",
    CloseCode.GOING_AWAY: "The server is shutting down. Reconnect.",
    CloseCode.PROTOCOL_ERROR: "The data violates the WebSocket protocol.",
    CloseCode.BAD_TEXT: "A text frame was not valid UTF-8.",
    CloseCode.TOO_BIG: "A message was larger than limits.frame_bytes, or had too many fragments.",
    CloseCode.RESTART: "This gateway is restarting. Reconnect to reach another one.",
    CloseCode.BEHIND: "The client read nothing for too long. Reconnect and resume.",
    CloseCode.EPOCH_CHANGED: "A room's history was restored from a backup. Reconnect to get the new positions.",
    CloseCode.CONNECT_TIMEOUT: "No connect frame arrived in time. Reconnect with a token.",
    CloseCode.UNAVAILABLE: "Part of the server is temporarily unavailable. Reconnect.",
    CloseCode.TOO_MANY_CONNECTIONS: "Too many connections. Close one, then reconnect.",
    CloseCode.TOKEN_REFUSED: "The token was refused; log in again.",
    CloseCode.SESSION_ENDED: "The session has ended; log in again.",
    CloseCode.TOKEN_EXPIRED: "The token has expired; log in again.",
    CloseCode.TOO_MANY_BAD_FRAMES: "Too many invalid frames. Fix the client.",
    CloseCode.TOO_MANY_REFUSALS: "More than limits.refusals_per_minute commands were refused. Fix the client.",
}


def may_reconnect(code: int) -> bool:
    """Whether a client should reconnect automatically after `code`.

    >>> may_reconnect(1012), may_reconnect(4029), may_reconnect(4501), may_reconnect(1006)
    (True, True, False, True)
    """
    if code in {CloseCode.NORMAL, CloseCode.PROTOCOL_ERROR, CloseCode.BAD_TEXT, CloseCode.TOO_BIG}:
        return False
    return not 4500 <= code <= 4999
