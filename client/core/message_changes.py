"""Follows the changes of one room's messages: up to which rev they were passed on, and what is missing. Pure.

A change carries the whole message as it is now, so it is passed on as soon as it arrives, in any order, and a face
keeps the version with the greatest rev. Only the position `rev` must not skip anything: a change that begins after it
proves that some were lost, and those are requested. The core holds no messages; it knows how far back a face does.
"""

from dataclasses import dataclass, replace

from chatterbox.wire.frames import Change, Message
from client.encryption.core.trust import DecryptedMessage


@dataclass(frozen=True, slots=True)
class HeldMessages:
    """What a face holds of a room when it connects: messages from offset `first` on, of history `epoch`.

    `rev`: up to which rev their changes are in them, if the face held them before this run; None: as far as the core
    passed them on.
    """

    first: int
    epoch: str = ""
    rev: int | None = None


@dataclass(frozen=True, slots=True)
class ChangeProgress:
    """How far the changes of a room were passed on. Every function below returns a new value."""

    rev: int | None = None
    """Everything up to this rev was passed on; None: not known, so that the next change is taken for the first."""
    first: int | None = None
    """The offset of the oldest message that the face holds; None: it holds none, and nothing is missing to it."""
    due: int = 0
    """Changes up to this rev exist."""
    waiting: int | None = None
    """The id of the `changes` command whose reply must arrive before another is sent."""

    @property
    def needs_page(self) -> bool:
        """Whether there is a known gap, and no page of changes was requested for it."""
        return self.waiting is None and self.first is not None and self.rev is not None and self.rev < self.due


NO_CHANGES = ChangeProgress()


def is_newer(message: Message, held: Message) -> bool:
    """Whether a face that holds `held` shows `message` in its place: it changed, or it can be read now."""
    if message.rev != held.rev:
        return message.rev > held.rev
    return became_readable(held, message)


def became_readable(held: Message, message: Message) -> bool:
    """Whether a message that could not be read can be read now."""
    could_not = isinstance(held, DecryptedMessage) and held.unreadable is not None
    return could_not and not (isinstance(message, DecryptedMessage) and message.unreadable is not None)


def disconnect(changes: ChangeProgress) -> ChangeProgress:
    """Keep only the position: whatever is missing is requested again."""
    return ChangeProgress(changes.rev, changes.first)


def take_told(changes: ChangeProgress, rev: int) -> ChangeProgress:
    """Take the rev after which the server pushes changes: those before it are missing."""
    if changes.rev is None:
        return replace(changes, rev=rev)
    return replace(changes, due=max(changes.due, rev))


def take_change(changes: ChangeProgress, change: Change) -> ChangeProgress:
    """Take a push; one that begins after the position leaves it where it is, as changes in between were lost."""
    if changes.rev is None or changes.first is None or change.after <= changes.rev:
        return replace(changes, rev=max(changes.rev or 0, change.rev))
    return replace(changes, due=max(changes.due, change.rev))


def take_page(changes: ChangeProgress, through: int) -> ChangeProgress:
    """Take the requested page of changes. What a page that leads nowhere leaves out can't be had."""
    rev = changes.rev or 0
    return replace(changes, rev=through if through > rev else max(rev, changes.due), waiting=None)


def stop_waiting(changes: ChangeProgress, *, give_up: bool) -> ChangeProgress:
    """The page of changes will not arrive: request it again, or go on without it."""
    rev = max(changes.rev or 0, changes.due) if give_up else changes.rev
    return replace(changes, rev=rev, waiting=None)


def hold(changes: ChangeProgress, offset: int) -> ChangeProgress:
    """The face got the message at `offset`."""
    if changes.first is None or changes.first <= offset:
        return changes
    return replace(changes, first=offset)


def take_messages(changes: ChangeProgress, first: int, rev: int) -> ChangeProgress:
    """The face got messages from offset `first` on, as of `rev`: what happened to them since may be missing."""
    changes = hold(changes, first)
    if changes.first is None or changes.rev is None or rev >= changes.rev:
        return changes
    return replace(changes, rev=rev, due=max(changes.due, changes.rev))
