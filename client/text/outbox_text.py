"""Unsent messages as lines for people, the same in every face and command. Pure."""

from collections.abc import Iterable
from datetime import datetime

from client.core.outbox_entry import OutboxEntry
from client.text.file_text import summary
from client.text.room_text import shown_room
from client.text.sanitize import inert

BEING_SENT = "This message is being sent; it can't be taken back any more."


def outbox_lines(entries: Iterable[OutboxEntry], held: Iterable[bool] = ()) -> list[str]:
    """A line for each entry: id, time, room and text. `held`: whether a running client will send it."""
    marks = dict(enumerate(held))
    return [
        f"{entry.short_id}  {queued_at(entry)}  {shown_room(entry.room)}"
        f"{' (a running chat sends it)' if marks.get(number) else ''}: {inert(summary(entry.text, entry.files))}"
        for number, entry in enumerate(entries)
    ]


def queued_at(entry: OutboxEntry) -> str:
    """The local time at which a message was queued."""
    try:
        return f"{datetime.fromtimestamp(entry.queued_at_s or 0).astimezone():%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError, OSError):
        return "at an unknown time"


def dropped_line(entry: OutboxEntry) -> str:
    """Confirm that a message was deleted. It may have arrived: an ack can be lost with its connection."""
    return (
        f"Deleted, to {shown_room(entry.room)}: {inert(summary(entry.text, entry.files))} "
        "(If the connection broke while it was being sent, it may have arrived.)"
    )


def edited_line(entry: OutboxEntry, text: str) -> str:
    """Confirm that a message was edited before it was acknowledged."""
    after = " once the server has stored it" if entry.tried else ""
    return f"Changed your unsent message{after}: {inert(text)}"
