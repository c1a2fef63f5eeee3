"""Routes for gateways about keys of devices, under `/internal`."""

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from chatterbox.chassis.core.caller_keys import ServiceName
from chatterbox.chassis.http.internal_http import read, write
from chatterbox.wire import history_api
from services.history.http.app_context import context_of
from services.history.http.internal_people_routes import required_caller

router = APIRouter(
    prefix="/internal", include_in_schema=False, dependencies=[Depends(required_caller(ServiceName.GATEWAY))]
)


@router.post("/claim")
async def claim(request: Request) -> Response:
    call = await read(request, history_api.ClaimCall)
    return write(await context_of(request).history.keys.claim(call))
