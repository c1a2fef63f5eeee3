"""Messages of a room that say as of which rev they are, and what was written of them."""

import msgspec

from chatterbox.wire.codec import decode_server_frame
from chatterbox.wire.frames import Change, Message, ServerFrame
from chatterbox.wire.position import Position


def message(offset: int, rev: int = 0) -> bytes:
    at = Position("e", offset)
    return msgspec.json.encode(
        Message(room="r", at=at, message_id=offset, username="ada", content=f"as of {rev}", timestamp="", rev=rev)
    )


def decoded(written: bytes) -> list[ServerFrame]:
    """The frames of one write."""
    frames = []
    while written:
        size, start = written[1], 2
        if size == 126:
            size, start = int.from_bytes(written[2:4]), 4
        frames.append(decode_server_frame(written[start : start + size]))
        written = written[start + size :]
    return frames


def summary(frame: ServerFrame) -> str:
    match frame:
        case Message():
            return f"message {frame.at.offset} {frame.content}"
        case Change(message=None):
            return f"({frame.after}, {frame.rev}]"
        case Change(message=Message() as changed):
            by = f" by {frame.by}" if frame.by else ""
            return f"({frame.after}, {frame.rev}] {changed.at.offset} {changed.content}{by}"
        case _:
            return repr(frame)
