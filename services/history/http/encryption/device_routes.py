"""Public routes for devices that have keys: upload and list them, sign the device list, add one-time keys."""

from typing import Annotated

from fastapi import Query, Request, Response

from chatterbox.chassis.http.http_errors import refusals
from chatterbox.chassis.http.internal_http import read, write
from chatterbox.wire.encryption import key_api
from chatterbox.wire.errors import Code
from services.history.http.app_context import History
from services.history.http.current_user import CurrentLogin, public_router
from services.history.http.encryption.key_documents import returns, takes

router = public_router()

Names = Annotated[
    list[Annotated[str, Query(max_length=256)]],
    Query(alias="name", max_length=key_api.MAX_KEY_USERS, description="The usernames; repeat the parameter for each."),
]

Room = Annotated[str, Query(max_length=256, description="A room or direct conversation that you are in.")]
Sessions = Annotated[
    list[Annotated[str, Query(max_length=64)]],
    Query(
        alias="session",
        max_length=key_api.MAX_WITHHELD_SESSIONS,
        description="Sessions, as envelopes name them; repeat the parameter for each.",
    ),
]


@router.put(
    "/keys/device",
    openapi_extra=takes(key_api.DeviceUpload),
    responses=returns(
        key_api.OwnDevice,
        Code.BAD_REQUEST,
        Code.DEVICE_REMOVED,
        Code.DEVICE_UNBOUND,
        Code.STORE_SUPERSEDED,
        Code.TOO_MANY_DEVICES,
        Code.ONE_TIME_KEY_TAKEN,
    ),
)
async def bind_device(request: Request, login: CurrentLogin, history: History) -> Response:
    """Upload a device of yours, or bind it to this login session: only this session can use it then.

    A new device is `pending` and gets no keys of messages until your device list has it. `generation` must be higher
    each time. If the device was bound in another session, `proof` is its signature over that it belongs to this one.
    """
    return write(await history.keys.bind_device(login, await read(request, key_api.DeviceUpload)))


@router.get("/keys/devices", responses=returns(key_api.OwnDevices))
async def devices(login: CurrentLogin, history: History) -> Response:
    """List your devices by age, and the number of your device list. Removed devices are left out."""
    return write(await history.keys.own_devices(login))


@router.post(
    "/keys/devices/end",
    status_code=204,
    openapi_extra=takes(key_api.DeviceEnd),
    responses=refusals(Code.ENCRYPTION_OFF, Code.BAD_REQUEST, Code.DEVICE_UNKNOWN),
)
async def end_device(request: Request, login: CurrentLogin, history: History) -> Response:
    """Take the access of a device of yours away at once. A pending one is removed; another one comes back with a new
    login. To remove a device for ever, upload a device list that names it in `removed`.
    """
    ended = await read(request, key_api.DeviceEnd)
    await history.keys.end_device(login, ended.device)
    return Response(status_code=204)


@router.post(
    "/keys/one-time",
    openapi_extra=takes(key_api.OneTimeKeysUpload),
    responses=returns(
        key_api.OneTimeKeysStored,
        Code.BAD_REQUEST,
        Code.DEVICE_UNKNOWN,
        Code.DEVICE_UNBOUND,
        Code.DEVICE_REMOVED,
        Code.ONE_TIME_KEY_TAKEN,
    ),
)
async def add_one_time_keys(request: Request, login: CurrentLogin, history: History) -> Response:
    """Add one-time keys of a device, which are given out in this order, or another fallback key.

    A key that the server has already is no error, so an upload may be repeated.
    """
    upload = await read(request, key_api.OneTimeKeysUpload)
    return write(await history.keys.add_one_time_keys(login, upload))


@router.get("/keys/users", responses=returns(key_api.UsersKeys, Code.BAD_REQUEST))
async def users_keys(login: CurrentLogin, history: History, name: Names) -> Response:
    """Get the keys of users: their device lists, and the keys that vouch for them. Check all signatures.

    Users without keys, and unknown ones, are left out.
    """
    return write(key_api.UsersKeys(await history.keys.users_keys(login, name)))


@router.get(
    "/keys/withheld",
    responses=returns(
        key_api.WithheldKeys, Code.BAD_REQUEST, Code.ROOM_NAME_INVALID, Code.ROOM_UNKNOWN, Code.NOT_A_MEMBER
    ),
)
async def withheld_keys(login: CurrentLogin, history: History, room: Room, session: Sessions) -> Response:
    """Ask why your device lacks the keys of sessions: what their senders said, for a week after the last message."""
    return write(await history.keys.withheld(login, room, session))


@router.put(
    "/keys/list",
    openapi_extra=takes(key_api.DeviceListUpload),
    responses=returns(key_api.DeviceListStored, Code.BAD_REQUEST, Code.LIST_STALE, Code.LIST_INVALID),
)
async def store_list(request: Request, login: CurrentLogin, history: History) -> Response:
    """Replace your device list: who is in it can read your encrypted conversations from now on, all others can't.

    All signatures are checked. The version follows the stored one; a new self-signing key, or a new master key (with
    `reset`), begins the next generation.
    """
    upload = await read(request, key_api.DeviceListUpload)
    return write(await history.keys.store_list(login, upload))
