"""What can be chosen from in a list: rooms, links, messages, texts written before. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from client.screen.input.fuzzy_match import best
from client.screen.layout.links import links
from client.screen.layout.message_blocks import BlockKey
from client.screen.model.chat_model import ChatModel
from client.text.note_text import clock
from client.text.sanitize import inert

FOUND = 500


class PickerItem(NamedTuple):
    """A line of the list: what it says, a word on it, and what is chosen by it. Both texts are inert."""

    text: str
    about: str
    value: str


def narrowed(typed: str, choices: Sequence[PickerItem], *, fuzzy: bool) -> list[PickerItem]:
    """Those that fit what is typed: the best first, or, where every letter counts, in their order."""
    if not typed:
        return list(choices)
    if fuzzy:
        return best(typed.strip().removeprefix("#"), ((choice.text.removeprefix("#"), choice) for choice in choices))
    return [choice for choice in choices if typed.casefold() in choice.text.casefold()]


def rooms(model: ChatModel) -> list[PickerItem]:
    """Rooms to go to: the one before this first, then those with something unread, then the others, and this one."""
    others = [room for room in model.in_order() if room is not model.room]
    mine = sorted(others, key=lambda room: (room.name != model.earlier, -room.mentions, -room.unread))
    out = [
        PickerItem(f"#{inert(room.name)}", f"{room.unread} unread" if room.unread else "", room.name) for room in mine
    ]
    here = PickerItem(
        f"#{inert(model.room.name)}", "you are here" if model.room.member else "not joined", model.room.name
    )
    known = {room.name for room in (*mine, model.room)}
    unjoined = sorted(name for name in model.open_rooms if name not in known)
    return [*out, here, *(PickerItem(f"#{inert(name)}", "not joined", name) for name in unjoined)]


def room_links(model: ChatModel) -> list[PickerItem]:
    """The links of the room, the newest first, each once."""
    found: dict[str, PickerItem] = {}
    for offset in reversed(model.room.log.offsets):
        message = model.room.log[offset]
        for link in links(inert(message.content)) if "://" in message.content else ():
            about = f"{inert(message.username)} {clock(message.timestamp)}"
            found.setdefault(link.address, PickerItem(link.address, about, link.address))
        if len(found) >= FOUND:
            break
    return list(found.values())


def written(model: ChatModel) -> list[PickerItem]:
    """What was written before in this room, the newest first."""
    texts = dict.fromkeys(reversed(model.room.recall.written))
    return [PickerItem(inert(text), "", text) for text in texts]


def places(model: ChatModel, wanted: str) -> list[PickerItem]:
    """Where a text, or a name, stands in the messages that are loaded: the newest first."""
    lowered, out = wanted.casefold(), []
    for offset in reversed(model.room.log.offsets):
        message = model.room.log[offset]
        if lowered in message.content.casefold():
            out.append(PickerItem(inert(message.content), inert(message.username), str(offset)))
        if len(out) >= FOUND:
            break
    return out


def next_place(model: ChatModel, wanted: str, before: BlockKey | None) -> BlockKey | None:
    """The newest message with `wanted` in it that is older than `before`."""
    log = model.room.log
    at = len(log) if before is None or before.kind != 1 else log.index_at(before.number)
    for offset in reversed(log.offsets[:at]):
        if wanted.casefold() in log[offset].content.casefold():
            return BlockKey(1, offset)
    return None
