"""The recipient check: an encrypted message is stored only if exactly those who can read its room have its key. Pure.

It compares numbers. A room's `recipients` grows with each change of who can read it, and `closed_at` is its value when
last someone lost that. A session's keys were shared with all recipients of one version, and it began at one. So a
message may be stored if it was encrypted for the room's version, its session was shared for that version, and the
session is not known to a device that has gone.

It protects against races and mistakes. Against a server that lies, clients check signatures themselves.
"""

from collections.abc import Mapping
from typing import NamedTuple

from chatterbox.wire.encryption import envelope
from chatterbox.wire.encryption.key_api import DeviceState
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits

SESSION_AT = slice(14, 57)
"""Where the session stands in an envelope."""
USED_EVERY_MS = 3600 * 1000
"""How exactly it is known when a session was used last (milliseconds)."""


class SessionKey(NamedTuple):
    """Which session a message is encrypted with."""

    room_id: int
    session: str


class SessionFacts(NamedTuple):
    """What is stored about a session, its room, and the device that began it."""

    recipients: int
    """Of the room."""
    closed_at: int
    """Of the room."""
    shared_for: int
    """The version of the recipients who all have its keys; 0: some have none yet."""
    began_at: int
    used_ms: int
    user_id: int
    device: str
    state: str
    """Of the device."""


class RecipientCheck:
    """Checks the encrypted messages and changes of one transaction."""

    def __init__(self, facts: Mapping[SessionKey, SessionFacts], *, now_ms: int, limits: Limits) -> None:
        self._facts = facts
        self._now_ms = now_ms
        self._limits = limits
        self.used: dict[tuple[int, str], int] = {}
        """By room id and session: when sessions were used, of those for which that is to be stored."""

    def parse(self, content: str) -> envelope.Envelope:
        """The envelope in the content of a message; raises `envelope_invalid`."""
        return envelope.parse(content, self._limits.envelope_bytes)

    def parse_reactions(self, content: str) -> envelope.Envelope:
        """The envelope of a user's reactions to a message; raises `envelope_invalid`."""
        return envelope.parse(content, self._limits.reaction_envelope_bytes)

    def parse_topic(self, content: str) -> envelope.Envelope:
        """The envelope of a room's topic; raises `envelope_invalid`."""
        return envelope.parse(content, self._limits.topic_envelope_bytes)

    def require(self, room_id: int, user_id: int, used: envelope.Envelope, recipients: int) -> None:
        """Raise `recipients_stale` unless this envelope may be stored; it was encrypted for version `recipients`."""
        facts = self._facts.get(SessionKey(room_id, used.session))
        is_own = facts is not None and facts.user_id == user_id and facts.device == used.device
        if facts is None or not is_own or not is_current(facts, recipients):
            raise ChatError(Code.RECIPIENTS_STALE)
        if self._now_ms - facts.used_ms >= USED_EVERY_MS:
            self.used[room_id, used.session] = self._now_ms


NONE_ENCRYPTED = RecipientCheck({}, now_ms=0, limits=Limits())
"""For transactions without encrypted messages."""


def is_current(facts: SessionFacts, recipients: int) -> bool:
    """Whether exactly those who can read the room have the keys of a message for version `recipients`."""
    return (
        facts.recipients == recipients == facts.shared_for
        and facts.began_at >= facts.closed_at
        and facts.state == DeviceState.LISTED
    )


def session_key(room_id: int, content: str) -> SessionKey:
    """Which session a message names, of which only the length is known; a malformed one names none that exists.

    >>> session_key(1, "e1.ABCDEFGHIJ." + "s" * 43 + ".Zm9v") == SessionKey(1, "s" * 43)
    True
    """
    return SessionKey(room_id, content[SESSION_AT])
