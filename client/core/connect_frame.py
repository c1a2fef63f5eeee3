"""Encodes the `connect` frame: names as many rooms as the server takes in one frame. Pure."""

from collections.abc import Mapping

from chatterbox.wire import codec
from chatterbox.wire.frames import Connect
from chatterbox.wire.position import ResumePoint


def connect_frame(token: str, resume: Mapping[str, ResumePoint], command_id: int | None, limit_bytes: int) -> bytes:
    """A frame of at most `limit_bytes` bytes, unless the token alone is longer.

    Rooms are named in the order of `resume` as far as they fit. The server tells the position of the others at the
    welcome, and the client requests what it missed in them.
    """
    left = limit_bytes - len(codec.encode(Connect(token=token, id=command_id)))
    named: dict[str, ResumePoint] = {}
    for room, point in resume.items():
        left -= len(codec.encode({room: point})) - len("{}") + len(",")
        if left < 0:
            break
        named[room] = point
    return codec.encode(Connect(token=token, resume=named, id=command_id))
