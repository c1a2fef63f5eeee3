"""Public routes for uploads in chunks, which can be resumed: the protocol tus 1.0.0."""

from typing import Annotated, Any

from fastapi import Depends, Path, Query, Request, Response
from starlette.responses import JSONResponse

from chatterbox.chassis.http.http_errors import refusals
from chatterbox.wire.errors import MEANINGS, ChatError, Code
from chatterbox.wire.limits import DEFAULT_ROOM
from services.files.core import tus_headers
from services.files.core.safe_names import UNNAMED
from services.files.core.tus_headers import TusHeaderError
from services.files.http.files_user import UNLIMITED_BODY, Files, Uploader, files_router
from services.files.http.upload_routes import OF_AN_UPLOAD
from services.files.uploads.upload_service import CHUNK_BYTES, ChecksumMismatchError, UploadState, Wanted

_TUS = {"Tus-Resumable": tus_headers.VERSION}
_MISMATCH = 460
"""The protocol's status for a wrong checksum."""
_OF_ONE = (Code.UPLOAD_UNKNOWN, Code.UPLOAD_CONFLICT)

router = files_router()

UploadPath = Annotated[str, Path(max_length=64, description="The upload's id, which becomes the id of the file.")]
RoomOrMetadata = Annotated[
    str, Query(max_length=256, description="The room that the file is for; or `room` in `Upload-Metadata`.")
]
NameOrMetadata = Annotated[
    str, Query(max_length=4096, description="The file's name; or `filename` in `Upload-Metadata`.")
]
Keep = Annotated[bool, Query(description="As in `POST /files`; or `keep_metadata` in `Upload-Metadata`.")]
_VERSION_HEADER = {"name": "Tus-Resumable", "in": "header", "required": True, "schema": {"const": tus_headers.VERSION}}
_OF_TUS: dict[str, Any] = {"parameters": [_VERSION_HEADER]}
_CHUNK: dict[str, Any] = {
    **_OF_TUS,
    "requestBody": {
        "required": True,
        "content": {tus_headers.CHUNK_TYPE: {"schema": {"type": "string", "format": "binary"}}},
    },
}
_HEADERS: dict[int | str, dict[str, Any]] = {
    412: {"description": "The header `Tus-Resumable` must be `1.0.0`."},
    _MISMATCH: {"description": "The bytes are not those of `Upload-Checksum`; they were discarded."},
}


class TusRefusalError(Exception):
    """A refusal with a status that the protocol demands."""

    def __init__(self, status: int, code: Code, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code


async def on_tus_refusal(_: Request, problem: Exception) -> Response:
    """The response to a `TusRefusalError`; an exception handler."""
    assert isinstance(problem, TusRefusalError)  # noqa: S101 - registered for it
    headers = {**_TUS, "Tus-Version": tus_headers.VERSION}
    return JSONResponse({"code": problem.code, "detail": str(problem)}, problem.status, headers)


async def _require_version(request: Request) -> None:
    if request.headers.get("tus-resumable") != tus_headers.VERSION:
        raise TusRefusalError(412, Code.BAD_REQUEST, f"The header Tus-Resumable must be {tus_headers.VERSION}.")


_VERSIONED = [Depends(_require_version)]


@router.options("/files/uploads", status_code=204)
async def options(user: Uploader, files: Files) -> Response:
    """What of tus is supported."""
    files.limits.spend_read(user.user_id)
    headers = {
        **_TUS,
        "Tus-Version": tus_headers.VERSION,
        "Tus-Extension": tus_headers.EXTENSIONS,
        "Tus-Max-Size": str(files.file_bytes),
        "Tus-Checksum-Algorithm": ",".join(tus_headers.CHECKSUMS),
    }
    return Response(status_code=204, headers=headers)


@router.post(
    "/files/uploads",
    status_code=201,
    dependencies=_VERSIONED,
    openapi_extra=_OF_TUS,
    responses={**refusals(*OF_AN_UPLOAD, Code.FILE_REFUSED), 412: _HEADERS[412]},
)
async def create(
    request: Request,
    user: Uploader,
    files: Files,
    room: RoomOrMetadata = DEFAULT_ROOM,
    name: NameOrMetadata = UNNAMED,
    keep_metadata: Keep = False,
) -> Response:
    """Begin an upload of `Upload-Length` bytes for a room that you are in. `Location` is where its chunks go."""
    try:
        length = tus_headers.number("Upload-Length", request.headers.get("upload-length"))
        told = tus_headers.metadata(request.headers.get("upload-metadata"))
    except TusHeaderError as problem:
        raise TusRefusalError(400, Code.BAD_REQUEST, str(problem)) from None
    keep = keep_metadata or told.get("keep_metadata", "false").lower() not in {"false", "0", "no"}
    wanted = Wanted(told.get("room", room), told.get("filename", told.get("name", name)), length, keep)
    made = await files.uploads.create(user, wanted)
    location = f"uploads/{made.id}"  # relative: a proxy may publish this server below a path
    headers = {**_TUS, "Location": location, "Upload-Expires": tus_headers.expires(made.expires_ms)}
    return Response(status_code=201, headers=headers)


@router.head(
    "/files/uploads/{upload}",
    dependencies=_VERSIONED,
    openapi_extra=_OF_TUS,
    responses={**refusals(*_OF_ONE), 412: _HEADERS[412]},
)
async def state(upload: UploadPath, user: Uploader, files: Files) -> Response:
    """How much of an upload has been received: `Upload-Offset`. That is also answered for a complete one."""
    return _answer(await files.uploads.state(user, upload), 200, with_length=True)


@router.patch(
    "/files/uploads/{upload}",
    status_code=204,
    dependencies=_VERSIONED,
    max_body_size=UNLIMITED_BODY,
    openapi_extra=_CHUNK,
    responses={
        **refusals(*_OF_ONE, Code.FILE_TOO_LARGE, Code.FILE_REFUSED, Code.QUOTA_FULL, Code.TOO_MANY_FILES),
        **_HEADERS,
    },
)
async def append(request: Request, upload: UploadPath, user: Uploader, files: Files) -> Response:
    """Send the next chunk, of at most 8 MiB. After the last one, the file has the upload's id.

    If the server can't complete the file now (`unavailable`), send the last chunk again later.
    """
    if request.headers.get("content-type") != tus_headers.CHUNK_TYPE:
        raise TusRefusalError(415, Code.BAD_REQUEST, f"The Content-Type must be {tus_headers.CHUNK_TYPE}.")
    try:
        offset = tus_headers.number("Upload-Offset", request.headers.get("upload-offset"))
        checksum = tus_headers.checksum(request.headers.get("upload-checksum"))
    except TusHeaderError as problem:
        raise TusRefusalError(400, Code.BAD_REQUEST, str(problem)) from None
    if int(request.headers.get("content-length", 0)) > CHUNK_BYTES:
        raise ChatError(Code.FILE_TOO_LARGE, f"A chunk may have at most {CHUNK_BYTES // 2**20} MiB.")
    try:
        reached = await files.uploads.append(user, upload, offset, request.stream(), checksum)
    except ChecksumMismatchError:
        detail = f"The bytes are not those of Upload-Checksum. {MEANINGS[Code.UPLOAD_CONFLICT].sentence}"
        raise TusRefusalError(_MISMATCH, Code.UPLOAD_CONFLICT, detail) from None
    return _answer(reached, 204)


@router.delete(
    "/files/uploads/{upload}",
    status_code=204,
    dependencies=_VERSIONED,
    openapi_extra=_OF_TUS,
    responses={**refusals(*_OF_ONE), 412: _HEADERS[412]},
)
async def terminate(upload: UploadPath, user: Uploader, files: Files) -> Response:
    """End an upload that is not complete, and discard what was received."""
    await files.uploads.terminate(user, upload)
    return Response(status_code=204, headers=_TUS)


def _answer(state: UploadState, status: int, *, with_length: bool = False) -> Response:
    headers = {**_TUS, "Upload-Offset": str(state.offset), "Cache-Control": "no-store"}
    if with_length:
        headers["Upload-Length"] = str(state.length)
    if state.expires_ms is not None:
        headers["Upload-Expires"] = tus_headers.expires(state.expires_ms)
    return Response(status_code=status, headers=headers)
