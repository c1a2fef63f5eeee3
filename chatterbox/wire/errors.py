"""Error codes: each with an HTTP status, a sentence, and whether to retry. Docs and tests read this table."""

from enum import StrEnum
from typing import NamedTuple


class Code(StrEnum):
    """Stable identifiers of errors. A code never changes its meaning; its sentence may be improved."""

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
    HOST_REFUSED = "host_refused"
    INVITATION_INVALID = "invitation_invalid"
    LOGIN_THROTTLED = "login_throttled"
    ORIGIN_REFUSED = "origin_refused"
    PASSWORD_INVALID = "password_invalid"  # noqa: S105 - a code, not a password
    REGISTRATION_CLOSED = "registration_closed"
    RESET_CODE_INVALID = "reset_code_invalid"
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
    BACKUP_FULL = "backup_full"
    BACKUP_STALE = "backup_stale"
    CHANGED_MEANWHILE = "changed_meanwhile"
    CONTENT_EMPTY = "content_empty"
    CONTENT_FORBIDDEN = "content_forbidden"
    CONTENT_TOO_LONG = "content_too_long"
    DEVICE_REMOVED = "device_removed"
    DEVICE_UNBOUND = "device_unbound"
    DEVICE_UNKNOWN = "device_unknown"
    DIRECT_REFUSED = "direct_refused"
    DISPLAY_NAME_INVALID = "display_name_invalid"
    ENCRYPTION_OFF = "encryption_off"
    ENCRYPTION_REQUIRED = "encryption_required"
    ENVELOPE_INVALID = "envelope_invalid"
    FILE_REFUSED = "file_refused"
    FILE_TOO_LARGE = "file_too_large"
    FILE_UNKNOWN = "file_unknown"
    KEY_INVALID = "key_invalid"
    KEY_REUSED = "key_reused"
    LAST_MEMBER = "last_member"
    LIST_INVALID = "list_invalid"
    LIST_STALE = "list_stale"
    MEMBER_ENTRY_INVALID = "member_entry_invalid"
    MEMBER_ENTRY_MISSING = "member_entry_missing"
    MEMBER_LOG_STALE = "member_log_stale"
    MESSAGE_DELETED = "message_deleted"
    MESSAGE_UNKNOWN = "message_unknown"
    NOT_ALLOWED = "not_allowed"
    NOT_A_MEMBER = "not_a_member"
    NOT_THE_CREATOR = "not_the_creator"
    NOT_YOURS = "not_yours"
    ONE_TIME_KEY_TAKEN = "one_time_key_taken"
    POSITION_INVALID = "position_invalid"
    PROFILE_INVALID = "profile_invalid"
    QUOTA_FULL = "quota_full"
    REACTION_INVALID = "reaction_invalid"
    RECIPIENTS_STALE = "recipients_stale"
    REMOVED_FROM_ROOM = "removed_from_room"
    ROOM_ENCRYPTED = "room_encrypted"
    ROOM_EXISTS = "room_exists"
    ROOM_FOR_ALL = "room_for_all"
    ROOM_NAME_INVALID = "room_name_invalid"
    ROOM_NOT_ENCRYPTED = "room_not_encrypted"
    ROOM_UNKNOWN = "room_unknown"
    STORE_SUPERSEDED = "store_superseded"
    TOO_LATE = "too_late"
    TOO_MANY_DEVICES = "too_many_devices"
    TOO_MANY_FILES = "too_many_files"
    TOO_MANY_PINS = "too_many_pins"
    TOO_MANY_RECIPIENTS = "too_many_recipients"
    TOO_MANY_REACTIONS = "too_many_reactions"
    TOO_MANY_ROOMS = "too_many_rooms"
    TO_DEVICE_GAP = "to_device_gap"
    TOPIC_INVALID = "topic_invalid"
    UPLOAD_CONFLICT = "upload_conflict"
    UPLOAD_UNKNOWN = "upload_unknown"


class Meaning(NamedTuple):
    """HTTP status and sentence of a code; `retry`: the same request may succeed later."""

    status: int
    sentence: str
    retry: bool = False


MEANINGS: dict[Code, Meaning] = {
    Code.BAD_FRAME: Meaning(400, "The frame is not a valid command; the detail says why."),
    Code.BAD_REQUEST: Meaning(422, "The request is not valid; the detail names the field."),
    Code.INTERNAL: Meaning(500, "Internal server error; it has been logged.", retry=True),
    Code.NOT_FOUND: Meaning(404, "Not found; see /docs for the API."),
    Code.METHOD_NOT_ALLOWED: Meaning(405, "This HTTP method is not supported here; see /docs."),
    Code.RATE_LIMITED: Meaning(429, "Rate limit exceeded.", retry=True),
    Code.TOO_MANY_COMMANDS: Meaning(429, "Too many commands are waiting for a reply on this connection.", retry=True),
    Code.TOO_MANY_CONNECTIONS: Meaning(429, "Too many connections. Close one and try again.", retry=True),
    Code.UNAVAILABLE: Meaning(
        503, "Part of the server is temporarily unavailable. Retry the same request.", retry=True
    ),
    Code.CREDENTIALS_INVALID: Meaning(401, "Wrong username or password."),
    Code.HOST_REFUSED: Meaning(421, "This server does not answer to the host name of the request."),
    Code.INVITATION_INVALID: Meaning(
        403, "Registration needs an invitation code that is valid and unused. Ask the operator for one."
    ),
    Code.LOGIN_THROTTLED: Meaning(429, "Too many failed logins.", retry=True),
    Code.ORIGIN_REFUSED: Meaning(403, "Web pages of this origin are not allowed to connect."),
    Code.PASSWORD_INVALID: Meaning(422, "That password is not allowed; the detail says why."),
    Code.REGISTRATION_CLOSED: Meaning(403, "Registration is closed on this server."),
    Code.RESET_CODE_INVALID: Meaning(
        403, "That reset code is wrong, used or expired. Ask the operator for another one."
    ),
    Code.SERVICE_KEY_INVALID: Meaning(401, "This address is only for Chatterbox's own services."),
    Code.SESSION_ENDED: Meaning(401, "The session has ended; log in again."),
    Code.SESSION_UNKNOWN: Meaning(404, "You have no session with that id."),
    Code.TOKEN_EXPIRED: Meaning(401, "The token has expired; log in again."),
    Code.TOKEN_INVALID: Meaning(401, "The token was not issued by this server; log in again."),
    Code.TOKEN_MISSING: Meaning(401, "A token is required: log in and send it as 'Authorization: Bearer TOKEN'."),
    Code.USERNAME_INVALID: Meaning(422, "That username is not allowed; the detail says why."),
    Code.USERNAME_TAKEN: Meaning(409, "That username, or one that looks like it, is taken."),
    Code.USER_UNKNOWN: Meaning(404, "No user with that name."),
    Code.ALREADY_CONNECTED: Meaning(409, "This connection already belongs to another session."),
    Code.BACKUP_FULL: Meaning(409, "The key backup is full; the detail names the limit."),
    Code.BACKUP_STALE: Meaning(409, "Another device changed the key backup. Read it, and try again."),
    Code.CHANGED_MEANWHILE: Meaning(409, "The message changed since you saw it. Look at it as it is now."),
    Code.CONTENT_EMPTY: Meaning(422, "A message needs at least one visible character."),
    Code.CONTENT_FORBIDDEN: Meaning(422, "The message contains a character that is not allowed; the detail names it."),
    Code.CONTENT_TOO_LONG: Meaning(422, "The message is too long; the detail names the limit."),
    Code.DEVICE_REMOVED: Meaning(409, "The owner of this device removed it. Log in again as a new device."),
    Code.DEVICE_UNBOUND: Meaning(403, "This device belongs to another login session."),
    Code.DEVICE_UNKNOWN: Meaning(404, "There is no such device."),
    Code.DIRECT_REFUSED: Meaning(403, "That user does not take direct messages from you."),
    Code.DISPLAY_NAME_INVALID: Meaning(422, "That display name is not allowed; the detail says why."),
    Code.ENCRYPTION_OFF: Meaning(409, "End-to-end encryption is switched off on this server."),
    Code.ENCRYPTION_REQUIRED: Meaning(
        409, "Direct conversations of this server are encrypted; this one is not, and takes no new messages."
    ),
    Code.ENVELOPE_INVALID: Meaning(422, "This is not an encrypted message as rooms take them; the detail says why."),
    Code.FILE_REFUSED: Meaning(415, "The file was refused; the detail says why."),
    Code.FILE_TOO_LARGE: Meaning(413, "The file is too large; the detail names the limit."),
    Code.FILE_UNKNOWN: Meaning(404, "There is no such file, or you may not read it."),
    Code.KEY_INVALID: Meaning(422, "An idempotency key must be 1-64 letters, digits or '_.:-'."),
    Code.KEY_REUSED: Meaning(409, "This key was already used for a message with different content. Use a new key."),
    Code.LAST_MEMBER: Meaning(
        409, "You are the last member of this private room: if you leave, it is deleted. Confirm that with `delete`."
    ),
    Code.LIST_INVALID: Meaning(422, "The device list is not valid; the detail names the signature or the field."),
    Code.LIST_STALE: Meaning(409, "Another device changed the device list. Read it, and try again."),
    Code.MEMBER_ENTRY_INVALID: Meaning(422, "The entry of the room's member log is not valid; the detail says why."),
    Code.MEMBER_ENTRY_MISSING: Meaning(
        409, "The member log of this encrypted room needs a signed entry for that; the program `chatterbox` makes them."
    ),
    Code.MEMBER_LOG_STALE: Meaning(
        409, "Another member changed the room's member log. Get its new entries, and sign again."
    ),
    Code.MESSAGE_DELETED: Meaning(409, "That message was deleted."),
    Code.MESSAGE_UNKNOWN: Meaning(404, "There is no message at this offset of the room."),
    Code.NOT_ALLOWED: Meaning(403, "You may not do that in this room; the detail says who may."),
    Code.NOT_A_MEMBER: Meaning(403, "You are not a member of this room. Join it first."),
    Code.NOT_THE_CREATOR: Meaning(403, "Only the creator of this room can do that."),
    Code.NOT_YOURS: Meaning(403, "That message is not yours."),
    Code.ONE_TIME_KEY_TAKEN: Meaning(409, "The server has another key under this id."),
    Code.POSITION_INVALID: Meaning(422, "This position does not exist in this room. Read from the end of the room."),
    Code.PROFILE_INVALID: Meaning(422, "That profile is not allowed; the detail names the field and the limit."),
    Code.QUOTA_FULL: Meaning(507, "There is no space for the file; the detail says what you can do."),
    Code.REACTION_INVALID: Meaning(422, "A reaction must be one emoji, or a name such as `:tada:`."),
    Code.RECIPIENTS_STALE: Meaning(
        409, "Who can read here has changed; nothing was stored. Get the recipients, share the keys, encrypt again."
    ),
    Code.REMOVED_FROM_ROOM: Meaning(403, "You were removed from this room. Ask a member to invite you again."),
    Code.ROOM_ENCRYPTED: Meaning(
        409, "This conversation takes encrypted messages only; the program `chatterbox` makes them."
    ),
    Code.ROOM_EXISTS: Meaning(409, "That room name is taken or reserved."),
    Code.ROOM_FOR_ALL: Meaning(409, "Everyone is a member of this room; it can't be left."),
    Code.ROOM_NAME_INVALID: Meaning(422, "A room name must be 1-40 letters, digits or '_.-'."),
    Code.ROOM_NOT_ENCRYPTED: Meaning(409, "This room is not encrypted; an encrypted message has no place here."),
    Code.ROOM_UNKNOWN: Meaning(404, "No such room, or it is private and you are not in it."),
    Code.STORE_SUPERSEDED: Meaning(
        409, "This key store is an old copy, or in use on another computer. Log in there as a new device."
    ),
    Code.TOO_LATE: Meaning(403, "It is too late to edit this message; the detail names the limit."),
    Code.TOO_MANY_DEVICES: Meaning(409, "You have the maximum number of devices. Remove one first."),
    Code.TOO_MANY_FILES: Meaning(409, "Too many files; the detail names the limit."),
    Code.TOO_MANY_PINS: Meaning(409, "The room has the maximum number of pinned messages. Unpin one first."),
    Code.TOO_MANY_RECIPIENTS: Meaning(409, "More devices would read this room than an encrypted room can have."),
    Code.TOO_MANY_REACTIONS: Meaning(409, "The message has the maximum number of different reactions."),
    Code.TOO_MANY_ROOMS: Meaning(409, "You are in the maximum number of rooms. Leave one first."),
    Code.TO_DEVICE_GAP: Meaning(409, "A to-device message before this one is missing. Send that one first."),
    Code.TOPIC_INVALID: Meaning(422, "That topic is not allowed; the detail says why."),
    Code.UPLOAD_CONFLICT: Meaning(409, "The upload is at another offset; ask for it, and continue from there."),
    Code.UPLOAD_UNKNOWN: Meaning(404, "There is no such upload; it may have ended or expired. Begin a new one."),
}


class ChatError(Exception):
    """A refusal whose message is shown to the user. Any other exception is a bug.

    `detail` defaults to the code's sentence; `retry_after_s` is set (seconds) if retrying helps.
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
