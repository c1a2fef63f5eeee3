"""A user or a device of the server's own, with real keys, that sends to a user through the lying server."""

from typing import Any

from chatterbox.wire.encryption.device_keys import DeviceKeys
from tests.e2e.lying.site import Site, plain
from tests.support.encryption.model_device import ModelDevice, ModelUser, OutboundSession
from tests.support.lying_server import Json

ROOM_KEY = "m.room_key"


class Puppet:
    """A device that the server invented, which has an Olm session with a device of Bob."""

    def __init__(self, site: Site, device: ModelDevice, username: str) -> None:
        self.device = device
        self.username = username
        upload = next(
            body
            for method, path, body in site.lies.requested
            if (method, path) == ("PUT", "/keys/device")
            and body["one_time"]
            and body["keys"]["user_id"] == "@2:chatterbox"
        )
        self._peer = DeviceKeys(**{**upload["keys"], "algorithms": tuple(upload["keys"]["algorithms"])})
        one_time = list(upload["one_time"].values())[-1]
        device.begin_olm(self._peer.keys[f"curve25519:{self._peer.device_id}"], one_time["key"])

    def to_device(self, push: Json, kind: str, content: dict[str, Any]) -> Json:
        """A to-device message of this device in the place of another one."""
        _, body = self.device.olm_encrypt(self._peer, kind, content, **{"cb.n": 1, "cb.l": 1})
        return {**push, "username": self.username, "sender": self.device.device_id, "kind": "olm_first", "body": body}


def _is_bobs(upload: Json) -> bool:
    return bool(upload["keys"]["user_id"] == "@2:chatterbox")


def replaced(site: Site, puppet: Puppet, kind: str, content: dict[str, Any], text: str, writer: str) -> None:
    """The next to-device message to Bob is the puppet's, and so is each message of a room: `text`, under `writer`."""
    first: list[tuple[str, int]] = []

    def frame(found: Json) -> list[Json]:
        if found.get("type") == "to_device":
            place = (found["device"], found["at"]["offset"])
            if not first:
                first.append(place)
            return [puppet.to_device(found, kind, content)] if place == first[0] else [found]
        for message in [found] if found.get("type") == "message" else found.get("messages", []):
            if "~" in message["room"]:
                message.update(content=text, username=writer)
        return [found]

    site.lies.to_client = frame


def shown_besides(user: ModelUser) -> Any:
    """`GET /keys/users` has the keys of a user of the server's, too."""

    def response(method: str, path: str, body: Json) -> Json | None:
        return {"users": [*body["users"], plain(user.keys())]} if path == "/keys/users" else None

    return response


def session_of(puppet: Puppet, site: Site) -> OutboundSession:
    """A room session of the puppet for the conversation of Alice and Bob."""
    return OutboundSession(puppet.device, site.uid)
