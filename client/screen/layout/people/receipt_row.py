"""Who has seen the user's last message of a room. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from client.screen.layout.side_lists import fitting
from client.screen.layout.spans import Row, Span, SpanRole
from client.screen.model.chat_model import ChatModel
from client.text.line_wrap import width_of
from client.text.sanitize import inert_name

NEWEST = 500
"""The newest messages of a room, among which the user's last one is looked for."""


class SeenBy(NamedTuple):
    """The users who have read the message at `offset`."""

    offset: int
    names: tuple[str, ...]


def seen_by(model: ChatModel) -> SeenBy | None:
    """Who has seen the user's last message of the open room; None: no one, or it is not shown."""
    read_by = model.people.receipts_of(model.room.name)
    if not read_by or model.thread is not None:
        return None
    log, me = model.room.log, model.status.username
    for offset in reversed(log.offsets[-NEWEST:]):
        if log[offset].username == me:
            names = tuple(sorted(name for name, read in read_by.items() if read >= offset and name != me))
            return SeenBy(offset, names) if names and not log[offset].deleted else None
    return None


def receipt_row(names: Sequence[str], columns: int) -> Row:
    """Lay out who has seen a message: as many names as fit.

    >>> receipt_row(["bob"], 40)[0].text, receipt_row(["bob", "eve", "grace"], 24)[0].text
    ('seen by bob', 'seen by bob and 2 more')
    """
    shown = [inert_name(name) for name in names]
    for count in range(len(shown), 0, -1):
        others = f" and {len(shown) - count} more" if count < len(shown) else ""
        text = f"seen by {_joined(shown[:count], ends=not others)}{others}"
        if width_of(text) <= columns:
            return (Span(text, SpanRole.MARK),)
    text = f"seen by {len(shown)}" if len(shown) > 1 else f"seen by {shown[0]}"
    return (Span(fitting(text, columns), SpanRole.MARK),)


def _joined(names: Sequence[str], *, ends: bool) -> str:
    if len(names) > 1 and ends:
        return f"{', '.join(names[:-1])} and {names[-1]}"
    return ", ".join(names)
