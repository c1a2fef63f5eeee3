"""What is kept of a room between runs. Pure."""

import msgspec

from chatterbox.wire.frames import Message

SAVED_MESSAGES = 60
"""Newest messages saved of a busy room, so that there is something to read while offline."""
SAVED_HISTORY = 100
"""Newest texts of the input history saved of a room."""


class SavedRoom(msgspec.Struct, omit_defaults=True):
    """What is kept of a room between runs."""

    member: bool = True
    private: bool = False
    topic: str = ""
    epoch: str = ""
    read: int = 0
    turn: int = 0
    """The turn of `read`, as the server numbers them."""
    rev: int = 0
    """Changes up to this rev of the room are in `messages`."""
    draft: str = ""
    written: list[str] = []
    messages: list[Message] = []
    thread_drafts: dict[int, str] = {}
