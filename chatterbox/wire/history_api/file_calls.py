"""The files service's questions about files: who may upload and read, and what is to be erased."""

import msgspec

from chatterbox.wire.frames.message import AttachedFile


class UploadCheck(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /internal/uploads/check`: whether the user may upload a file for a room; returns `UploadRoom`."""

    room: str
    user_id: int
    username: str


class UploadRoom(msgspec.Struct, frozen=True):
    """The room that a file is for."""

    room_id: int
    room: str


class FileUploaded(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /internal/uploads`: a file is complete, checked and readable; saying it again changes nothing."""

    room_id: int
    user_id: int
    file: AttachedFile


class FileAccess(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /internal/files/access`: returns `AttachedFile` if the user may read the file, else `file_unknown`.

    Who is in the room of a message with the file may, and who uploaded it.
    """

    file_id: str
    user_id: int


class FileErasures(msgspec.Struct, frozen=True):
    """`POST /internal/files/erased`: the files service has erased `done`; returns `FilesToErase`."""

    done: list[str] = []


class FilesToErase(msgspec.Struct, frozen=True):
    """Files whose message was deleted, or that no message took within a day; at most 1,000."""

    file_ids: list[str]


class FilesNamed(msgspec.Struct, frozen=True):
    """`POST /internal/files/named`: returns those of these ids that history knows, as `FilesNamed`; at most 1,000."""

    file_ids: list[str]
