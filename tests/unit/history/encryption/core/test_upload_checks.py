"""Uploads of keys: what is refused, and what proves that a device is used in a session."""

import msgspec
import pytest

from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.encryption.device_keys import SignedKey
from chatterbox.wire.errors import ChatError, Code
from services.history.encryption.core import upload_checks
from tests.support.key_user import KeyUser

ADA = KeyUser(UserInfo(1, "ada"))


def test_a_device_as_clients_upload_it_is_right() -> None:
    device = ADA.device()
    upload_checks.check_device(device.upload(one_time=device.one_time(3), fallback=device.fallback()), ADA.user)


def test_keys_that_the_device_did_not_sign_are_refused() -> None:
    device, other = ADA.device(), ADA.device()
    for upload in (device.upload(one_time=other.one_time(1)), device.upload(fallback=other.fallback())):
        with pytest.raises(ChatError) as refused:
            upload_checks.check_device(upload, ADA.user)
        assert refused.value.code is Code.BAD_REQUEST


@pytest.mark.parametrize("key_id", ["", "new\nline", "ключ", "a" * 20 + "\x7f"])
def test_ids_of_keys_are_printable_ascii(key_id: str) -> None:
    device = ADA.device()
    [key] = device.one_time(1).values()
    with pytest.raises(ChatError, match="printable ASCII"):
        upload_checks.check_one_time_keys(device.keys, {key_id: key}, {})


def test_a_key_has_a_limited_size() -> None:
    device = ADA.device()
    key = SignedKey(key="A" * 1100, signatures={})
    with pytest.raises(ChatError, match="more than 1024 bytes"):
        upload_checks.check_one_time_keys(device.keys, {"k": key}, {})


def test_a_proof_holds_for_its_session_and_its_device_only() -> None:
    device, other = ADA.device(), ADA.device()
    upload = device.upload("s-1")
    assert upload_checks.is_proven(upload, "s-1")
    assert not upload_checks.is_proven(upload, "s-2")
    assert not upload_checks.is_proven(msgspec.structs.replace(upload, proof=other.upload("s-1").proof), "s-1")
    for proof in ("", "not base64!", "AAAA"):
        assert not upload_checks.is_proven(msgspec.structs.replace(upload, proof=proof), "s-1")


def test_a_list_of_another_name_is_refused() -> None:
    with pytest.raises(ChatError) as refused:
        upload_checks.check_list(ADA.list([]), UserInfo(1, "eve"))
    assert refused.value.code is Code.LIST_INVALID


def test_a_list_removes_device_ids_only() -> None:
    with pytest.raises(ChatError) as refused:
        upload_checks.check_list(ADA.list([], removed=["x" * 10]), ADA.user)
    assert refused.value.code is Code.LIST_INVALID
