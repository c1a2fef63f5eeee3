"""Picker items: rooms, links, input history and found messages, filtered by what is typed. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from client.screen.input.fuzzy_match import best
from client.screen.model.chat_model import ChatModel
from client.screen.model.links import links
from client.screen.model.scroll_position import BlockKey, message_key
from client.text.note_text import clock, messages, time_of
from client.text.outbox_text import queued_at
from client.text.room_names import shown_room
from client.text.sanitize import inert

LIMIT = 500
"""Links or messages that are listed."""


class PickerItem(NamedTuple):
    """A line of the list: its text, a note at the right end, and the value to return. Text and note are inert."""

    text: str
    note: str
    value: str


def filtered(typed: str, items: Sequence[PickerItem], *, fuzzy: bool) -> list[PickerItem]:
    """Return the items that match: with `fuzzy` the best first, else those that contain `typed`, in their order."""
    if not typed:
        return list(items)
    if fuzzy:
        return best(typed.strip().removeprefix("#"), ((item.text.removeprefix("#"), item) for item in items))
    return [item for item in items if typed.casefold() in item.text.casefold()]


def rooms(model: ChatModel) -> list[PickerItem]:
    """Rooms: the previous one, those with mentions or unread messages, the others, the open one, those to join."""
    others = [room for room in model.in_order() if room is not model.room]
    joined = sorted(others, key=lambda room: (room.name != model.previous_room, -room.mentions, -room.unread))
    out = [
        PickerItem(shown_room(room.name), f"{room.unread} unread" if room.unread else "", room.name) for room in joined
    ]
    here = PickerItem(
        shown_room(model.room.name), "you are here" if model.room.member else "not joined", model.room.name
    )
    known = {room.name for room in (*joined, model.room)}
    unjoined = sorted(name for name in model.listed_rooms if name not in known)
    return [*out, here, *(PickerItem(shown_room(name), "not joined", name) for name in unjoined)]


def room_links(model: ChatModel) -> list[PickerItem]:
    """Links in the loaded messages of the open room, without duplicates, the newest first."""
    found: dict[str, PickerItem] = {}
    for offset in reversed(model.room.log.offsets):
        message = model.room.log[offset]
        for link in links(inert(message.content)) if "://" in message.content else ():
            note = f"{inert(message.username)} {clock(message.timestamp)}"
            found.setdefault(link.address, PickerItem(link.address, note, link.address))
        if len(found) >= LIMIT:
            break
    return list(found.values())


def history_items(model: ChatModel) -> list[PickerItem]:
    """Input history of the open room, without duplicates, the newest first."""
    texts = dict.fromkeys(reversed(model.room.history.texts))
    return [PickerItem(inert(text), "", text) for text in texts]


def unsent_messages(model: ChatModel) -> list[PickerItem]:
    """The unsent messages of all rooms, in their order in each room; their value is the key."""
    return [
        PickerItem(inert(entry.content), f"{shown_room(room.name)} {queued_at(entry)}", entry.key)
        for room in model.in_order()
        for entry in room.outbox
    ]


def found_messages(model: ChatModel, wanted: str) -> list[PickerItem]:
    """Loaded messages that contain `wanted`, the newest first; their value is the offset."""
    folded, out = wanted.casefold(), []
    for offset in reversed(model.room.log.offsets):
        message = model.room.log[offset]
        if folded in message.content.casefold():
            out.append(PickerItem(inert(message.content), inert(message.username), str(offset)))
        if len(out) >= LIMIT:
            break
    return out


def search_extent(model: ChatModel, more_key: str, *, loads: bool) -> str:
    """How far back a search has come, and whether it goes on; `more_key` continues it."""
    log, first = model.room.log, model.room.log.unbroken_from
    if first is None or log.is_whole:
        return f"searched {'all ' if log.is_whole else ''}{messages(len(log))}"
    at = time_of(log[first].timestamp)
    back = f", back to {at:%d %b %Y}" if at else ""
    searched = f"searched {messages(len(log) - log.index_at(first))}{back}"
    if loads:
        return f"{searched}; loading …"
    if model.can_load_older:
        return f"{searched}; {more_key} searches on"
    return f"{searched}; {'older ones do not fit into memory' if log.is_full else 'offline'}"


def next_found(model: ChatModel, wanted: str, before: BlockKey | None) -> BlockKey | None:
    """The newest loaded message that contains `wanted` and is older than `before`."""
    log = model.room.log
    at = len(log) if before is None or not before.is_message else log.index_at(before.number)
    for offset in reversed(log.offsets[:at]):
        if wanted.casefold() in log[offset].content.casefold():
            return message_key(offset)
    return None
