"""Decides which uploaded files a message may have. Pure.

The rules: a file was uploaded by the message's author, for its room, and is part of one message at most.
"""

from collections.abc import Mapping
from typing import NamedTuple

from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames import AttachedFile
from chatterbox.wire.history_api import Append


class UnboundFile(NamedTuple):
    """An uploaded file that no message has."""

    room_id: int
    user_id: int
    file: AttachedFile


class FileBinder:
    """The files that the messages of one transaction may have."""

    def __init__(self, unbound: Mapping[str, UnboundFile]) -> None:
        """`unbound` by file id, as stored before the transaction."""
        self._unbound = unbound
        self._bound: set[str] = set()

    def require(self, message: Append) -> None:
        """Raise `file_unknown` unless the message may have its files."""
        if len(set(message.files)) < len(message.files):
            raise ChatError(Code.FILE_UNKNOWN, "The message names the same file twice.")
        for file_id in message.files:
            found = None if file_id in self._bound else self._unbound.get(file_id)
            if found is None or (found.room_id, found.user_id) != (message.room_id, message.user_id):
                raise ChatError(
                    Code.FILE_UNKNOWN,
                    f"You have not uploaded a file {file_id} for this room, or it is part of a message already.",
                )

    def bind(self, message: Append) -> tuple[AttachedFile, ...]:
        """The files of a message that `require` accepted; no other message may have them."""
        self._bound.update(message.files)
        return tuple(self._unbound[file_id].file for file_id in message.files)


NO_FILES = FileBinder({})
"""For messages without files."""
