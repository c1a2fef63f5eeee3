"""Health checks: `/health/live` and `/health/ready`."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from chatterbox.chassis.http.internal_http import write
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.history_api import HeadsQuery
from services.history.history_context import HistoryContext
from services.history.http.app_context import context_of

router = APIRouter(prefix="/health", include_in_schema=False)


@router.get("/live")
async def live() -> Response:
    return write({"status": "live"})


@router.get("/ready")
async def ready(request: Request) -> Response:
    context = context_of(request)
    await check_ready(context)
    return write({"status": "ready", "database": "checked" if context.history.is_checked else "being checked"})


async def check_ready(context: HistoryContext) -> None:
    """Raise `unavailable` unless the database is intact and tokens can be verified.

    A full disk stops senders, not readers.
    """
    await context.history.heads(HeadsQuery())
    if context.history.is_damaged:
        raise ChatError(Code.UNAVAILABLE, "The database is damaged: see the log, and restore a backup.")
    if not context.verifier.knows_revocations:
        detail = "The list of ended sessions is not loaded yet: auth does not answer."
        raise ChatError(Code.UNAVAILABLE, detail, retry_after_s=1.0)
