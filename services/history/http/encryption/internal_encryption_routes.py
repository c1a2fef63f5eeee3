"""Routes for gateways about recipients, shared keys and inboxes, under `/internal`."""

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from chatterbox.chassis.core.caller_keys import ServiceName
from chatterbox.chassis.http.internal_http import read, write
from chatterbox.wire import history_api
from services.history.device_messages import DeviceMessages
from services.history.http.app_context import context_of
from services.history.http.internal_people_routes import required_caller
from services.history.http.internal_routes import MAX_IDS_BYTES

router = APIRouter(
    prefix="/internal", include_in_schema=False, dependencies=[Depends(required_caller(ServiceName.GATEWAY))]
)

MAX_MESSAGES_BYTES = 512 * 1024
"""The largest body with to-device messages: twice what `limits.to_device_bytes` lets them have."""


def _messages(request: Request) -> DeviceMessages:
    return context_of(request).device_messages


@router.post("/recipients")
async def recipients(request: Request) -> Response:
    return write(await _messages(request).recipients(await read(request, history_api.RecipientsCall)))


@router.post("/share_keys", max_body_size=MAX_MESSAGES_BYTES)
async def share_keys(request: Request) -> Response:
    return write(await _messages(request).share_keys(await read(request, history_api.ShareKeysCall)))


@router.post("/to_device", max_body_size=MAX_MESSAGES_BYTES)
async def to_device(request: Request) -> Response:
    await _messages(request).send(await read(request, history_api.ToDeviceCall))
    return write(None)


@router.post("/inbox")
async def inbox(request: Request) -> Response:
    return write(await _messages(request).open_inbox(await read(request, history_api.InboxCall)))


@router.post("/inbox/page")
async def inbox_page(request: Request) -> Response:
    return write(await _messages(request).page(await read(request, history_api.InboxPageCall)))


@router.post("/inbox/heads", max_body_size=MAX_IDS_BYTES)
async def inbox_heads(request: Request) -> Response:
    query = await read(request, history_api.InboxHeadsCall)
    return write(await _messages(request).heads(query.inboxes))


@router.post("/taken")
async def taken(request: Request) -> Response:
    await _messages(request).take(await read(request, history_api.TakeCall))
    return write(None)
