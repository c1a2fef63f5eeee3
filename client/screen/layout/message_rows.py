"""Lays out one message as rows: time, name, delivery mark, bar, text. Pure.

Text from other people is made inert here. The columns up to the bar belong to the client: no message can imitate a time
or a name.
"""

from dataclasses import dataclass
from datetime import tzinfo
from typing import NamedTuple

from chatterbox.wire.frames import Message
from client.core.outbox_entry import OutboxEntry
from client.encryption.core.trust import DecryptedMessage
from client.screen.layout.message_marks import EDITED, MARKS_BAR, REPLY_BAR, mark_rows, reply_row, tombstone
from client.screen.layout.side_lists import fitting
from client.screen.layout.spans import Row, Span, SpanRole, text_of
from client.screen.model.messages.links import is_mentioned, links
from client.text.encryption.encrypted_message_text import notices_of
from client.text.file_text import file_lines, save_command
from client.text.line_wrap import hang, widest_of, width_of
from client.text.local_time import time_of
from client.text.sanitize import inert, inert_lines

NARROW = 50
"""Below this width (columns), names get `NAME_COLUMNS_NARROW`."""
NAME_COLUMNS, NAME_COLUMNS_NARROW = 12, 8
BAR = "│ "
SELECTED_BARS = {BAR: "┃ ", REPLY_BAR: "┏ ", MARKS_BAR: "┗ "}
STORED, QUEUED, SENDING = "✓", "…", "↑"


@dataclass(frozen=True, slots=True)
class RowStyle:
    """Width of the rows (columns), the user's name, the text to highlight, and the time zone (None: local)."""

    columns: int
    username: str = ""
    highlight: str = ""
    zone: tzinfo | None = None

    @property
    def name_columns(self) -> int:
        return NAME_COLUMNS if self.columns >= NARROW else NAME_COLUMNS_NARROW

    @property
    def text_columns(self) -> int:
        return max(8, self.columns - len("00:00 ") - self.name_columns - len(" ✓│ "))


def message_rows(
    message: Message,
    style: RowStyle,
    replied: Message | None = None,
    own: frozenset[str] = frozenset(),
    *,
    shows_answered: bool = True,
) -> list[Row]:
    """Lay out a stored message. `replied`: the message that it answers, if that is loaded.

    `own`: with which emoji the user reacted without being named. What can't be read is a notice in its place.
    """
    if isinstance(message, DecryptedMessage) and (texts := notices_of(message)):
        notices = [row for text in texts for row in notice_rows(text, style)]
        if message.unreadable is not None:
            return notices
        plain = _message_rows(message, style, replied, own, shows_answered=shows_answered)
        return [*notices, *plain]
    return _message_rows(message, style, replied, own, shows_answered=shows_answered)


def _message_rows(
    message: Message, style: RowStyle, replied: Message | None, own: frozenset[str], *, shows_answered: bool
) -> list[Row]:
    mine = message.username == style.username
    mentioned = not mine and is_mentioned(style.username, message, replied)
    mark = " " if message.deleted else STORED if mine else "@" if mentioned else " "
    head = (
        Span(_time(message, style), SpanRole.TIME),
        Span(_name(message.username, style), SpanRole.NAME, message.username),
        Span(f" {mark}", SpanRole.STORED if mine else SpanRole.MENTION),
    )
    if message.deleted:
        return [(*head, Span(MARKS_BAR, SpanRole.BAR), Span(tombstone(message), SpanRole.MARK))]
    if message.files and not message.content:
        first, *others = _file_rows(message, style)
        rows = [(*head, *first), *((_blank(head), *row) for row in others)]
    else:
        rows = _rows(head, message.content, SpanRole.MENTION if mentioned else SpanRole.TEXT, style)
        rows += [(_blank(head), *row) for row in _file_rows(message, style)]
    label = Span(f"  {EDITED}", SpanRole.MARK)
    fits = widest_of(text_of(rows[-1])) + len(label.text) <= style.columns
    if message.edited and fits:
        rows[-1] = (*rows[-1], label)
    blank = _blank(head)
    answered = [reply_row(replied, style.text_columns)] if message.reply_to and shows_answered else []
    marks = mark_rows(message, style.username, style.text_columns, own, edited=bool(message.edited) and not fits)
    return [
        *((blank, Span(REPLY_BAR, SpanRole.BAR), *row) for row in answered),
        *rows,
        *((blank, Span(MARKS_BAR, SpanRole.BAR), *row) for row in marks),
    ]


def _file_rows(message: Message, style: RowStyle) -> list[Row]:
    """A row for each file of a message, without the columns before the bar. Of a long line, the name is shortened."""
    columns = style.text_columns
    rows: list[Row] = []
    for file in message.files:
        [line] = file_lines([file], save_command(message))
        if (excess := width_of(line) - columns) > 0:
            name = inert(file.name)
            short = fitting(name, max(NAME_COLUMNS_NARROW, width_of(name) - excess))
            line = fitting(line.replace(name, short, 1), columns)
        rows.append((Span(MARKS_BAR, SpanRole.BAR), Span(line, SpanRole.MARK)))
    return rows


def below(row: Row, style: RowStyle) -> Row:
    """Put a row of marks below the text of a message."""
    columns = len("00:00 ") + style.name_columns + len(" ✓")
    return (Span(" " * columns, SpanRole.TIME), Span(MARKS_BAR, SpanRole.BAR), *row)


def _time(message: Message, style: RowStyle) -> str:
    at = time_of(message.timestamp, style.zone)
    return f"{at:%H:%M} " if at else "--:-- "


def _blank(head: Row) -> Span:
    """Spaces in the columns of the time, the name and the delivery mark."""
    return Span(" " * sum(width_of(span.text) for span in head), SpanRole.TIME)


def entry_rows(entry: OutboxEntry, style: RowStyle, *, mark: str, state: str) -> list[Row]:
    """Lay out an outgoing message; `state` is shown in words after it."""
    head = (
        Span(" " * len("00:00 "), SpanRole.TIME),
        Span(_name(style.username or "you", style), SpanRole.NAME, style.username),
        Span(f" {mark}", SpanRole.STORED if mark == STORED else SpanRole.WAITING),
    )
    content = "\n".join(filter(None, (entry.content, *file_lines(entry.files))))
    *others, last = _rows(head, content, SpanRole.WAITING, style)
    label = Span(f"  ({state})", SpanRole.MARK)
    if width_of(text_of(last)) + width_of(label.text) <= style.columns:
        return [*others, (*last, label)]
    return [*others, last, (Span(" " * (style.columns - width_of(label.text)), SpanRole.TIME), label)]


def notice_rows(text: str, style: RowStyle, role: SpanRole = SpanRole.NOTICE) -> list[Row]:
    """Lay out a line of the client's own. It begins in a column where no message begins."""
    return [(Span(line, role),) for line in _hung("-- ", text, style.columns)]


def rule(text: str, role: SpanRole, style: RowStyle) -> Row:
    """Lay out a horizontal line with a text in the middle."""
    label = f" {text} "
    left = max(2, (style.columns - width_of(label)) // 2)
    return (Span("─" * left + label + "─" * max(0, style.columns - left - width_of(label)), role),)


def _hung(prefix: str, text: str, columns: int) -> list[str]:
    first, *others = hang(prefix, [text], columns + 1)
    return [prefix + first, *others]


def _name(username: str, style: RowStyle) -> str:
    """The name, aligned to the right; a name that is too long ends in an ellipsis."""
    name, columns = inert(username), style.name_columns
    while width_of(name) > columns:
        name = name[:-2] + "…"
    return " " * (columns - width_of(name)) + name


class _Markup(NamedTuple):
    """A part of a line with a role of its own: a link, or the number after it."""

    start: int
    end: int
    role: SpanRole
    detail: str = ""


def _rows(head: Row, content: str, role: SpanRole, style: RowStyle) -> list[Row]:
    bar = Span(BAR, SpanRole.BAR)
    blank = _blank(head)
    rows: list[Row] = []
    number = 1
    for plain in inert_lines(content):
        line, markups = _numbered(plain, number)
        number += len(markups) // 2
        for start, part in _wrapped(line, style.text_columns):
            columns = head if not rows else (blank,)
            rows.append((*columns, bar, *_spans(line, start, start + len(part), markups, role, style)))
    return rows


def _numbered(line: str, number: int) -> tuple[str, list[_Markup]]:
    """Insert a number after each link; return the line and where links and numbers are in it.

    The space between them ends the address for a terminal that finds links by itself.
    """
    out, markups, at = "", list[_Markup](), 0
    for link in links(line):
        out += line[at : link.end]
        markups.append(_Markup(len(out) - len(link.address), len(out), SpanRole.LINK, link.address))
        out += f" [{number + len(markups) // 2}]"
        markups.append(_Markup(markups[-1].end, len(out), SpanRole.MARK))
        at = link.end
    return out + line[at:], markups


def _wrapped(line: str, columns: int) -> list[tuple[int, str]]:
    """Wrap a line; return each part with its start in the line."""
    at, out = 0, []
    for part in hang("", [line], columns + 1):
        at = line.index(part, at)
        out.append((at, part))
        at += len(part)
    return out


def _spans(line: str, start: int, end: int, markups: list[_Markup], role: SpanRole, style: RowStyle) -> Row:
    """The spans of `line[start:end]`, with its links and the highlighted text."""
    spans: list[Span] = []
    at = start
    for markup in markups:
        first, last = max(start, markup.start), min(end, markup.end)
        if first < last:
            spans += [*_highlighted(line[at:first], role, style), Span(line[first:last], markup.role, markup.detail)]
            at = last
    return (*spans, *_highlighted(line[at:end], role, style))


def _highlighted(text: str, role: SpanRole, style: RowStyle) -> list[Span]:
    """The text with every occurrence of `style.highlight` in a span of its own."""
    wanted = style.highlight.casefold()
    folded = text.casefold()
    if not wanted or wanted not in folded or len(folded) != len(text):
        return [Span(text, role)] if text else []
    spans, at = [], 0
    while (found := folded.find(wanted, at)) >= 0:
        spans += [Span(text[at:found], role), Span(text[found : found + len(wanted)], SpanRole.FOUND)]
        at = found + len(wanted)
    return [span for span in (*spans, Span(text[at:], role)) if span.text]
