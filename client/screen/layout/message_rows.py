"""Messages laid out as rows: time, name, a bar, the text. Pure; everything of others becomes inert here.

The columns up to the bar belong to the client: no text, whatever it holds, can stand where a time and a name stand.
"""

from dataclasses import dataclass
from datetime import tzinfo
from typing import NamedTuple

from chatterbox.wire.frames import Message
from client.core.outbox_entry import OutboxEntry
from client.screen.layout.links import links, mentions
from client.screen.layout.spans import Row, Span, SpanRole, text_of
from client.text.line_wrap import hang, width_of
from client.text.note_text import time_of
from client.text.sanitize import inert, inert_lines

NARROW = 50
"""Below so many columns names get less room."""
NAME_COLUMNS, NAME_COLUMNS_NARROW = 12, 8
BAR, BAR_CHOSEN = "│ ", "┃ "
STORED, QUEUED, SENDING, LANDED = "✓", "…", "↑", "✓"


@dataclass(frozen=True, slots=True)
class RowStyle:
    """How wide the rows are, who looks, and what they look for."""

    columns: int
    me: str = ""
    found: str = ""
    zone: tzinfo | None = None

    @property
    def name_columns(self) -> int:
        return NAME_COLUMNS if self.columns >= NARROW else NAME_COLUMNS_NARROW

    @property
    def text_columns(self) -> int:
        return max(8, self.columns - len("00:00 ") - self.name_columns - len(" ✓│ "))


def message_rows(message: Message, look: RowStyle) -> list[Row]:
    """The rows of a stored message."""
    at = time_of(message.timestamp, look.zone)
    mine = message.username == look.me
    called = not mine and mentions(message.content, look.me)
    first = (
        Span(f"{at:%H:%M} " if at else "--:-- ", SpanRole.TIME),
        Span(_name(message.username, look), SpanRole.NAME, message.username),
        Span((" " + STORED) if mine else (" @" if called else "  "), SpanRole.STORED if mine else SpanRole.MENTION),
    )
    return _rows(first, message.content, SpanRole.MENTION if called else SpanRole.TEXT, look)


def entry_rows(entry: OutboxEntry, look: RowStyle, *, mark: str, state: str) -> list[Row]:
    """The rows of a message of one's own that is on its way; `state` says in words how far it is."""
    first = (
        Span(" " * len("00:00 "), SpanRole.TIME),
        Span(_name(look.me or "you", look), SpanRole.NAME, look.me),
        Span(f" {mark}", SpanRole.STORED if mark == LANDED else SpanRole.WAITING),
    )
    *others, last = _rows(first, entry.content, SpanRole.WAITING, look)
    said = Span(f"  ({state})", SpanRole.MARK)
    if width_of(text_of(last)) + width_of(said.text) <= look.columns:
        return [*others, (*last, said)]
    return [*others, last, (Span(" " * (look.columns - width_of(said.text)), SpanRole.TIME), said)]


def notice_rows(text: str, look: RowStyle, role: SpanRole = SpanRole.NOTICE) -> list[Row]:
    """The client's own words; they begin where no message begins."""
    return [(Span(line, role),) for line in _hung("-- ", text, look.columns)]


def rule(text: str, role: SpanRole, look: RowStyle) -> Row:
    """A line across with a word in it."""
    said = f" {text} "
    left = max(2, (look.columns - width_of(said)) // 2)
    return (Span("─" * left + said + "─" * max(0, look.columns - left - width_of(said)), role),)


def _hung(prefix: str, text: str, columns: int) -> list[str]:
    first, *others = hang(prefix, [text], columns + 1)
    return [prefix + first, *others]


def _name(username: str, look: RowStyle) -> str:
    """The name, right-aligned; one that is too long ends in a dot that says so."""
    name, columns = inert(username), look.name_columns
    while width_of(name) > columns:
        name = name[:-2] + "…"
    return " " * (columns - width_of(name)) + name


class _Markup(NamedTuple):
    """A part of a line that is not plain text: a link, or the number after it."""

    start: int
    end: int
    role: SpanRole
    detail: str = ""


def _rows(first: Row, content: str, role: SpanRole, look: RowStyle) -> list[Row]:
    bar = Span(BAR, SpanRole.BAR)
    blank = Span(" " * sum(width_of(piece.text) for piece in first), SpanRole.TIME)
    rows: list[Row] = []
    number = 1
    for plain in inert_lines(content):
        line, spans = _numbered(plain, number)
        number += len(spans) // 2
        for start, piece in _broken(line, look.text_columns):
            head = first if not rows else (blank,)
            rows.append((*head, bar, *_pieces(line, start, start + len(piece), spans, role, look)))
    return rows


def _numbered(line: str, number: int) -> tuple[str, list[_Markup]]:
    """The line with a number after each link, and where the links and the numbers stand in it."""
    out, spans, at = "", list[_Markup](), 0
    for link in links(line):
        out += line[at : link.end]
        spans.append(_Markup(len(out) - len(link.address), len(out), SpanRole.LINK, link.address))
        out += f"[{number + len(spans) // 2}]"
        spans.append(_Markup(spans[-1].end, len(out), SpanRole.MARK))
        at = link.end
    return out + line[at:], spans


def _broken(line: str, columns: int) -> list[tuple[int, str]]:
    """The pieces of a line that fit, each with where it begins in the line."""
    at, out = 0, []
    for piece in hang("", [line], columns + 1):
        at = line.index(piece, at)
        out.append((at, piece))
        at += len(piece)
    return out


def _pieces(line: str, start: int, end: int, spans: list[_Markup], role: SpanRole, look: RowStyle) -> Row:
    """The part of a line between two places, with its links and what is looked for."""
    pieces: list[Span] = []
    at = start
    for span in spans:
        first, last = max(start, span.start), min(end, span.end)
        if first < last:
            pieces += [*_marked(line[at:first], role, look), Span(line[first:last], span.role, span.detail)]
            at = last
    return (*pieces, *_marked(line[at:end], role, look))


def _marked(text: str, role: SpanRole, look: RowStyle) -> list[Span]:
    """The text with every place of what is looked for marked."""
    wanted = look.found.casefold()
    lowered = text.casefold()
    if not wanted or wanted not in lowered or len(lowered) != len(text):
        return [Span(text, role)] if text else []
    pieces, at = [], 0
    while (place := lowered.find(wanted, at)) >= 0:
        pieces += [Span(text[at:place], role), Span(text[place : place + len(wanted)], SpanRole.FOUND)]
        at = place + len(wanted)
    return [piece for piece in (*pieces, Span(text[at:], role)) if piece.text]
