"""Health checks: `/health/live` and `/health/ready`."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from chatterbox.chassis.http.internal_http import write
from services.history.http.app_context import context_of

router = APIRouter(prefix="/health", include_in_schema=False)


@router.get("/live")
async def live() -> Response:
    return write({"status": "live"})


@router.get("/ready")
async def ready(request: Request) -> Response:
    """Ready while the database can be read: a full disk stops senders, not readers."""
    await context_of(request).history.heads([])
    return write({"status": "ready"})
