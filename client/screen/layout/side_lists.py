"""The rows of what stands around the timeline: the rooms, the people, the heading. Pure."""

from collections.abc import Iterable

from client.screen.layout.spans import Row, Span, SpanRole, text_of
from client.screen.model.chat_model import ChatModel
from client.screen.model.room_model import RoomModel
from client.text.line_wrap import width_of
from client.text.sanitize import inert


def room_row(room: RoomModel, number: int, *, current: bool, columns: int) -> Row:
    """A line of the list of rooms: its number for Alt, its name, and what is unread there, mentions as @2."""
    count = (f"@{room.mentions} " if room.mentions else "") + (str(room.unread) if room.unread else "")
    head = f"{'▸' if current else ' '}{number if number < 10 else ' '} "
    name = fitting(f"#{inert(room.name)}", columns - len(head) - len(count) - 1)
    gap = " " * max(1, columns - len(head) - width_of(name) - len(count))
    news = SpanRole.MENTION if room.mentions else SpanRole.UNREAD if room.unread else None
    return (
        Span(head, SpanRole.TEXT if current else SpanRole.MARK),
        Span(name, news or (SpanRole.TEXT if current else SpanRole.TIME)),
        Span(gap, SpanRole.MARK),
        Span(count, news or SpanRole.TEXT),
    )


def room_rows(model: ChatModel, columns: int, height: int) -> list[Row]:
    """The list of rooms, so much of it that the one that is looked at is in it."""
    shown = _on_the_list(model, height)
    return [room_row(room, number, current=room is model.room, columns=columns) for number, room in shown]


def line_here(model: ChatModel, height: int) -> set[int]:
    """The line of the list on which the room is that is looked at."""
    return {line for line, (_, room) in enumerate(_on_the_list(model, height)) if room is model.room}


def room_at(model: ChatModel, height: int, line: int) -> str | None:
    """The room on a line of the list."""
    shown = _on_the_list(model, height)
    return shown[line][1].name if 0 <= line < len(shown) else None


def _on_the_list(model: ChatModel, height: int) -> list[tuple[int, RoomModel]]:
    rooms = model.in_order()
    at = rooms.index(model.room)
    first = max(0, min(at - height // 2, len(rooms) - height))
    return list(enumerate(rooms, 1))[first : first + height]


def people_rows(model: ChatModel, columns: int, height: int) -> list[Row]:
    """Who was heard in this room, the last speaker first."""
    heading: Row = (Span("heard here", SpanRole.MARK),)
    names = model.people()[: max(0, height - 1)]
    return [heading, *((Span(fitting(inert(name), columns), SpanRole.NAME, name),) for name in names)]


TOPIC_COLUMNS = 12
"""A topic that has less room than so many columns is not begun."""


def heading(model: ChatModel, columns: int) -> Row:
    """The line above the timeline: the room, what it is about, and what is known of it at the right end."""
    room = model.room
    facts = [fact for fact, holds in (("private", room.private), ("you are not in it", not room.member)) if holds]
    heard = len(room.heard)
    facts += [f"{heard} heard"] if heard else []
    facts += [f"{room.unread} unread"] if room.unread else []
    name, known = f" #{inert(room.name)}", " · ".join(facts)
    left = columns - width_of(name) - width_of(known) - len("  ") - len("  ") - 1
    if not room.topic or left < TOPIC_COLUMNS:
        return (Span(name, SpanRole.TITLE), Span(f"  {known}", SpanRole.TIME))
    topic = fitting(inert(room.topic), left)
    gap = " " * (left - width_of(topic))
    return (Span(name, SpanRole.TITLE), Span(f"  {topic}{gap}", SpanRole.TEXT), Span(f"  {known}", SpanRole.TIME))


def bar(parts: Iterable[str], hint: str, columns: int, role: SpanRole = SpanRole.TEXT) -> Row:
    """The status line: as many of `parts` as there is room for, and a hint at its right end if it fits."""
    text = ""
    for part in parts:
        longer = f"{text} · {part}" if text else f" {part}"
        if width_of(longer) > columns and text:
            break
        text = longer
    text = fitting(text, columns)
    gap = columns - width_of(text) - width_of(hint) - 1
    return (Span(text, role), Span(" " * gap + hint, SpanRole.TIME)) if gap > 0 else (Span(text, role),)


def fitting(text: str, columns: int) -> str:
    """The text, or so much of it as fits, with a dot that says so."""
    if width_of(text) <= columns:
        return text
    while text and width_of(text) > columns - 1:
        text = text[:-1]
    return text + "…" if columns > 0 else ""


def plain(rows: Iterable[Row]) -> list[str]:
    """What rows say."""
    return [text_of(row).rstrip() for row in rows]
