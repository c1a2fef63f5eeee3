"""Encodes the changes of a room for connections that hold everything up to a rev. Pure."""

from collections.abc import Sequence
from typing import cast

import msgspec

from chatterbox.wire import codec, frames
from chatterbox.wire.broker_events import ChangedMessage
from services.gateway.core.frame_writer import text_frame


def change_frames(
    room: str, after: int, changes: Sequence[ChangedMessage], through: int, *, live: bool
) -> list[tuple[int, bytes]]:
    """Encode `changes`, which are by rev and complete after rev `after` up to rev `through`, with the rev of each.

    Each begins where the one before ends. If the last one ends before `through`, a change without a message follows it.
    `live` adds who did it: only for those who were connected when it happened.
    """
    encoded: list[tuple[int, bytes]] = []
    for change in changes:
        payload = _encode(room, after, change.rev, change.frame)
        if live and change.live:
            payload = payload[:-1] + change.live + b"}"
        encoded.append((change.rev, text_frame(payload)))
        after = change.rev
    if after < through:
        encoded.append((through, text_frame(codec.encode(frames.Change(room=room, rev=through, after=after)))))
    return encoded


def change_pages(room: str, after: int, changes: Sequence[ChangedMessage]) -> list[frames.Change]:
    """The same changes as parts of a reply."""
    parts = []
    for change in changes:
        parts.append(_change(room, after, change.rev, change.frame))
        after = change.rev
    return parts


def _encode(room: str, after: int, rev: int, payload: bytes) -> bytes:
    return codec.encode(_change(room, after, rev, payload))


def _change(room: str, after: int, rev: int, payload: bytes) -> frames.Change:
    """A change whose message is already JSON; msgspec writes it unchanged."""
    return frames.Change(room=room, rev=rev, after=after, message=cast("frames.Message", msgspec.Raw(payload)))
