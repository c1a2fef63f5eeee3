"""Picker items: rooms, links, input history and found messages, filtered by what is typed. Pure."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from chatterbox.wire.frames import Message, Reaction
from chatterbox.wire.people import PresenceState
from chatterbox.wire.read_state import ReadState
from client.core.direct_rooms import is_direct, room_with
from client.faces.slash.slash_table import LEVELS
from client.screen.input.emoji_names import EMOJI
from client.screen.input.fuzzy_match import best
from client.screen.layout.message_marks import first_words
from client.screen.layout.people.presence_marks import presence_mark
from client.screen.model.chat_model import RECENT_EMOJI, ChatModel
from client.screen.model.messages.links import links
from client.screen.model.messages.message_actions import has_reacted
from client.screen.model.messages.message_list import MessageList
from client.screen.model.people_view import PeopleView
from client.screen.model.rooms.room_model import RoomModel
from client.screen.model.scroll_position import BlockKey, message_key
from client.text.file_text import summary
from client.text.local_time import time_of
from client.text.note_text import clock, messages
from client.text.outbox_text import queued_at
from client.text.room_text import shown_room
from client.text.sanitize import inert

if TYPE_CHECKING:
    from client.encryption.search.search_index import FoundMessage

LIMIT = 500
"""Links or messages that are listed."""
EMOJI_CHARS = 32
"""Longest emoji, as a sequence of characters, that can be typed as a reaction."""
_IS_NAME = re.compile(r":[a-z0-9_+-]{1,30}:", re.IGNORECASE)


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
        return best(_unmarked(typed.strip()), ((_unmarked(item.text), item) for item in items))
    return [item for item in items if typed.casefold() in item.text.casefold()]


def _unmarked(name: str) -> str:
    return name[1:] if name[:1] in {"#", "@"} else name


def people(model: ChatModel) -> list[PickerItem]:
    """People to write to: those of the direct conversations first, with unread messages before the others."""
    direct = sorted((room for room in model.in_order() if is_direct(room.name)), key=lambda room: -room.unread)
    out = [PickerItem(shown_room(room.name), _unread(room.unread), room.name) for room in direct]
    known = {item.value for item in out}
    others = dict.fromkeys(room_with(name) for name in [*model.active_people(), *model.known_people])
    me = room_with(model.status.username) if model.status.username else ""
    notes = [PickerItem(shown_room(me), "notes to yourself", me)] if me and me not in known else []
    return [*out, *(PickerItem(shown_room(room), "", room) for room in others if room not in {*known, me}), *notes]


def member_item(people: PeopleView, username: str, *, is_active: bool) -> PickerItem:
    """A member of a room; the note says whether they are here, and whether they have written lately."""
    state = people.presence(username)
    mark = presence_mark(state).text
    name = inert(people.person(username).profile.display_name)
    words = [state.value] if state is not PresenceState.UNKNOWN else []
    words += ["active here"] if is_active else []
    text = f"{mark} {username}" if people.shows.presence else username
    return PickerItem(f"{text}  {name}" if name else text, ", ".join(words), username)


def _unread(count: int) -> str:
    return f"{count} unread" if count else ""


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
    unjoined = sorted(name for name in model.directory.listed if name not in known)
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


USUAL_EMOJI = ("👍", "❤️", "😂", "🎉", "👀", "✅", "🙏", "🔥")
"""Offered first as reactions, after those that the user used last."""


def reaction_items(model: ChatModel, message: Message, typed: str) -> list[PickerItem]:
    """Emoji to react with, by name: first the user's last ones. What is typed as `:name:` is offered as it is."""
    typed = typed.strip()
    names = _names_of_emoji()
    first = dict.fromkeys([*model.recent_emoji, *USUAL_EMOJI])
    emoji = [*list(first)[:RECENT_EMOJI], *(each for each in names if each not in list(first)[:RECENT_EMOJI])]
    items = [
        PickerItem(
            f"{inert(each)} {', '.join(names.get(each, ()))}".rstrip(),
            "yours: Enter takes it back" if has_reacted(model, message, each) else "",
            each,
        )
        for each in emoji
    ]
    wanted = typed.strip(":").casefold()
    if not wanted:
        return items
    matching = [item for item in items if wanted in item.text.casefold()]
    starting = [item for item in matching if any(name.startswith(wanted) for name in names.get(item.value, ()))]
    matching = [*starting, *(item for item in matching if item not in starting)]
    is_emoji = not typed.isascii() and len(typed) <= EMOJI_CHARS
    if not matching and (is_emoji or _IS_NAME.fullmatch(typed)):
        return [PickerItem(inert(typed), "", typed)]
    return matching


def _names_of_emoji() -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for name, emoji in EMOJI.items():
        names.setdefault({"❤": "❤️"}.get(emoji, emoji), []).append(name)
    return names


def reactors(message: Message) -> list[PickerItem]:
    """For each reaction, the users who gave it; the server names the first eight."""
    return [
        PickerItem(f"{inert(reaction.emoji)} {', '.join(map(inert, reaction.by))}{_others(reaction)}", "", "")
        for reaction in message.reactions
    ]


def _others(reaction: Reaction) -> str:
    others = reaction.n - len(reaction.by)
    return f" and {others} more" if others > 0 else ""


def place_items(listing: MessageList) -> list[PickerItem]:
    """The pinned messages, the newest first; their value is the offset."""
    return [
        PickerItem(f"{inert(message.username)}: {first_words(message)}", _when(message), str(message.at.offset))
        for message in reversed(listing.messages.values())
    ]


def _when(message: Message) -> str:
    at = time_of(message.timestamp)
    return f"{at:%d %b %H:%M}" if at else ""


_NOTIFY = {
    "all": "of every message",
    "mentions": "of mentions only",
    "none": "of nothing",
    "default": "as configured in each client",
    "none for 1h": "of nothing for 1 hour",
    "none for 8h": "of nothing for 8 hours",
    "none for 1d": "of nothing for a day",
}


def notify_items(room: RoomModel) -> list[PickerItem]:
    """What a room can notify of; the value is what `/notify` takes. The present level is named."""
    told = room.progress.told or ReadState()
    now = next((word for word, level in LEVELS.items() if level is told.notify), "")
    quiet = time_of(told.until) if told.until else None
    notes = {now: f"now, silent until {quiet:%d %b %H:%M}" if quiet else "now"}
    return [PickerItem(text, notes.get(argument, ""), argument) for argument, text in _NOTIFY.items()]


def history_items(model: ChatModel) -> list[PickerItem]:
    """Input history of the open room, without duplicates, the newest first."""
    texts = dict.fromkeys(reversed(model.room.input.history.texts))
    return [PickerItem(inert(text), "", text) for text in texts]


def unsent_messages(model: ChatModel) -> list[PickerItem]:
    """The unsent messages of all rooms, in their order in each room; their value is the key."""
    return [
        PickerItem(inert(summary(entry.content, entry.files)), f"{shown_room(room.name)} {queued_at(entry)}", entry.key)
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


def with_indexed(model: ChatModel, loaded: list[PickerItem], indexed: "Sequence[FoundMessage]") -> list[PickerItem]:
    """What was found among the loaded messages, and in the index of an encrypted room, the newest first."""
    if not indexed:
        return loaded
    items = {int(item.value): item for item in loaded}
    for each in indexed:
        held = model.room.held(each.offset)
        if each.offset not in items and not (held is not None and held.deleted):
            text = each.text or f"[{', '.join(each.files.splitlines())}]"
            items[each.offset] = PickerItem(inert(text), inert(each.username), str(each.offset))
    return [items[offset] for offset in sorted(items, reverse=True)][:LIMIT]


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
