"""Lays out what became of a message: the message that it answers, its edits, reactions, replies and pin. Pure.

Rows of these marks have a bar of their own, `REPLY_BAR` or `MARKS_BAR`: no text of a message can imitate them.
"""

from chatterbox.wire.frames import Message, Reaction
from client.screen.layout.side_lists import fitting
from client.screen.layout.spans import Row, Span, SpanRole
from client.screen.model.messages.own_reactions import is_own
from client.text.file_text import summary
from client.text.line_wrap import widest_of
from client.text.sanitize import inert, inert_lines

REPLY_BAR, MARKS_BAR = "┌ ", "└ "
EDITED = "edited"
UNLOADED = "a message before"
FIRST_CHARS = 200
"""Characters of an answered message that are looked at; a row shows fewer."""


def reply_row(replied: Message | None, columns: int) -> Row:
    """The message that another one answers, in one row; None: it is not loaded."""
    what = UNLOADED if replied is None else f"{inert(replied.username)}: {first_words(replied)}"
    return (Span(fitting(f"↳ {what}", columns), SpanRole.MARK),)


def first_words(message: Message) -> str:
    """The first line of a message, inert."""
    if message.deleted:
        return tombstone(message)
    return inert_lines(summary(message.content, message.files)[:FIRST_CHARS])[0]


def tombstone(message: Message) -> str:
    """What is shown in place of an erased text."""
    by_author = message.by in {"", message.username}
    return "deleted" if by_author else f"deleted by {inert(message.by)}"


def mark_rows(
    message: Message, username: str, columns: int, own: frozenset[str] = frozenset(), *, edited: bool
) -> list[Row]:
    """Reactions, the number of replies, and whether it is pinned, in as many rows as they take.

    `own`: with which emoji the user reacted without being named.
    `edited`: also say that it was edited, as there is no room after its text.
    """
    marks = [reaction_mark(reaction, username, own) for reaction in message.reactions]
    marks += [Span(replies_of(message), SpanRole.MARK)] if message.replies else []
    marks += [Span("pinned", SpanRole.MARK)] if message.pinned else []
    marks += [Span(EDITED, SpanRole.MARK)] if edited else []
    return _filled(marks, columns)


def reaction_mark(reaction: Reaction, username: str, own: frozenset[str] = frozenset()) -> Span:
    """An emoji and how many reacted with it; `*` if the user is one of them."""
    mine = is_own(reaction, username, own)
    return Span(f"{'*' if mine else ''}{inert(reaction.emoji)} {reaction.n}", SpanRole.OWN if mine else SpanRole.MARK)


def replies_of(message: Message) -> str:
    """The number of replies, in words."""
    return "1 reply" if message.replies == 1 else f"{message.replies} replies"


def _filled(marks: list[Span], columns: int) -> list[Row]:
    """Put marks into rows, two spaces between them."""
    rows: list[Row] = []
    taken = 0
    for whole in marks:
        mark = whole._replace(text=fitting(whole.text, columns))
        wide = widest_of(mark.text)
        if rows and taken + 2 + wide <= columns:
            rows[-1] = (*rows[-1], Span("  ", SpanRole.MARK), mark)
            taken += 2 + wide
        else:
            rows.append((mark,))
            taken = wide
    return rows
