"""Routes for the files service, under `/internal`: uploads, access to files, and their erasure."""

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from chatterbox.chassis.core.caller_keys import ServiceName
from chatterbox.chassis.http.internal_http import read, require_caller, write
from chatterbox.wire import history_api
from chatterbox.wire.auth_api import UserInfo
from services.history.history import HistoryService
from services.history.http.app_context import context_of


async def _require_files(request: Request) -> None:
    require_caller(request, context_of(request).callers, ServiceName.FILES)


router = APIRouter(prefix="/internal", include_in_schema=False, dependencies=[Depends(_require_files)])


def _history(request: Request) -> HistoryService:
    return context_of(request).history


@router.post("/uploads/check")
async def check(request: Request) -> Response:
    query = await read(request, history_api.UploadCheck)
    return write(await _history(request).upload_room(query.room, UserInfo(query.user_id, query.username)))


@router.post("/uploads")
async def uploaded(request: Request) -> Response:
    await _history(request).add_file(await read(request, history_api.FileUploaded))
    return write(None)


@router.post("/files/access")
async def access(request: Request) -> Response:
    query = await read(request, history_api.FileAccess)
    return write(await _history(request).readable_file(query.file_id, query.user_id))


@router.post("/files/erased")
async def erased(request: Request) -> Response:
    query = await read(request, history_api.FileErasures)
    return write(history_api.FilesToErase(await _history(request).files_to_erase(query.done)))


@router.post("/files/named")
async def named(request: Request) -> Response:
    query = await read(request, history_api.FilesNamed)
    return write(history_api.FilesNamed(await _history(request).known_files(query.file_ids)))
