"""Every error that a user can meet: one code, one HTTP status, one sentence. Data, so that docs and tests read it."""

from enum import StrEnum
from typing import NamedTuple


class Code(StrEnum):
    """Stable names of errors. A code never changes its meaning; the sentence beside it may get better."""

    BAD_FRAME = "bad_frame"
    BAD_REQUEST = "bad_request"
    INTERNAL = "internal"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    RATE_LIMITED = "rate_limited"
    TOO_MANY_COMMANDS = "too_many_commands"
    TOO_MANY_CONNECTIONS = "too_many_connections"
    UNAVAILABLE = "unavailable"

    CREDENTIALS_INVALID = "credentials_invalid"
    LOGIN_THROTTLED = "login_throttled"
    ORIGIN_REFUSED = "origin_refused"
    PASSWORD_INVALID = "password_invalid"  # noqa: S105 - a code, not a password
    SERVICE_KEY_INVALID = "service_key_invalid"
    SESSION_ENDED = "session_ended"
    SESSION_UNKNOWN = "session_unknown"
    TOKEN_EXPIRED = "token_expired"  # noqa: S105
    TOKEN_INVALID = "token_invalid"  # noqa: S105
    TOKEN_MISSING = "token_missing"  # noqa: S105
    USERNAME_INVALID = "username_invalid"
    USERNAME_TAKEN = "username_taken"
    USER_UNKNOWN = "user_unknown"

    ALREADY_CONNECTED = "already_connected"
    CONTENT_EMPTY = "content_empty"
    CONTENT_FORBIDDEN = "content_forbidden"
    CONTENT_TOO_LONG = "content_too_long"
    KEY_INVALID = "key_invalid"
    KEY_REUSED = "key_reused"
    NOT_A_MEMBER = "not_a_member"
    POSITION_INVALID = "position_invalid"
    ROOM_EXISTS = "room_exists"
    ROOM_FOR_ALL = "room_for_all"
    ROOM_NAME_INVALID = "room_name_invalid"
    ROOM_UNKNOWN = "room_unknown"
    TOO_MANY_ROOMS = "too_many_rooms"
    TOPIC_INVALID = "topic_invalid"


class Meaning(NamedTuple):
    """What a code means to HTTP (`status`) and to a person (`sentence`); `retry`: the same try may succeed later."""

    status: int
    sentence: str
    retry: bool = False


MEANINGS: dict[Code, Meaning] = {
    Code.BAD_FRAME: Meaning(400, "The frame is not a command that this server knows; the detail says why."),
    Code.BAD_REQUEST: Meaning(422, "The request is not what this address takes; the detail says which field."),
    Code.INTERNAL: Meaning(500, "Something went wrong on the server; it has been logged.", retry=True),
    Code.NOT_FOUND: Meaning(404, "There is nothing at this address; see /docs for what there is."),
    Code.METHOD_NOT_ALLOWED: Meaning(405, "This address takes another HTTP method; see /docs."),
    Code.RATE_LIMITED: Meaning(429, "Too fast; wait for the time given and go on.", retry=True),
    Code.TOO_MANY_COMMANDS: Meaning(429, "Too many commands await their reply on this connection.", retry=True),
    Code.TOO_MANY_CONNECTIONS: Meaning(429, "Too many connections; close one and try again.", retry=True),
    Code.UNAVAILABLE: Meaning(503, "A part of the server is away; try the same again, with the same key.", retry=True),
    Code.CREDENTIALS_INVALID: Meaning(401, "The username or the password is wrong."),
    Code.LOGIN_THROTTLED: Meaning(429, "Too many failed logins; wait for the time given.", retry=True),
    Code.ORIGIN_REFUSED: Meaning(403, "Pages of this origin may not connect; the operator lists those that may."),
    Code.PASSWORD_INVALID: Meaning(422, "This password can't be used; the detail says why."),
    Code.SERVICE_KEY_INVALID: Meaning(401, "This address is for Chatterbox's own services."),
    Code.SESSION_ENDED: Meaning(401, "The session has ended; log in again."),
    Code.SESSION_UNKNOWN: Meaning(404, "You have no session with this id."),
    Code.TOKEN_EXPIRED: Meaning(401, "The token has expired; log in again."),
    Code.TOKEN_INVALID: Meaning(401, "The token was not issued by this server; log in again."),
    Code.TOKEN_MISSING: Meaning(401, "A token is needed: log in and send it as 'Authorization: Bearer'."),
    Code.USERNAME_INVALID: Meaning(422, "This username can't be used; the detail says why."),
    Code.USERNAME_TAKEN: Meaning(409, "This username, or one that looks like it, is taken."),
    Code.USER_UNKNOWN: Meaning(404, "There is no user of this name."),
    Code.ALREADY_CONNECTED: Meaning(409, "This connection belongs to another session already."),
    Code.CONTENT_EMPTY: Meaning(422, "A message needs at least one visible character."),
    Code.CONTENT_FORBIDDEN: Meaning(422, "The message has a character that is not allowed; the detail names it."),
    Code.CONTENT_TOO_LONG: Meaning(422, "The message is too long; the detail names the limit."),
    Code.KEY_INVALID: Meaning(422, "An idempotency key is 1-64 letters, digits or '_.:-'."),
    Code.KEY_REUSED: Meaning(409, "This key was used for a message with other content; make a new key."),
    Code.NOT_A_MEMBER: Meaning(403, "You are not a member of this room; join it first."),
    Code.POSITION_INVALID: Meaning(422, "This position does not exist in this room; read from its end."),
    Code.ROOM_EXISTS: Meaning(409, "A room of this name exists, or the name can't be had."),
    Code.ROOM_FOR_ALL: Meaning(409, "Everybody is a member of this room; nobody leaves it."),
    Code.ROOM_NAME_INVALID: Meaning(422, "A room's name is 1-40 letters, digits or '_.-'."),
    Code.ROOM_UNKNOWN: Meaning(404, "There is no such room that you may see."),
    Code.TOO_MANY_ROOMS: Meaning(409, "You are in as many rooms as one can be; leave one first."),
    Code.TOPIC_INVALID: Meaning(422, "This topic can't be used; the detail says why."),
}


class ChatError(Exception):
    """A refusal that its user may read. Anything else that is raised is a bug.

    `detail` is one sentence (the code's own unless given); `retry_after_s` is in seconds, where trying
    again helps.
    """

    def __init__(self, code: Code, detail: str | None = None, *, retry_after_s: float | None = None) -> None:
        self.code = code
        self.detail = detail or MEANINGS[code].sentence
        self.retry_after_s = retry_after_s
        super().__init__(f"{code}: {self.detail}")

    @property
    def status(self) -> int:
        """The HTTP status of this refusal."""
        return MEANINGS[self.code].status
