"""Room list, list of active people, heading, and how a row is cut to its width. Pure."""

from collections.abc import Iterable

from client.screen.layout.spans import Row, Span, SpanRole, text_of
from client.screen.model.chat_model import ChatModel
from client.screen.model.room_model import RoomModel
from client.text.line_wrap import width_of
from client.text.room_names import shown_room
from client.text.sanitize import inert


def room_row(room: RoomModel, number: int, *, current: bool, pinned: bool, columns: int) -> Row:
    """Lay out a room of the list: number for Alt, * if pinned, name, mentions (as @2) and unread messages."""
    count = (f"@{room.mentions} " if room.mentions else "") + (str(room.unread) if room.unread else "")
    head = f"{'▸' if current else ' '}{number if number < 10 else ' '}{'*' if pinned else ' '}"
    name = fitting(shown_room(room.name), columns - len(head) - len(count) - 1)
    gap = " " * max(1, columns - len(head) - width_of(name) - len(count))
    news = SpanRole.MENTION if room.mentions else SpanRole.UNREAD if room.unread else None
    return (
        Span(head, SpanRole.TEXT if current else SpanRole.MARK),
        Span(name, news or (SpanRole.TEXT if current else SpanRole.TIME)),
        Span(gap, SpanRole.MARK),
        Span(count, news or SpanRole.TEXT),
    )


def room_rows(model: ChatModel, columns: int, height: int) -> list[Row]:
    """Lay out the part of the room list that has the open room in it."""
    shown = _visible_rooms(model, height)
    return [
        room_row(room, number, current=room is model.room, pinned=room.name in model.order.pinned, columns=columns)
        for number, room in shown
    ]


def open_room_line(model: ChatModel, height: int) -> set[int]:
    """Return the line of the list that shows the open room."""
    return {line for line, (_, room) in enumerate(_visible_rooms(model, height)) if room is model.room}


def room_at(model: ChatModel, height: int, line: int) -> str | None:
    """Return the room on a line of the list."""
    shown = _visible_rooms(model, height)
    return shown[line][1].name if 0 <= line < len(shown) else None


def _visible_rooms(model: ChatModel, height: int) -> list[tuple[int, RoomModel]]:
    rooms = model.in_order()
    at = rooms.index(model.room)
    first = max(0, min(at - height // 2, len(rooms) - height))
    return list(enumerate(rooms, 1))[first : first + height]


def people_rows(model: ChatModel, columns: int, height: int) -> list[Row]:
    """Lay out the people active in the open room, the most recent first."""
    title: Row = (Span("active here", SpanRole.MARK),)
    names = model.people()[: max(0, height - 1)]
    return [title, *((Span(fitting(inert(name), columns), SpanRole.NAME, name),) for name in names)]


TOPIC_COLUMNS = 12
"""A topic that has less room (columns) is not shown."""


def heading(model: ChatModel, columns: int) -> Row:
    """Lay out the line above the timeline: room, topic, and at the right end its properties and counts."""
    room = model.room
    facts = [fact for fact, holds in (("private", room.private), ("you are not in it", not room.member)) if holds]
    facts += [f"{len(room.active)} active"] if room.active else []
    facts += [f"{room.unread} unread"] if room.unread else []
    name, known = f" {shown_room(room.name)}", " · ".join(facts)
    left = columns - width_of(name) - width_of(known) - len("  ") - len("  ") - 1
    if not room.topic or left < TOPIC_COLUMNS:
        return (Span(name, SpanRole.TITLE), Span(f"  {known}", SpanRole.TIME))
    topic = fitting(inert(room.topic), left)
    gap = " " * (left - width_of(topic))
    return (Span(name, SpanRole.TITLE), Span(f"  {topic}{gap}", SpanRole.TEXT), Span(f"  {known}", SpanRole.TIME))


def bar(parts: Iterable[str], hint: str, columns: int, role: SpanRole = SpanRole.TEXT) -> Row:
    """Lay out the status line: as many of `parts` as fit, and a hint at the right end if it fits."""
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
    """Return the text, cut to `columns` with an ellipsis if it is longer."""
    if width_of(text) <= columns:
        return text
    while text and width_of(text) > columns - 1:
        text = text[:-1]
    return text + "…" if columns > 0 else ""


def plain(rows: Iterable[Row]) -> list[str]:
    """Return the text of rows, without trailing spaces."""
    return [text_of(row).rstrip() for row in rows]
