"""Replies that contain messages: from the room's memory as far as it reaches, otherwise from history.

What history answered is set right to what was told meanwhile: a connection is not told the same change twice.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import msgspec

from chatterbox.wire import frames, history_api
from chatterbox.wire.broker_events import ChangedMessage
from chatterbox.wire.position import Position
from services.gateway.core.change_frames import change_pages
from services.gateway.core.frame_writer import payload_of
from services.gateway.rooms.room import Room
from services.gateway.rooms.room_memory import RoomMemory
from services.gateway.upstream.history_client import HistoryClient, Requester

JOIN_MESSAGES = 50
"""Recent messages in the reply to a `join` without `since`."""


class RightPage(NamedTuple):
    """A page of history, and its messages as new as what was told here."""

    stored: history_api.StoredPage
    payloads: list[bytes]


class _Placed(msgspec.Struct):
    """The part of an encoded message that says which one it is."""

    at: Position


async def _read(history: HistoryClient, room: Room, limit: int, reader: Requester, **where: Any) -> RightPage:  # noqa: ANN401
    """Read a page, again if so much changed meanwhile that it can't be set right; counted as one read."""
    counted: Requester | None = reader
    while True:
        stored = await history.page(room.room_id, limit, reader=counted, **where)
        payloads = room.set_right(stored)
        if payloads is not None:
            return RightPage(stored, payloads)
        counted = None


async def join_reply(
    history: HistoryClient, memory: RoomMemory, room: Room, reader: Requester, command: frames.Join, limit: int
) -> frames.Joined:
    """The reply to `join`, valid at the moment it is returned: the caller must send it without an `await` before."""
    since = command.since
    held = since.offset if since is not None and room.covers(since) else room.at.offset - JOIN_MESSAGES
    await memory.reach_back(room, max(0, held))
    reset = since is not None and not room.covers(since)
    if since is None or reset:
        newest = room.opened.recent.newest(JOIN_MESSAGES)
        return _joined_from_frames(room, command, newest, complete=len(newest) == room.at.offset, reset=reset)
    missing = room.opened.recent.after(since.offset)
    if missing is None:
        page = await _read(history, room, limit, reader, after=since.offset)
        # messages beyond come live, once they are received here
        payloads = page.payloads[: room.at.offset - since.offset]
        rest = room.opened.recent.after(page.stored.first + len(payloads) - 1)
        payloads += [payload_of(frame) for frame in rest or ()]
        fits = rest is not None and len(payloads) <= limit
        return _joined(room, command, payloads[:limit], complete=fits, reset=False)
    return _joined_from_frames(room, command, missing[:limit], complete=len(missing) <= limit, reset=False)


def _joined_from_frames(
    room: Room, command: frames.Join, encoded: Sequence[bytes], *, complete: bool, reset: bool
) -> frames.Joined:
    return _joined(room, command, [payload_of(frame) for frame in encoded], complete=complete, reset=reset)


def _joined(
    room: Room, command: frames.Join, payloads: Sequence[bytes], *, complete: bool, reset: bool
) -> frames.Joined:
    room.flush()
    return frames.Joined(
        id=command.id,
        room=room.name,
        at=room.at,
        messages=_raw(payloads),
        complete=complete,
        reset=reset,
        topic=room.topic or "",
        rev=room.rev or msgspec.UNSET,
        uid=room.uid or msgspec.UNSET,
    )


async def history_reply(
    history: HistoryClient, room: Room, reader: Requester, command: frames.ReadHistory
) -> frames.Page:
    """The reply to `history`, oldest message first."""
    if command.thread or command.pinned:
        return await _selected_page(history, room, reader, command)
    if command.around:
        page = await _read(history, room, command.limit, reader, around=command.around)
        last = page.stored.first + len(page.payloads) - 1
        return _page(room, command, page, more=page.stored.first > 1 or last < page.stored.head)
    if command.after is not None:
        return await _page_after(history, room, reader, command, command.after)
    page = await _read(history, room, command.limit, reader, before=command.before)
    return _page(room, command, page, more=bool(page.payloads) and page.stored.first > 1)


async def _page_after(
    history: HistoryClient, room: Room, reader: Requester, command: frames.ReadHistory, after: int
) -> frames.Page:
    recent = room.opened.recent.after(after)
    if recent is not None:
        payloads = [payload_of(frame) for frame in recent[: command.limit]]
        return frames.Page(
            id=command.id, room=room.name, messages=_raw(payloads), more=len(recent) > command.limit, rev=room.rev
        )
    page = await _read(history, room, command.limit, reader, after=after)
    last = page.stored.first + len(page.payloads) - 1
    return _page(room, command, page, more=last < page.stored.head)


async def _selected_page(
    history: HistoryClient, room: Room, reader: Requester, command: frames.ReadHistory
) -> frames.Page:
    """A page of a thread, or of pinned messages: not consecutive, so each message says its own offset."""
    counted: Requester | None = reader
    while True:
        stored = await history.page(
            room.room_id,
            command.limit,
            after=command.after,
            before=command.before,
            thread=command.thread or None,
            pinned=bool(command.pinned),
            reader=counted,
        )
        if room.changes is None or stored.epoch != room.opened.epoch or stored.rev >= room.changes.floor:
            break
        counted = None
    payloads = [_newer(room, stored, bytes(frame)) for frame in stored.frames]
    return _page(room, command, RightPage(stored, payloads), more=stored.more)


def _newer(room: Room, stored: history_api.StoredPage, payload: bytes) -> bytes:
    if room.changes is None or stored.epoch != room.opened.epoch or stored.rev >= room.rev:
        return payload
    offset = msgspec.json.decode(payload, type=_Placed).at.offset
    return room.changes.newer(payload, offset, stored.revs.get(offset, 0))


def _page(room: Room, command: frames.ReadHistory, page: RightPage, *, more: bool) -> frames.Page:
    rev = max(room.rev, page.stored.rev)
    return frames.Page(id=command.id, room=room.name, messages=_raw(page.payloads), more=more, rev=rev)


async def changes_reply(
    history: HistoryClient, room: Room, reader: Requester, command: frames.ReadChanges
) -> frames.ChangesPage:
    """The reply to `changes`, by rev."""
    changed = None if room.changes is None else room.changes.since(command.after, command.first)
    if changed is not None and command.after <= room.rev:
        page = changed[: command.limit]
        more = len(changed) > len(page)
        return _changes(room, command, page, page[-1].rev if more else room.rev, more=more)
    stored = await history.changes(room.room_id, command.limit, after=command.after, first=command.first, reader=reader)
    through = max(command.after, min(stored.through, room.rev))  # others follow, once they are told here
    page = [
        ChangedMessage(each.offset, each.rev, bytes(each.frame), b"") for each in stored.changes if each.rev <= through
    ]
    return _changes(room, command, page, through, more=through < min(stored.rev, room.rev))


def _changes(
    room: Room, command: frames.ReadChanges, page: Sequence[ChangedMessage], through: int, *, more: bool
) -> frames.ChangesPage:
    changes = change_pages(room.name, command.after, page)
    return frames.ChangesPage(id=command.id, room=room.name, changes=changes, through=through, more=more)


def _raw(payloads: Sequence[bytes]) -> list[frames.Message]:
    """Messages that are already JSON; msgspec writes them unchanged."""
    return cast("list[frames.Message]", [msgspec.Raw(payload) for payload in payloads])
