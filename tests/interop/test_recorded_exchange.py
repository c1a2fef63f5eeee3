"""What an OlmMachine made once can be read and checked without it."""

from typing import Any

import msgspec
import pytest
import vodozemac

from chatterbox.wire.encryption import signatures
from chatterbox.wire.encryption.device_keys import CrossSigningKey, DeviceKeys, SignedKey
from tests.interop import recorded_exchange
from tests.interop.meeting import OURS, ROOM
from tests.support.encryption.model_device import ModelDevice

record = pytest.fixture(scope="module")(recorded_exchange.load)


@pytest.fixture
def device(record: dict[str, Any]) -> ModelDevice:
    """Our device as it was when the machine sent it the keys of a session."""
    device = ModelDevice(1, OURS)
    device.account = vodozemac.Account.from_pickle(record["our_account"], recorded_exchange.PICKLE_KEY)
    assert device.curve == record["our_keys"]["curve25519"]
    return device


def their_keys(record: dict[str, Any]) -> DeviceKeys:
    return msgspec.convert(record["device_keys"], DeviceKeys)


def payload(device: ModelDevice, record: dict[str, Any]) -> dict[str, Any]:
    sent = record["to_device"]
    mine = sent["ciphertext"][device.curve]
    return device.olm_decrypt(sent["sender_key"], mine["type"], mine["body"])


def test_the_recorded_keys_are_signed_by_device_self_signing_and_master_key(record: dict[str, Any]) -> None:
    user, device = record["user"], their_keys(record)
    master, self_signing = (msgspec.convert(record[name], CrossSigningKey) for name in ("master", "self_signing"))
    signatures.verify_device(device, user, device.device_id)
    signatures.verify(self_signing, user, master.public_key, master.public_key, "the self-signing key")
    signatures.verify(device, user, self_signing.public_key, self_signing.public_key, "the device")
    signing = device.keys[f"ed25519:{device.device_id}"]
    for key in (*record["one_time_keys"].values(), *record["fallback_keys"].values()):
        signatures.verify(msgspec.convert(key, SignedKey), user, device.device_id, signing, "a one-time key")


def test_the_recorded_room_key_names_its_sender_and_its_recipient(device: ModelDevice, record: dict[str, Any]) -> None:
    decrypted, theirs = payload(device, record), their_keys(record)
    assert decrypted["type"] == "m.room_key"
    assert decrypted["content"]["room_id"] == ROOM
    assert decrypted["recipient_keys"] == {"ed25519": device.signing}
    assert decrypted["keys"] == {"ed25519": theirs.keys[f"ed25519:{theirs.device_id}"]}
    assert decrypted["sender"] == record["user"]


def test_the_recorded_messages_are_read_by_the_recorded_room_key(device: ModelDevice, record: dict[str, Any]) -> None:
    session_id = device.accept_room_key(payload(device, record))
    opened = [device.decrypt(session_id, each["ciphertext"]) for each in record["messages"]]
    assert [each["content"] for each in opened] == [each["content"] for each in record["messages"]]


def test_the_recorded_messages_are_read_by_the_exported_session(device: ModelDevice, record: dict[str, Any]) -> None:
    [item] = record["exported"]
    key = vodozemac.ExportedSessionKey(item["session_key"])
    device.room_sessions[record["session"]] = vodozemac.InboundGroupSession.import_session(key)
    opened = [device.decrypt(record["session"], each["ciphertext"])["content"] for each in record["messages"]]
    assert opened == [each["content"] for each in record["messages"]]


def test_a_changed_byte_of_a_recorded_message_is_refused(device: ModelDevice, record: dict[str, Any]) -> None:
    session_id = device.accept_room_key(payload(device, record))
    ciphertext = record["messages"][0]["ciphertext"]
    middle = len(ciphertext) // 2
    changed = ciphertext[:middle] + ("A" if ciphertext[middle] != "A" else "B") + ciphertext[middle + 1 :]
    with pytest.raises(vodozemac.MegolmDecryptionException):
        device.decrypt(session_id, changed)


def test_the_record_has_all_emoji_of_verification(record: dict[str, Any]) -> None:
    assert list(map(int, record["emoji"])) == list(range(64))
