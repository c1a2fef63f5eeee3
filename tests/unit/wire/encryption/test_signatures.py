"""The chain from a master key to each device: nothing in it can be changed, left out or taken from another user."""

from typing import Any

import msgspec
import pytest

from chatterbox.wire.encryption import signatures
from chatterbox.wire.encryption.device_keys import UserKeys, signed_part
from chatterbox.wire.encryption.signatures import SignatureError
from tests.support.olm_device import OlmDevice, OlmUser

ADA, EVE = OlmUser(1, "ada"), OlmUser(2, "eve")
LAPTOP, PHONE = OlmDevice(ADA, "ADADEVICE2"), OlmDevice(ADA, "ADAPHONE22")


def keys_of(user: OlmUser, *devices: OlmDevice) -> UserKeys:
    upload = user.list_devices(*devices)
    return UserKeys(
        username=user.username,
        user_id=user.user_id,
        master=upload.master,
        self_signing=upload.self_signing,
        list=upload.list,
        device_keys=upload.device_keys,
    )


RIGHT = keys_of(ADA, LAPTOP, PHONE)
OF_EVE = keys_of(EVE, OlmDevice(EVE, "EVEDEVICE2"))


def refused(keys: UserKeys, user: str = ADA.name) -> str:
    with pytest.raises(SignatureError) as problem:
        signatures.verify_user(keys, user)
    return str(problem.value)


def replaced(**fields: Any) -> UserKeys:
    return msgspec.structs.replace(RIGHT, **fields)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all texts and numbers in decoded JSON."""
    if isinstance(value, dict):
        return [found for name, item in value.items() for found in leaves(item, (*path, name))]
    if isinstance(value, list):
        return [found for index, item in enumerate(value) for found in leaves(item, (*path, index))]
    return [path]


PLAIN = msgspec.json.decode(msgspec.json.encode(RIGHT))
SIGNED = [path for path in leaves(PLAIN) if path[0] not in {"username", "user_id"}]
"""What stands outside of the signed objects is told by the server, and compared by the client."""


def test_keys_as_a_client_makes_them_are_accepted() -> None:
    signatures.verify_user(RIGHT, ADA.name)
    signatures.verify_user(OF_EVE, EVE.name)


@pytest.mark.parametrize("path", SIGNED, ids=map(str, range(len(SIGNED))))  # names with keys differ in each process
def test_no_text_or_number_of_the_chain_can_be_changed(path: tuple[Any, ...]) -> None:
    changed = msgspec.json.decode(msgspec.json.encode(RIGHT))
    place = changed
    for name in path[:-1]:
        place = place[name]
    before = place[path[-1]]
    place[path[-1]] = before + 1 if isinstance(before, int) else _another(before)
    assert refused(msgspec.convert(changed, UserKeys))


def _another(text: str) -> str:
    """A text of the same kind that differs."""
    return ("B" if text[:1] == "A" else "A") + text[1:] if text else "x"


def test_keys_of_another_user_are_refused() -> None:
    assert "not one of this user" in refused(OF_EVE)
    assert "not one of this user" in refused(replaced(self_signing=OF_EVE.self_signing))
    assert "another user" in refused(replaced(list=OF_EVE.list))


def test_a_device_can_be_neither_added_nor_left_out() -> None:
    ghost = OlmDevice(ADA, "GHOST22222")
    assert "different devices" in refused(
        replaced(device_keys={**RIGHT.device_keys, ghost.device_id: ghost.signed_by_user()})
    )
    assert "different devices" in refused(replaced(device_keys={"ADADEVICE2": RIGHT.device_keys["ADADEVICE2"]}))


def test_a_device_that_its_owner_has_not_signed_is_refused() -> None:
    unsigned = {**RIGHT.device_keys, "ADAPHONE22": PHONE.keys}
    assert "ADAPHONE22 has no signature" in refused(replaced(device_keys=unsigned))


def test_other_keys_under_the_id_of_a_listed_device_are_refused() -> None:
    other = OlmDevice(ADA, "ADAPHONE22").signed_by_user()
    assert "other keys than those in the list" in refused(
        replaced(device_keys={**RIGHT.device_keys, "ADAPHONE22": other})
    )


def test_a_list_may_name_no_removed_device_and_a_dehydrated_one_that_it_has() -> None:
    upload = ADA.list_devices(LAPTOP, removed=("ADADEVICE2",))
    assert "was removed" in refused(replaced(list=upload.list, device_keys=upload.device_keys))
    upload = ADA.list_devices(LAPTOP, dehydrated="ADAPHONE22")
    assert "not in the list" in refused(replaced(list=upload.list, device_keys=upload.device_keys))


def test_a_signature_is_over_canonical_json_without_signatures() -> None:
    assert signed_part({"b": 1, "a": {"d": "é", "c": [1, 2]}, "signatures": {"x": 1}, "unsigned": 2}) == (
        '{"a":{"c":[1,2],"d":"é"},"b":1}'.encode()
    )


def test_a_proof_of_a_session_is_of_that_session_and_device() -> None:
    proof = LAPTOP.account.sign(signatures.binding_proof("ADADEVICE2", "sid")).to_base64()
    public = LAPTOP.keys.keys["ed25519:ADADEVICE2"]
    signatures.verify_bytes(signatures.binding_proof("ADADEVICE2", "sid"), proof, public, "the proof")
    for other in (("ADADEVICE2", "other"), ("ADAPHONE22", "sid")):
        with pytest.raises(SignatureError, match="the signature of the proof is wrong"):
            signatures.verify_bytes(signatures.binding_proof(*other), proof, public, "the proof")
