"""Whether this process lives, and whether it can answer."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from chatterbox.chassis.http.internal_http import write
from services.history.history import HistoryService

router = APIRouter(prefix="/health", include_in_schema=False)


@router.get("/live")
async def live() -> Response:
    return write({"status": "live"})


@router.get("/ready")
async def ready(request: Request) -> Response:
    """Ready is who can read the database: a full disk stops senders, not readers."""
    history: HistoryService = request.app.state.history
    await history.heads([])
    return write({"status": "ready"})
