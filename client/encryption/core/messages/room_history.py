"""Earlier keys of a room, as a member gives them to a user whom they invited: the content of `cb.room_history`. Pure.

The keys of one author's device stand together, so that as many as possible fit into a to-device message. The first
index of each is in the exported key itself.
"""

from collections.abc import Iterable
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta

from chatterbox.wire.position import Whole
from client.encryption.core.backup_items import BackupSession

ROOM_HISTORY = "cb.room_history"
MAX_CONTENT_BYTES = 2200
"""Bytes of one content: encrypted, with what Olm adds, and in base64, they stay below `to_device_bytes`."""
_MAX_KEYS = 64

Text: TypeAlias = Annotated[str, Meta(max_length=64)]
Key: TypeAlias = Annotated[str, Meta(max_length=300)]


class KeysOfAuthor(msgspec.Struct, frozen=True, kw_only=True):
    """Sessions of one device, and whose it is, as the member who gives them believes."""

    user_id: Whole
    username: Text
    device: Text
    ed25519: Text
    curve25519: Text
    master: Text
    """The author's master key when the session came."""
    keys: Annotated[tuple[Key, ...], Meta(min_length=1, max_length=_MAX_KEYS)]
    """Each exported at the first index that is known."""


class RoomHistory(msgspec.Struct, frozen=True, kw_only=True):
    """Some of the sessions of a room."""

    room_id: Text
    """As `matrix_room` names the room."""
    authors: Annotated[tuple[KeysOfAuthor, ...], Meta(max_length=_MAX_KEYS)]


class RoomHistoryError(ValueError):
    """The content is malformed."""


def parse(content: dict[str, Any]) -> RoomHistory:
    """Any content is an input; raises `RoomHistoryError`."""
    try:
        return msgspec.convert(content, RoomHistory)
    except (msgspec.ValidationError, RecursionError):
        raise RoomHistoryError("the earlier keys are malformed") from None


def contents(room_id: str, sessions: Iterable[BackupSession]) -> list[RoomHistory]:
    """The sessions, in as few contents of at most `MAX_CONTENT_BYTES` as their order allows."""
    found: list[RoomHistory] = []
    held: list[BackupSession] = []
    for session in sessions:
        wider = _content(room_id, [*held, session])
        if held and len(msgspec.json.encode(wider)) > MAX_CONTENT_BYTES:
            found.append(_content(room_id, held))
            held = []
        held.append(session)
    return [*found, _content(room_id, held)] if held else found


def _content(room_id: str, sessions: Iterable[BackupSession]) -> RoomHistory:
    authors: dict[tuple[object, ...], KeysOfAuthor] = {}
    for session in sessions:
        author = KeysOfAuthor(
            user_id=session.user_id,
            username=session.username,
            device=session.device,
            ed25519=session.sender_claimed_keys.get("ed25519", ""),
            curve25519=session.sender_key,
            master=session.master,
            keys=(session.session_key,),
        )
        whose = (author.user_id, author.username, author.device, author.ed25519, author.curve25519, author.master)
        if (held := authors.get(whose)) is not None:
            author = msgspec.structs.replace(held, keys=(*held.keys, session.session_key))
        authors[whose] = author
    return RoomHistory(room_id=room_id, authors=tuple(authors.values()))
