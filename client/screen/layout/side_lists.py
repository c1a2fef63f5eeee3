"""Room list, list of active people, and how a row is cut to its width. Pure."""

from collections.abc import Iterable

from client.core.direct_rooms import is_direct, peer_of
from client.screen.layout.people.presence_marks import presence_mark
from client.screen.layout.spans import Row, Span, SpanRole, text_of
from client.screen.model.chat_model import ChatModel
from client.screen.model.rooms.room_model import RoomModel
from client.text.line_wrap import width_of
from client.text.room_text import shown_room
from client.text.sanitize import inert
from client.text.unread_text import shown_count


def room_row(
    room: RoomModel, number: int, *, current: bool, pinned: bool, columns: int, presence: Span | None = None
) -> Row:
    """Lay out a room of the list: number for Alt (0: none), * if pinned, name, mentions (as @2) and unread messages.

    `presence`: of the user of a direct conversation, in place of the number.
    """
    mentions = 0 if is_direct(room.name) else room.mentions
    count = (f"@{shown_count(mentions)} " if mentions else "") + (shown_count(room.unread) if room.unread else "")
    head = f"{'▸' if current else ' '}{number if 0 < number < 10 else ' '}{'*' if pinned else ' '}"
    name = fitting(shown_room(room.name), columns - len(head) - len(count) - 1)
    gap = " " * max(1, columns - len(head) - width_of(name) - len(count))
    news = SpanRole.MENTION if room.mentions else SpanRole.UNREAD if room.unread else None
    role = SpanRole.TEXT if current else SpanRole.MARK
    return (
        *((Span(head[0], role), presence, Span(head[2:], role)) if presence is not None else (Span(head, role),)),
        Span(name, news or (SpanRole.TEXT if current else SpanRole.TIME)),
        Span(gap, SpanRole.MARK),
        Span(count, news or SpanRole.TEXT),
    )


def room_rows(model: ChatModel, columns: int, height: int) -> list[Row]:
    """Lay out the part of the room list that has the open room in it."""
    ordered, pinned = model.ordered, model.directory.order.pinned
    return [
        (Span(fitting(line, columns), SpanRole.MARK),)
        if isinstance(line, str)
        else room_row(
            line,
            max(0, ordered.places[line.name] - ordered.directs + 1),
            current=line is model.room,
            pinned=line.name in pinned,
            columns=columns,
            presence=presence_mark(model.people.presence(peer_of(line.name))) if is_direct(line.name) else None,
        )
        for line in _visible_lines(model, height)
    ]


def open_room_line(model: ChatModel, height: int) -> set[int]:
    """Return the line of the list that shows the open room."""
    return {number for number, line in enumerate(_visible_lines(model, height)) if line is model.room}


def rooms_shown(model: ChatModel, height: int) -> list[RoomModel]:
    """The rooms in the part of the list that is shown."""
    return [line for line in _visible_lines(model, height) if isinstance(line, RoomModel)] if height > 0 else []


def room_at(model: ChatModel, height: int, line: int) -> str | None:
    """Return the room on a line of the list."""
    shown = _visible_lines(model, height)
    room = shown[line] if 0 <= line < len(shown) else None
    return room.name if isinstance(room, RoomModel) else None


def _visible_lines(model: ChatModel, height: int) -> list[RoomModel | str]:
    """Rooms; if there are direct conversations, they are a list of their own above, and each list has a title."""
    rooms, directs, places = model.ordered
    titles = {0: "direct", directs + 1: "rooms"} if directs else {}
    count, here = len(rooms) + len(titles), places[model.room.name]
    at = here + sum(line - number <= here for number, line in enumerate(titles))
    first = max(0, min(at - height // 2, count - height))
    return [
        titles[line] if line in titles else rooms[line - sum(title < line for title in titles)]
        for line in range(first, min(first + height, count))
    ]


def people_rows(model: ChatModel, columns: int, height: int) -> list[Row]:
    """Lay out the people active in the open room, the most recent first."""
    title: Row = (Span("active here", SpanRole.MARK),)
    return [title, *(_person_row(model, name, columns) for name in people_shown(model, height))]


def people_shown(model: ChatModel, height: int) -> list[str]:
    """The usernames in the list of active people."""
    return model.active_people()[: max(0, height - 1)]


def person_at(model: ChatModel, height: int, line: int) -> str | None:
    """Return the user on a line of the list of active people."""
    shown = people_shown(model, height)
    return shown[line - 1] if 0 < line <= len(shown) else None


def _person_row(model: ChatModel, name: str, columns: int) -> Row:
    mark = (presence_mark(model.people.presence(name)), Span(" ", SpanRole.MARK)) if model.people.shows.presence else ()
    return (*mark, Span(fitting(inert(name), columns - len(mark)), SpanRole.NAME, name))


def bar(parts: Iterable[str], hint: str, columns: int, role: SpanRole = SpanRole.TEXT, *, aside: str = "") -> Row:
    """Lay out the status line: as many of `parts` as fit, and a hint at the right end if it fits.

    `aside` stands before the hint. Where it appears, the less important parts make room for it, and none moves.
    """
    room = columns - width_of(aside) - width_of(hint) - 3 if aside else columns
    text = ""
    for part in parts:
        longer = f"{text} · {part}" if text else f" {part}"
        if width_of(longer) > room and text:
            break
        text = longer
    text = fitting(text, columns)
    if aside and width_of(text) <= room:
        space = " " * (columns - width_of(text) - width_of(aside) - width_of(hint) - 2)
        return (Span(text, role), Span(f"{space}{aside} ", SpanRole.TEXT), Span(hint, SpanRole.TIME))
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
