"""A device of ours and an OlmMachine that know each other's keys: what a server would do between them."""

from typing import Any

import msgspec

from chatterbox.wire.encryption import signatures
from chatterbox.wire.encryption.device_keys import (
    OLM,
    CrossSigningKey,
    DeviceKeys,
    DeviceList,
    SignedKey,
    UserKeys,
    matrix_room,
)
from tests.interop.olm_machine import OlmMachine
from tests.support.encryption.model_device import ModelDevice, ModelUser, OutboundSession

UID = "rqCoLDlmpHLqBPz5RCIjuA"
ROOM = matrix_room(UID)
OURS, THEIRS, UNSIGNED = "OURSDEVICE", "PEERDEVICE", "GHOSTDEVIC"


class Meeting:
    """Ada with a device of ours, and Bob, whose only device is the OlmMachine; each has the other's keys."""

    def __init__(self, machine: OlmMachine) -> None:
        self.machine = machine
        self.ada, self.bob_name = ModelUser(1, "ada"), "@2:chatterbox"
        self.device = self.ada.add_device(OURS)
        self.unsigned = ModelDevice(1, UNSIGNED)
        """A device that the server shows as one of Ada's, but that she did not sign."""
        self.identity = machine.ask("begin", self.bob_name, THEIRS)
        self._take_their_keys()
        self._give_our_keys()

    def _take_their_keys(self) -> None:
        [upload] = [each for each in self.machine.ask("outgoing") if each["kind"] == "KeysUpload"]
        counts = {"one_time_key_counts": {"signed_curve25519": len(upload["body"]["one_time_keys"])}}
        self.machine.ask("mark_sent", upload["id"], upload["kind"], counts)
        self.their_one_time_keys = {
            key_id: msgspec.convert(key, SignedKey) for key_id, key in upload["body"]["one_time_keys"].items()
        }
        self.their_fallback_keys = {
            key_id: msgspec.convert(key, SignedKey) for key_id, key in upload["body"].get("fallback_keys", {}).items()
        }
        made = self.machine.ask("make_cross_signing_keys")
        device = upload["body"]["device_keys"]
        device["signatures"][self.bob_name].update(
            made["signatures"][self.bob_name][THEIRS]["signatures"][self.bob_name]
        )
        self.their_device = msgspec.convert(device, DeviceKeys)
        self._their_cross_signing = made["keys"]
        self.their_master = msgspec.convert(made["keys"]["master_key"], CrossSigningKey)
        self.their_self_signing = msgspec.convert(made["keys"]["self_signing_key"], CrossSigningKey)

    def _give_our_keys(self) -> None:
        ours = self.ada.keys()
        shown = {
            "device_keys": {
                self.ada.name: {OURS: ours.device_keys[OURS], UNSIGNED: self.unsigned.keys()},
                self.bob_name: {THEIRS: self.their_device},
            },
            "master_keys": {self.ada.name: ours.master, self.bob_name: self._their_cross_signing["master_key"]},
            "self_signing_keys": {
                self.ada.name: ours.self_signing,
                self.bob_name: self._their_cross_signing["self_signing_key"],
            },
            "user_signing_keys": {self.bob_name: self._their_cross_signing["user_signing_key"]},
            "failures": {},
        }
        self.machine.ask("mark_sent", self.machine.ask("query", [self.ada.name]), "KeysQuery", plain(shown))

    @property
    def their_user_keys(self) -> UserKeys:
        """Bob's keys in our form. The machine has no device list; so the list has no signature."""
        of_devices = {THEIRS: self.their_device}
        hashes = {THEIRS: signatures.device_hash(self.their_device)}
        listed = DeviceList(
            user_id=self.bob_name, username="bob", generation=1, version=1, devices=hashes, removed=(), dehydrated="",
            signatures={},
        )  # fmt: skip
        return UserKeys(
            username="bob", user_id=2, master=self.their_master, self_signing=self.their_self_signing, list=listed,
            device_keys=of_devices,
        )  # fmt: skip

    # Keys of rooms

    def let_them_share(self) -> dict[str, dict[str, Any]]:
        """The machine shares a new session of the room with Ada's devices; what it sends, by device."""
        claims = self.machine.ask("claims", [self.ada.name])
        wanted = claims["body"]["one_time_keys"][self.ada.name]
        keys = {each.device_id: plain(each.one_time_keys(1)) for each in (self.device, self.unsigned)}
        given = {device_id: keys[device_id] for device_id in wanted}
        self.machine.ask(
            "mark_sent", claims["id"], "KeysClaim", {"one_time_keys": {self.ada.name: given}, "failures": {}}
        )
        sent = {}
        for request in self.machine.ask("share", ROOM, [self.ada.name, self.bob_name]):
            for device_id, content in request["body"]["messages"].get(self.ada.name, {}).items():
                sent[device_id] = {"type": request["event_type"], "content": content}
        return sent

    def olm_payload(self, content: dict[str, Any]) -> dict[str, Any]:
        """Decrypt an Olm event of the machine with our device."""
        [mine] = [each for curve, each in content["ciphertext"].items() if curve == self.device.curve]
        return self.device.olm_decrypt(content["sender_key"], mine["type"], mine["body"])

    def share_with_them(self, session: OutboundSession) -> list[dict[str, Any]]:
        """Our device gives the machine the keys of a session; what the machine decrypted."""
        if self.their_device.keys[f"curve25519:{THEIRS}"] not in self.device.olm:
            key = next(iter(self.their_one_time_keys.values()))
            self.device.begin_olm(self.identity["curve25519"], key.key)
        kind, body = self.device.olm_encrypt(
            self.their_device, "m.room_key", session.room_key(),
            sender_device_keys=plain(self.ada.signed_device(self.device)),
        )  # fmt: skip
        content = {
            "algorithm": OLM,
            "sender_key": self.device.curve,
            "ciphertext": {self.identity["curve25519"]: {"type": kind, "body": body}},
        }
        received: list[dict[str, Any]] = self.machine.ask(
            "receive", [{"type": "m.room.encrypted", "sender": self.ada.name, "content": content}]
        )
        return received

    def room_event(self, session_id: str, ciphertext: str, number: int) -> dict[str, Any]:
        """A message of our device as Matrix puts it into a room."""
        return {
            "event_id": f"${number}",
            "sender": self.ada.name,
            "origin_server_ts": 1,
            "room_id": ROOM,
            "type": "m.room.encrypted",
            "content": {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": ciphertext, "session_id": session_id},
        }


def plain(value: Any) -> Any:
    """As JSON has it."""
    return msgspec.to_builtins(value)
