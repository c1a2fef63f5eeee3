"""Replies that contain messages: from the room's memory as far as it reaches, otherwise from history."""

from collections.abc import Sequence
from typing import cast

import msgspec

from chatterbox.wire import frames
from services.gateway.core.frame_writer import payload_of
from services.gateway.rooms.room import Room
from services.gateway.upstream.history_client import HistoryClient, Requester

JOIN_MESSAGES = 50
"""Recent messages in the reply to a `join` without `since`."""


async def join_reply(
    history: HistoryClient, room: Room, reader: Requester, command: frames.Join, limit: int
) -> frames.Joined:
    """The reply to `join`, valid at the moment it is returned: the caller must send it without an `await` before."""
    since = command.since
    reset = since is not None and not room.covers(since)
    if since is None or reset:
        newest = room.opened.recent.newest(JOIN_MESSAGES)
        return _joined_from_frames(room, command, newest, complete=len(newest) == room.at.offset, reset=reset)
    missing = room.opened.recent.after(since.offset)
    if missing is None:
        page = await history.page(room.room_id, limit, after=since.offset, reader=reader)
        raws = page.frames[: room.at.offset - since.offset]  # messages beyond come live, once they are received here
        rest = room.opened.recent.after(page.first + len(raws) - 1)
        payloads = [bytes(raw) for raw in raws] + [payload_of(frame) for frame in rest or ()]
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
    )


async def history_reply(
    history: HistoryClient, room: Room, reader: Requester, command: frames.ReadHistory
) -> frames.Page:
    """The reply to `history`, oldest message first."""
    if command.after is not None:
        return await _page_after(history, room, reader, command, command.after)
    stored = await history.page(room.room_id, command.limit, before=command.before, reader=reader)
    more = bool(stored.frames) and stored.first > 1
    return frames.Page(id=command.id, room=room.name, messages=_raw(stored.frames), more=more)


async def _page_after(
    history: HistoryClient, room: Room, reader: Requester, command: frames.ReadHistory, after: int
) -> frames.Page:
    recent = room.opened.recent.after(after)
    if recent is not None:
        payloads = [payload_of(frame) for frame in recent[: command.limit]]
        return frames.Page(id=command.id, room=room.name, messages=_raw(payloads), more=len(recent) > command.limit)
    stored = await history.page(room.room_id, command.limit, after=after, reader=reader)
    last = stored.first + len(stored.frames) - 1
    return frames.Page(id=command.id, room=room.name, messages=_raw(stored.frames), more=last < stored.head)


def _raw(payloads: Sequence[bytes]) -> list[frames.Message]:
    """Messages that are already JSON; msgspec writes them unchanged."""
    return cast("list[frames.Message]", [msgspec.Raw(payload) for payload in payloads])
