"""Public routes for reading files, previews of pictures, and avatars."""

from contextlib import AsyncExitStack
from functools import partial
from typing import Annotated, Any

from fastapi import Path, Request, Response

from chatterbox.chassis.http.http_errors import refusals
from chatterbox.wire.errors import ChatError, Code
from services.files.core.safe_names import disposition
from services.files.http.files_user import Files, Uploader, files_router
from services.files.http.stored_response import stored_response
from services.files.uploads.upload_completion import AVATAR_PIXELS, PREVIEW_PIXELS

router = files_router()

FilePath = Annotated[str, Path(max_length=64, description="The file's id.")]
NamePath = Annotated[str, Path(max_length=4096, description="Any name: for addresses that end with it.")]
PixelsPath = Annotated[int, Path(description="The longer side, at most: 256 or 1280.")]
AvatarPath = Annotated[str, Path(max_length=64, description="The id in a profile.")]
AvatarPixelsPath = Annotated[int, Path(description="64 or 256.")]

_WEBP = "image/webp"
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_READ: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file.", "content": {"application/octet-stream": _BINARY}},
    206: {"description": "The range of it."},
    304: {"description": "You have it: `If-None-Match` names its ETag."},
    416: {"description": "The range is outside of the file."},
    **refusals(Code.FILE_UNKNOWN),
}
_PREVIEW: dict[int | str, dict[str, Any]] = {**_READ, 200: {"description": "A WebP.", "content": {_WEBP: _BINARY}}}


@router.head("/files/{file}", include_in_schema=False)
@router.get("/files/{file}", response_class=Response, responses=_READ)
async def read(request: Request, file: FilePath, user: Uploader, files: Files) -> Response:
    """Download a file of a message in a room that you are in, or one that you uploaded."""
    async with AsyncExitStack() as stack:
        found = await stack.enter_async_context(files.reads.open(file, user.user_id))
        headers = {
            "Content-Type": f"{found.file.type}; charset=utf-8" if found.file.type == "text/plain" else found.file.type,
            "Content-Disposition": disposition(found.file.name),
            "Cache-Control": "private, no-cache",
        }
        blocks = partial(files.reads.blocks, found.opened, still_allowed=(file, user.user_id))
        return await stored_response(
            request,
            stack.pop_all(),
            blocks,
            size=found.opened.size,
            etag=f'"{found.file.sha256}"',
            headers=headers,
        )
    raise AssertionError("unreachable")  # the stack suppresses nothing


@router.head("/files/{file}/{name}", include_in_schema=False)
@router.get("/files/{file}/{name}", response_class=Response, responses=_READ)
async def read_by_name(request: Request, file: FilePath, name: NamePath, user: Uploader, files: Files) -> Response:  # noqa: ARG001 - in the path
    """The same; the name in the address does not matter."""
    return await read(request, file, user, files)


@router.head("/files/{file}/previews/{pixels}", include_in_schema=False)
@router.get("/files/{file}/previews/{pixels}", response_class=Response, responses=_PREVIEW)
async def preview(request: Request, file: FilePath, pixels: PixelsPath, user: Uploader, files: Files) -> Response:
    """A small version of a picture."""
    if pixels not in PREVIEW_PIXELS:
        raise ChatError(Code.FILE_UNKNOWN)
    async with AsyncExitStack() as stack:
        found = await stack.enter_async_context(files.reads.open(file, user.user_id, pixels))
        headers = {
            "Content-Type": _WEBP,
            "Content-Disposition": "inline",
            "Cache-Control": "private, no-cache",
        }
        blocks = partial(files.reads.blocks, found.opened)
        etag = f'"{found.file.sha256}-{pixels}"'
        return await stored_response(
            request, stack.pop_all(), blocks, size=found.opened.size, etag=etag, headers=headers
        )
    raise AssertionError("unreachable")


@router.head("/avatars/{avatar}/{pixels}", include_in_schema=False)
@router.get("/avatars/{avatar}/{pixels}", response_class=Response, responses=_PREVIEW)
async def avatar(
    request: Request, avatar: AvatarPath, pixels: AvatarPixelsPath, user: Uploader, files: Files
) -> Response:
    """The picture of a user. Another picture has another id, so it can be kept for ever."""
    if pixels not in AVATAR_PIXELS:
        raise ChatError(Code.FILE_UNKNOWN)
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(files.reads.open_avatar(avatar, user.user_id, pixels))
        headers = {
            "Content-Type": _WEBP,
            "Content-Disposition": "inline",
            "Cache-Control": "private, max-age=31536000, immutable",
        }
        blocks = partial(files.reads.blocks, opened)
        etag = f'"{avatar}-{pixels}"'
        return await stored_response(request, stack.pop_all(), blocks, size=opened.size, etag=etag, headers=headers)
    raise AssertionError("unreachable")
