"""Why a WebSocket was closed. 1001, 1012 and 4000-4499 mean come back (with jitter); 4500-4999 mean do not."""

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


SENTENCES: dict[CloseCode, str] = {
    CloseCode.NORMAL: "The client asked for it.",
    CloseCode.GOING_AWAY: "The server is going away; come back.",
    CloseCode.PROTOCOL_ERROR: "The bytes were not the WebSocket protocol.",
    CloseCode.BAD_TEXT: "A text frame was not UTF-8.",
    CloseCode.TOO_BIG: "A frame was larger than limits.frame_bytes, or came in too many fragments.",
    CloseCode.RESTART: "This gateway is restarting; come back, another one answers.",
    CloseCode.BEHIND: "You read nothing for too long; come back and resume.",
    CloseCode.EPOCH_CHANGED: "The history of a room was restored; come back and see where to read from.",
    CloseCode.CONNECT_TIMEOUT: "No connect frame came in time; come back with a token.",
    CloseCode.UNAVAILABLE: "A part of the server is away; come back.",
    CloseCode.TOO_MANY_CONNECTIONS: "You have too many connections; close one, then come back.",
    CloseCode.TOKEN_REFUSED: "The token was refused; log in again.",
    CloseCode.SESSION_ENDED: "The session has ended; log in again.",
    CloseCode.TOKEN_EXPIRED: "The token has expired; log in again.",
    CloseCode.TOO_MANY_BAD_FRAMES: "Too many frames that were no commands; mend the client.",
}


def may_return(code: int) -> bool:
    """Whether a client should connect again by itself after `code`.

    >>> may_return(1012), may_return(4029), may_return(4501), may_return(1006)
    (True, True, False, True)
    """
    if code in {CloseCode.NORMAL, CloseCode.PROTOCOL_ERROR, CloseCode.BAD_TEXT, CloseCode.TOO_BIG}:
        return False
    return not 4500 <= code <= 4999
