"""A room of the simulated history: its messages as they are now, and how they are read. Pure."""

from dataclasses import dataclass, field
from functools import lru_cache

import msgspec

from chatterbox.wire import frames, history_api
from chatterbox.wire.codec import encode
from services.history.core import stored_message
from services.history.core.stored_message import StoredMessage


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

    def message(self, offset: int) -> frames.Message:
        return stored_message.frame(self.name, self.epoch, self.messages[offset - 1])

    def frame(self, offset: int) -> bytes:
        return _frame(self.name, self.epoch, self.messages[offset - 1])

    # Reading

    def page(self, call: history_api.PageQuery) -> history_api.StoredPage:
        if call.thread is not None:
            return self._filtered(call, [each for each in self.messages if each.thread == call.thread])
        if call.pinned:
            return self._filtered(call, [each for each in self.messages if each.pinned_ms is not None])
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


@lru_cache(20_000)
def _frame(room: str, epoch: str, message: StoredMessage) -> bytes:
    """Many schedules read the same messages, each of them many times."""
    return encode(stored_message.frame(room, epoch, message))
