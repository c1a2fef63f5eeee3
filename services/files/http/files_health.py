"""Health checks: `/health/live` and `/health/ready`."""

from fastapi import APIRouter
from starlette.responses import Response

from chatterbox.chassis.http.internal_http import write
from chatterbox.wire.errors import ChatError, Code
from services.files.files_context import FilesContext
from services.files.http.files_user import Files

router = APIRouter(prefix="/health", include_in_schema=False)


@router.get("/live")
async def live() -> Response:
    return write({"status": "live"})


@router.get("/ready")
async def ready(files: Files) -> Response:
    await check_ready(files)
    return write({"status": "ready"})


async def check_ready(context: FilesContext) -> None:
    """Raise `unavailable` unless the database is intact, the folder is there, and tokens can be verified."""
    await context.database.rows("SELECT 1 FROM files LIMIT 1")
    if context.database.is_damaged:
        raise ChatError(Code.UNAVAILABLE, "The database is damaged: see the log, and restore a backup.")
    try:
        context.check_storage()
    except OSError as problem:
        raise ChatError(Code.UNAVAILABLE, f"The folder of the files can't be used: {problem.strerror}.") from None
    if not context.verifier.knows_revocations:
        detail = "The list of ended sessions is not loaded yet: auth does not answer."
        raise ChatError(Code.UNAVAILABLE, detail, retry_after_s=1.0)
