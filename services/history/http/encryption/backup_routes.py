"""Public routes for key backups, which are encrypted with their owners' recovery keys: a header, and items."""

from typing import Annotated

from fastapi import Query, Request, Response

from chatterbox.chassis.http.internal_http import read, write
from chatterbox.wire.encryption import key_api
from chatterbox.wire.errors import Code
from services.history.http.app_context import History
from services.history.http.current_user import CurrentUser, public_router
from services.history.http.encryption.key_documents import returns, takes

router = public_router()

After = Annotated[int, Query(ge=0, le=2**53 - 1, description="The `seq` of the last item that you have; 0: none.")]
Limit = Annotated[int, Query(ge=1, le=key_api.MAX_BACKUP_ITEMS, description="Items in the page.")]


@router.get("/keys/backup", responses=returns(key_api.KeyBackupHeader))
async def backup(user: CurrentUser, history: History) -> Response:
    """Get the header of your key backup, and how many items it has. Version 0: there is none."""
    return write(await history.keys.backup(user))


@router.put(
    "/keys/backup",
    openapi_extra=takes(key_api.KeyBackupHeader),
    responses=returns(key_api.KeyBackupHeader, Code.BAD_REQUEST, Code.BACKUP_STALE),
)
async def set_backup(request: Request, user: CurrentUser, history: History) -> Response:
    """Replace the header of your key backup. Its version follows the stored one."""
    return write(await history.keys.set_backup(user, await read(request, key_api.KeyBackupHeader)))


@router.get("/keys/backup/items", responses=returns(key_api.BackupItemsPage, Code.BAD_REQUEST))
async def backup_items(
    user: CurrentUser, history: History, after: After = 0, limit: Limit = key_api.MAX_BACKUP_ITEMS
) -> Response:
    """Get items of your key backup, in the order of storing."""
    return write(await history.keys.backup_items(user, after, limit))


@router.post(
    "/keys/backup/items",
    openapi_extra=takes(key_api.BackupItemsUpload),
    responses=returns(key_api.BackupItemsPage, Code.BAD_REQUEST, Code.BACKUP_STALE, Code.BACKUP_FULL),
)
async def add_backup_items(request: Request, user: CurrentUser, history: History) -> Response:
    """Store items of your key backup. One that is there already is replaced, and moves to the end."""
    return write(await history.keys.add_backup_items(user, await read(request, key_api.BackupItemsUpload)))
