"""Public routes for uploads in one request, and for the user's own picture."""

from typing import Annotated, Any

import msgspec
from fastapi import Query, Request, Response
from pydantic import BaseModel, Field

from chatterbox.chassis.http.http_errors import refusals
from chatterbox.chassis.http.internal_http import write
from chatterbox.wire.errors import Code
from chatterbox.wire.limits import DEFAULT_ROOM
from services.files.core.safe_names import UNNAMED
from services.files.http.files_user import UNLIMITED_BODY, Files, Uploader, files_router
from services.files.uploads.upload_service import Wanted

OF_AN_UPLOAD = (
    Code.ROOM_NAME_INVALID,
    Code.ROOM_UNKNOWN,
    Code.NOT_A_MEMBER,
    Code.DIRECT_REFUSED,
    Code.FILE_TOO_LARGE,
    Code.QUOTA_FULL,
)

router = files_router()

RoomQuery = Annotated[str, Query(max_length=256, description="The room that the file is for.")]
NameQuery = Annotated[
    str, Query(max_length=4096, description="The file's name; unsafe characters and folders are removed from it.")
]
KeepQuery = Annotated[
    bool,
    Query(
        description="Keep the metadata of a picture, such as the place where it was taken. By default it is removed, "
        "and a picture that can't be decoded is refused."
    ),
]
_BYTES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class FileOut(BaseModel):
    """A file, as messages name it."""

    id: str
    name: str
    type: str = Field(description="The media type that the server found in the bytes.")
    size: int = Field(description="Bytes.")
    width: int = Field(0, description="Pixels; absent without previews.")
    height: int = 0


class AvatarOut(BaseModel):
    """Your picture."""

    avatar: str = Field(description="Its id: `GET /avatars/{avatar}/256`.")


@router.post(
    "/files",
    status_code=201,
    response_model=FileOut,
    max_body_size=UNLIMITED_BODY,
    openapi_extra=_BYTES,
    responses=refusals(*OF_AN_UPLOAD, Code.FILE_REFUSED, Code.TOO_MANY_FILES),
)
async def upload(
    request: Request,
    user: Uploader,
    files: Files,
    room: RoomQuery = DEFAULT_ROOM,
    name: NameQuery = UNNAMED,
    keep_metadata: KeepQuery = False,
) -> Response:
    """Upload a file for a room that you are in; the body is the file.

    Then send a message with its id, within 24 hours.
    """
    length = request.headers.get("content-length")
    wanted = Wanted(room, name, None if length is None else int(length), keep_metadata)
    file = await files.uploads.post(user, wanted, request.stream())
    return Response(msgspec.json.encode(file), 201, media_type="application/json")


@router.put(
    "/me/avatar",
    response_model=AvatarOut,
    max_body_size=UNLIMITED_BODY,
    openapi_extra=_BYTES,
    responses=refusals(Code.FILE_TOO_LARGE, Code.FILE_REFUSED, Code.QUOTA_FULL, Code.TOO_MANY_FILES),
)
async def change_avatar(request: Request, user: Uploader, files: Files) -> Response:
    """Set your picture: a JPEG, PNG, GIF or WebP of at most 2 MiB. It is cut to a square."""
    return write({"avatar": await files.uploads.change_avatar(user, request.stream())})


@router.delete("/me/avatar", status_code=204)
async def remove_avatar(user: Uploader, files: Files) -> Response:
    """Remove your picture."""
    await files.uploads.remove_avatar(user)
    return Response(status_code=204)
