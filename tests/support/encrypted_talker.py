"""Devices with real keys over sockets: upload keys, share them with a room, send and read encrypted messages."""

import base64
import json
from typing import Any, Protocol

import httpx
import msgspec

from chatterbox.wire.encryption.device_keys import DeviceKeys, UserKeys
from chatterbox.wire.frames import Claimed, DeviceAddress, OutgoingToDevice, Recipients
from tests.support.olm_device import OlmDevice, OlmUser, OutboundSession
from tests.support.talker import Talker


class KeyServer(Protocol):
    """A server that takes keys over HTTP; `Server` implements it."""

    @property
    def http(self) -> httpx.AsyncClient: ...


def user_of(token: str) -> OlmUser:
    """A user with new keys, for whom a token is."""
    part = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return OlmUser(int(claims["sub"]), claims["name"])


async def upload(server: KeyServer, token: str, device: OlmDevice, **options: Any) -> dict[str, Any]:
    """Bind a device to the token's session; `options` as `OlmDevice.upload` takes them."""
    return await _put(server, "/keys/device", token, device.upload(**options))


async def list_devices(server: KeyServer, token: str, user: OlmUser, *devices: OlmDevice, **options: Any) -> None:
    """Upload the next version of the user's device list; `options` as `OlmUser.list_devices` takes them."""
    await _put(server, "/keys/list", token, user.list_devices(*devices, **options))


async def set_up(server: KeyServer, token: str, device_id: str) -> OlmDevice:
    """A listed device of a user who has none yet."""
    user = user_of(token)
    device = OlmDevice(user, device_id)
    await upload(server, token, device)
    await list_devices(server, token, user, device)
    return device


async def _put(server: KeyServer, path: str, token: str, body: msgspec.Struct) -> dict[str, Any]:
    answer = await server.http.put(
        path, content=msgspec.json.encode(body), headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found


class EncryptedTalker:
    """A connection of a device."""

    def __init__(self, talker: Talker, device: OlmDevice) -> None:
        self.talker = talker
        self.device = device
        self.session: OutboundSession | None = None
        self.shared: set[DeviceAddress] = set()
        """Devices that were given the keys of `session`."""

    async def open_inbox(self, **after: Any) -> dict[str, Any]:
        return await self.talker.ask("inbox", device=self.device.device_id, **after)

    async def share(self, room: str, uid: str) -> int:
        """Share the keys of the session, made the first time, with each device; returns the recipients' version."""
        reply = await self.talker.ask("recipients", room=room)
        assert reply["type"] == "recipients", reply
        found = msgspec.convert(reply, Recipients)
        keys = _keys_of(found.lists)
        others = [device for device in found.devices if device != self.device.address]
        await self._claim([device for device in others if device not in self.device.outbound], keys)
        if self.session is None:
            self.session, self.shared = self.device.new_session(), set()
        messages = tuple(
            self.device.encrypt_to(to, self.session.room_key(uid, keys[to])) for to in others if to not in self.shared
        )
        shared = await self.talker.ask(
            "share_keys",
            room=room,
            device=self.device.device_id,
            session=self.session.session_id,
            recipients=found.recipients,
            messages=plain(messages),
        )
        assert shared["type"] == "keys_shared", shared
        assert shared["missing"] == 0, shared
        self.shared.update(others)
        return found.recipients

    async def _claim(self, devices: list[DeviceAddress], keys: dict[DeviceAddress, DeviceKeys]) -> None:
        if devices:
            reply = await self.talker.ask("claim", device=self.device.device_id, of=devices)
            assert reply["type"] == "claimed", reply
            for claimed in msgspec.convert(reply, Claimed).keys:
                self.device.begin(claimed, keys[DeviceAddress(claimed.username, claimed.device)])

    async def send(self, room: str, uid: str, text: str, recipients: int, **fields: Any) -> dict[str, Any]:
        """Encrypt and send a text; returns the ack or error."""
        assert self.session is not None
        content = self.session.encrypt(uid, text)
        return await self.talker.send(content, room=room, recipients=recipients, **fields)

    async def take_keys(self, sender: OlmDevice) -> dict[str, Any]:
        """Take the next to-device message, which is one of `sender`; returns its payload."""
        pushed = await self.talker.push("to_device")
        payload = self.device.decrypt_from(sender, pushed)
        await self.talker.ask("taken", device=self.device.device_id, upto=pushed["at"]["offset"])
        return payload

    async def read(self, room: str) -> str:
        """The text of the next message of a room."""
        pushed = await self.talker.push("message", room=room)
        return str(self.device.read(pushed["content"])["content"]["b"])


def _keys_of(users: list[UserKeys]) -> dict[DeviceAddress, DeviceKeys]:
    return {
        DeviceAddress(user.username, device_id): keys for user in users for device_id, keys in user.device_keys.items()
    }


def plain(messages: tuple[OutgoingToDevice, ...]) -> list[dict[str, Any]]:
    """Messages as a frame has them."""
    built: list[dict[str, Any]] = msgspec.to_builtins(messages)
    return built
