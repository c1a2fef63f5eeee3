"""What the core knows of encryption: which rooms are encrypted, what is being encrypted, and what waits. Pure data."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from chatterbox.wire.encryption.member_log import NewcomerHistory
from chatterbox.wire.frames import Edit, React, Send
from client.core.direct_rooms import NONE_ENCRYPTED, EncryptedDirects
from client.core.outbox_entry import OutboxEntry
from client.encryption.message_encryption import SignedCommand, WaitReason


@dataclass(frozen=True, slots=True)
class EncryptionJob:
    """A command that is being encrypted or signed; it is sent once that is done."""

    command: Send | Edit | React | SignedCommand
    """With the client's name of the room, and in clear."""
    entry: OutboxEntry | None = None
    """The message of the outbox that it is about; None: a person or a script waits for the reply."""
    tries: int = 1
    history: NewcomerHistory | None = None
    """What new members can read of a room that is created."""

    @property
    def room(self) -> str:
        return self.command.room


@dataclass(frozen=True, slots=True)
class EncryptionState:
    """Encryption in the core. Every method returns a new state."""

    is_possible: bool = False
    """Whether the server, as of the last welcome, carries encrypted messages."""
    private_must_be: bool = False
    """Whether the server, as of the last welcome, takes new private rooms only if they are encrypted."""
    directs: EncryptedDirects = NONE_ENCRYPTED
    uids: Mapping[str, str] = field(default_factory=dict)
    """What encrypted rooms are called inside encrypted messages, by the client's name of the room."""
    marked_plain: frozenset[str] = frozenset()
    """Rooms that are encrypted by their names, and of which the server says otherwise."""
    unreadable_topics: frozenset[str] = frozenset()
    """Rooms with a topic that can't be read here."""
    jobs: Mapping[int, EncryptionJob] = field(default_factory=dict)
    next_job: int = 1
    outdated: frozenset[str] = frozenset()
    """Rooms whose next message must be encrypted once more: the server refused it, or its text changed."""
    stale: Mapping[str, int] = field(default_factory=dict)
    """How many times in a row the server refused a room's message as encrypted for others than can read now."""
    waiting: Mapping[str, WaitReason] = field(default_factory=dict)
    """Rooms whose next message waits, until something happens that lets it go."""
    shown_reasons: Mapping[str, WaitReason] = field(default_factory=dict)
    """Why a room's messages wait, as the user was told last; it is not told again until one was sent."""

    def begin(self, job: EncryptionJob) -> "EncryptionState":
        return replace(self, jobs={**self.jobs, self.next_job: job}, next_job=self.next_job + 1)

    def end(self, number: int) -> "EncryptionState":
        return replace(self, jobs={each: job for each, job in self.jobs.items() if each != number})

    def is_encrypting_for(self, room: str) -> bool:
        """Whether a message of the outbox for `room` is being encrypted."""
        return any(job.entry is not None and job.room == room for job in self.jobs.values())

    def with_outdated(self, room: str, *, outdated: bool) -> "EncryptionState":
        return replace(self, outdated=self.outdated | {room} if outdated else self.outdated - {room})

    def with_stale(self, room: str, times: int) -> "EncryptionState":
        others = {name: count for name, count in self.stale.items() if name != room}
        return replace(self, stale={**others, room: times} if times else others)

    def with_waiting(self, room: str, reason: WaitReason | None) -> "EncryptionState":
        others = {name: why for name, why in self.waiting.items() if name != room}
        if reason is None:
            return replace(self, waiting=others)
        return replace(self, waiting={**others, room: reason}).with_shown(room, reason)

    def with_shown(self, room: str, reason: WaitReason | None) -> "EncryptionState":
        others = {name: why for name, why in self.shown_reasons.items() if name != room}
        return replace(self, shown_reasons=others if reason is None else {**others, room: reason})

    def acknowledged(self, room: str) -> "EncryptionState":
        """The state after a message of `room` was stored."""
        return self.with_stale(room, 0).with_shown(room, None)

    def waits_for_enter(self, room: str) -> bool:
        """Whether a message of `room` waits because keys or the room changed, and the user may send it all the same."""
        return self.waiting.get(room) in {WaitReason.KEYS_CHANGED, WaitReason.ROOM_REPLACED}


NO_ENCRYPTION = EncryptionState()
