"""Decodes what a server sends, which may be newer than this client: what it can't read is passed over. Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec

from chatterbox.wire import codec, frames
from chatterbox.wire.encryption.device_keys import UserKeys
from chatterbox.wire.people import PresenceState
from chatterbox.wire.read_state import NotificationLevel
from chatterbox.wire.untrusted_json import UnreadableError, decode_json

UNREADABLE = "reply_unreadable"
"""Error code, made here, of a reply that this client can't read."""
_DETAIL = "The server sent a reply that this version of the client can't read. Update the client."

_ITEMS: Mapping[tuple[str, str], Any] = {
    ("page", "messages"): frames.Message,
    ("joined", "messages"): frames.Message,
    ("changes", "changes"): frames.Change,
    ("rooms", "rooms"): frames.RoomSummary,
    ("welcome", "rooms"): frames.RoomState,
    ("welcome", "invitations"): frames.PendingInvitation,
    ("watched", "people"): frames.WatchedPerson,
    ("presence", "people"): frames.Presence,
    ("seen", "readers"): frames.Receipt,
    ("recipients", "devices"): frames.DeviceAddress,
    ("recipients", "lists"): UserKeys,
    ("claimed", "keys"): frames.ClaimedKey,
    ("claimed", "missing"): frames.DeviceAddress,
}
"""Lists whose items are decoded one by one: by the type of the frame and the name of the field.

A device or a list that is left out gets no keys, so the server counts it as missing and takes no encrypted message.
"""


class PartialPage(frames.Page, frozen=True, kw_only=True, tag="page"):
    """A page some of whose items can't be read: `messages` are the others."""

    unreadable: int


def decode(data: bytes) -> frames.ServerFrame | None:
    """Decode a frame; None if there is nothing in it for this client, whatever the bytes are.

    Unknown fields are ignored, unreadable items of a list are left out, and an unknown or unreadable reply becomes the
    refusal of its command, so that no command waits for ever.
    """
    try:
        return codec.decode_server_frame(data)
    except UnreadableError:
        return _decode_leniently(data)


def _decode_leniently(data: bytes) -> frames.ServerFrame | None:
    try:
        value: dict[str, Any] = decode_json(data, dict[str, Any])
    except UnreadableError:
        return None
    for told in (value, *_dicts(value.get("rooms"))):
        _drop_unknown_level(told)
    for told in _dicts(value.get("people")):
        _replace_unknown_presence(told)
    if _is(value, "to_device"):
        _empty_unknown_to_device(value)
    unreadable = sum(_drop_unreadable(value, field, kind) for (tag, field), kind in _ITEMS.items() if _is(value, tag))
    frame = _converted(value, frames.ServerFrame)
    if isinstance(frame, frames.Page) and unreadable:
        fields = {name: getattr(frame, name) for name in frame.__struct_fields__}
        return PartialPage(**fields, unreadable=unreadable)
    if frame is None and isinstance(refusal := _converted({"id": value.get("id")}, frames.Ping), frames.Ping):
        return frames.ErrorFrame(code=UNREADABLE, detail=_DETAIL, id=refusal.id)
    return frame  # type: ignore[no-any-return]


def _dicts(items: object) -> list[dict[str, Any]]:
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _drop_unknown_level(value: dict[str, Any]) -> None:
    """Take a level of notification that this client does not know as none that is set: the room must not be missed."""
    if value.get("notify", "") not in tuple(NotificationLevel):
        del value["notify"]


def _replace_unknown_presence(value: dict[str, Any]) -> None:
    """Take a presence that this client does not know as one that the server does not know."""
    if isinstance(value.get("state"), str) and value["state"] not in tuple(PresenceState):
        value["state"] = PresenceState.UNKNOWN.value


def _empty_unknown_to_device(value: dict[str, Any]) -> None:
    """Take a to-device message of a kind that this client does not know as an empty one: its place stays filled."""
    if isinstance(value.get("kind"), str) and value["kind"] not in tuple(frames.ToDeviceKind):
        value |= {"kind": frames.ToDeviceKind.CLEAR.value, "body": ""}


def _is(value: Mapping[str, Any], tag: str) -> bool:
    return value.get("type") == tag


def _drop_unreadable(value: dict[str, Any], field: str, kind: type) -> int:
    """Keep the items of a list that can be read; return how many can't."""
    items = value.get(field)
    if not isinstance(items, list):
        return 0
    value[field] = [item for item in items if _converted(item, kind) is not None]
    return len(items) - len(value[field])


def _converted(value: object, kind: Any) -> Any:  # noqa: ANN401 - any type of frame
    try:
        return msgspec.convert(value, kind)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
