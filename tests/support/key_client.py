"""Calls the routes below `/keys` of a running history, as users with login sessions."""

from typing import TypeVar

import httpx
import msgspec

from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.encryption.key_api import OwnDevice, OwnDevices
from tests.support.history import Service
from tests.support.key_user import KeyDevice, KeyUser

T = TypeVar("T")


def key_user(history: Service, name: str) -> KeyUser:
    """New keys of a user who is known to auth."""
    return KeyUser(UserInfo(history.auth.names[name], name))


async def ask(
    history: Service, method: str, path: str, user: str = "alice", body: object = None, *, sid: str = "s-1"
) -> httpx.Response:
    """Send a request in login session `sid`; `body` is a msgspec struct, or bytes as they are."""
    content = body if isinstance(body, bytes) else None if body is None else msgspec.json.encode(body)
    headers = {"Authorization": f"Bearer {history.auth.token(user, sid=sid)}", "Content-Type": "application/json"}
    return await history.public.request(method, path, content=content, headers=headers)


def read(response: httpx.Response, kind: type[T]) -> T:
    """The body of a response that must be a success."""
    response.raise_for_status()
    return msgspec.json.decode(response.content, type=kind)


async def bind(history: Service, device: KeyDevice, *, sid: str = "s-1", proof: bool = False) -> OwnDevice:
    """Upload a device in login session `sid`, with its proof if the server knows it from another one."""
    upload = device.upload(sid if proof else "")
    return read(await ask(history, "PUT", "/keys/device", device.user.username, upload, sid=sid), OwnDevice)


async def list_devices(history: Service, user: KeyUser, *devices: KeyDevice, version: int = 1) -> None:
    """Upload these devices in session `s-1`, and a list with all of them."""
    for device in devices:
        await bind(history, device)
    answer = await ask(history, "PUT", "/keys/list", user.user.username, user.list(devices, version))
    answer.raise_for_status()


async def own_devices(history: Service, user: str = "alice", *, sid: str = "s-1") -> OwnDevices:
    return read(await ask(history, "GET", "/keys/devices", user, sid=sid), OwnDevices)
