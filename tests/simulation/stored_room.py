"""A room of the simulated history: its messages as they are now, and what changes make of them. Pure.

The rules of changes are written here once more, as short as possible, so that a mistake in the service's own rules
can't hide itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import assert_never

import msgspec

from chatterbox.wire import frames, history_api, text_rules
from chatterbox.wire.broker_events import ChangedMessage
from chatterbox.wire.codec import encode
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.position import Position

REACTION_NAMES = 8
"""Users named by a reaction; further ones only count."""


@dataclass(slots=True)
class StoredMessage:
    """A message as it is now."""

    offset: int
    message_id: int
    user_id: int
    username: str
    content: str
    timestamp_ms: int
    reply_to: int = 0
    thread: int = 0
    replies: int = 0
    rev: int = 0
    edited_ms: int = 0
    deleted_by: str = ""
    reactions: dict[str, dict[str, None]] = field(default_factory=dict)
    """Usernames by emoji, both in the order of reacting."""
    pinned: bool = False

    def frame(self, room: str, epoch: str) -> frames.Message:
        return frames.Message(
            room=room, at=Position(epoch, self.offset), message_id=self.message_id, username=self.username,
            content=self.content, timestamp=text_rules.timestamp(self.timestamp_ms), rev=self.rev,
            reply_to=self.reply_to, thread=self.thread, replies=self.replies,
            edited=text_rules.timestamp(self.edited_ms) if self.edited_ms else "", deleted=bool(self.deleted_by),
            by=self.deleted_by, pinned=self.pinned,
            reactions=tuple(
                frames.Reaction(emoji=emoji, n=len(names), by=tuple(names)[:REACTION_NAMES])
                for emoji, names in self.reactions.items()
            ),
        )  # fmt: skip

    def change(self, change: history_api.AnyMessageChange, now_ms: int) -> tuple[str, str] | None:
        """Make a change; returns what it did and to what, None if there was nothing to change; raises `ChatError`."""
        if not isinstance(change, history_api.MessageReaction) and change.user_id != self.user_id:
            raise ChatError(Code.NOT_YOURS)
        if self.deleted_by:
            if isinstance(change, history_api.MessageDeletion):
                return None
            raise ChatError(Code.MESSAGE_DELETED)
        match change:
            case history_api.MessageEdit():
                return self._edit(change, now_ms)
            case history_api.MessageDeletion():
                self.content, self.deleted_by, self.pinned, self.edited_ms = "", change.username, False, 0
                self.reactions.clear()
                return "delete", ""
            case history_api.MessageReaction():
                return self._react(change)
            case history_api.MessagePin():
                if self.pinned is not change.remove:
                    return None
                self.pinned = not change.remove
                return "unpin" if change.remove else "pin", ""
            case _:
                assert_never(change)

    def _edit(self, change: history_api.MessageEdit, now_ms: int) -> tuple[str, str] | None:
        if change.content == self.content:
            return None
        if change.rev is not None and change.rev != self.rev:
            raise ChatError(Code.CHANGED_MEANWHILE)
        self.content, self.edited_ms = change.content, now_ms
        return "edit", ""

    def _react(self, change: history_api.MessageReaction) -> tuple[str, str] | None:
        names = self.reactions.get(change.emoji, {})
        if (change.username in names) is not change.remove:
            return None
        if not change.remove:
            self.reactions.setdefault(change.emoji, {})[change.username] = None
            return "react", change.emoji
        del names[change.username]
        if not names:
            del self.reactions[change.emoji]
        return "unreact", change.emoji


@dataclass(slots=True)
class StoredRoom:
    """A room with all its messages."""

    room_id: int
    name: str
    epoch: str
    everyone: bool = False
    rev: int = 0
    messages: list[StoredMessage] = field(default_factory=list)
    members: dict[int, str] = field(default_factory=dict)
    """Usernames by user id."""

    @property
    def head(self) -> int:
        return len(self.messages)

    @property
    def info(self) -> history_api.RoomInfo:
        return history_api.RoomInfo(
            room_id=self.room_id, room=self.name, private=False, everyone=self.everyone, epoch=self.epoch,
            head=self.head, rev=self.rev,
        )  # fmt: skip

    def frame(self, offset: int) -> bytes:
        return encode(self.messages[offset - 1].frame(self.name, self.epoch))

    # Reading

    def page(self, call: history_api.PageQuery) -> history_api.StoredPage:
        if call.thread is not None:
            return self._filtered(call, [each for each in self.messages if each.thread == call.thread])
        if call.pinned:
            return self._filtered(call, [each for each in self.messages if each.pinned])
        if call.around is not None:
            low = max(0, min(call.around - 1 - call.limit // 2, self.head))
            high = min(low + call.limit, self.head)
        elif call.after is None:
            high = self.head if call.before is None else min(call.before - 1, self.head)
            low = max(0, high - call.limit)
        else:
            low, high = call.after, min(call.after + call.limit, self.head)
        return self._page(low + 1, self.messages[low:high], more=False)

    def _filtered(self, call: history_api.PageQuery, found: list[StoredMessage]) -> history_api.StoredPage:
        if call.after is not None:
            matching = [each for each in found if each.offset > call.after]
            part = matching[: call.limit]
        else:
            matching = [each for each in found if call.before is None or each.offset < call.before]
            part = matching[-call.limit :]
        return self._page(part[0].offset if part else 1, part, more=len(matching) > len(part))

    def _page(self, first: int, messages: list[StoredMessage], *, more: bool) -> history_api.StoredPage:
        return history_api.StoredPage(
            epoch=self.epoch, head=self.head, first=first, rev=self.rev, more=more,
            frames=[msgspec.Raw(self.frame(each.offset)) for each in messages],
            revs={each.offset: each.rev for each in messages if each.rev},
        )  # fmt: skip

    def changes(self, call: history_api.ChangesQuery) -> history_api.StoredChanges:
        found = sorted(
            (each for each in self.messages if each.rev > call.after and each.offset >= call.first),
            key=lambda each: each.rev,
        )
        part = found[: call.limit]
        through = part[-1].rev if len(part) < len(found) else max(self.rev, call.after)
        changes = [
            history_api.StoredChange(each.offset, each.rev, msgspec.Raw(self.frame(each.offset))) for each in part
        ]
        return history_api.StoredChanges(
            epoch=self.epoch, head=self.head, rev=self.rev, through=through, changes=changes
        )


@dataclass(slots=True)
class RoomTransaction:
    """What one transaction does to a room. Each changed message gets one rev, at the first change."""

    room: StoredRoom
    after: int
    """The room's rev before."""
    first: int
    """The offset of the first message that is added."""
    live: dict[int, bytes] = field(default_factory=dict)
    """What the last change of each message did, as in a `change` push; by offset, in the order of revs."""

    @classmethod
    def of(cls, room: StoredRoom) -> "RoomTransaction":
        return cls(room, room.rev, room.head + 1)

    def change(self, change: history_api.AnyMessageChange, now_ms: int) -> int:
        """Make a change; returns the rev of the message; raises `ChatError`."""
        if change.user_id not in self.room.members:
            raise ChatError(Code.NOT_A_MEMBER)
        if change.epoch not in ("", self.room.epoch) or not 0 < change.offset <= self.room.head:
            raise ChatError(Code.MESSAGE_UNKNOWN)
        message = self.room.messages[change.offset - 1]
        if (done := message.change(change, now_ms)) is not None:
            self._note(message, change.username, *done)
        return message.rev

    def _note(self, message: StoredMessage, by: str, did: str, what: str) -> None:
        if message.offset not in self.live:
            self.room.rev += 1
            message.rev = self.room.rev
        self.live[message.offset] = live_part(by, did, what)

    def add(self, message: StoredMessage) -> None:
        """Add a message; a reply changes the first message of its thread."""
        self.room.messages.append(message)
        if message.reply_to:
            root = self.room.messages[(self.room.messages[message.reply_to - 1].thread or message.reply_to) - 1]
            message.thread = root.offset
            root.replies += 1
            self._note(root, message.username, "reply", "")

    @property
    def changed(self) -> list[ChangedMessage]:
        messages = sorted((self.room.messages[offset - 1] for offset in self.live), key=lambda each: each.rev)
        return [
            ChangedMessage(each.offset, each.rev, self.room.frame(each.offset), self.live[each.offset])
            for each in messages
        ]

    @property
    def added(self) -> Iterable[bytes]:
        return map(self.room.frame, range(self.first, self.room.head + 1))


def live_part(by: str, did: str, what: str) -> bytes:
    """The end of a `change` push that tells who did what, as `ChangedMessage.live` has it."""
    whole = encode(frames.Change(room="", rev=0, after=0, by=by, did=did, what=what))
    return whole[whole.index(b',"by":') : -1]
