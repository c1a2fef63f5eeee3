"""Known answers: Matrix's vectors for signed JSON, and keys and messages that were recorded once.

What was recorded was made with vodozemac 0.10. If a later version can't read it, key stores of users can't be read.
"""

import base64
import json
from pathlib import Path

import pytest
import vodozemac
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chatterbox.wire.encryption.device_keys import matrix_room, signed_part
from chatterbox.wire.encryption.signatures import SignatureError, verify_bytes
from client.encryption.core.messages import message_payload
from client.encryption.core.messages.message_payload import TextContent

# Matrix specification, appendices, "Cryptographic Test Vectors"
SEED = "YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1"
EMPTY = "K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ"
TWO = "KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw"

RECORDED = json.loads((Path(__file__).parent / "recorded_sessions.json").read_text())


def public_key() -> str:
    key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(SEED + "="))
    return base64.b64encode(key.public_key().public_bytes_raw()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ({}, "{}"),
        ({"one": 1, "two": "Two"}, '{"one":1,"two":"Two"}'),
        ({"b": "2", "a": "1"}, '{"a":"1","b":"2"}'),
        (
            {"auth": {"success": True, "mxid": "@a:b.c", "profile": {"three_pids": [{"medium": "email"}]}}},
            '{"auth":{"mxid":"@a:b.c","profile":{"three_pids":[{"medium":"email"}]},"success":true}}',
        ),
        ({"a": "日本語"}, '{"a":"日本語"}'),
        ({"本": 2, "日": 1}, '{"日":1,"本":2}'),
        ({"a": "\u65e5"}, '{"a":"日"}'),
        ({"a": None, "signatures": {"x": {}}, "unsigned": {"age": 1}}, '{"a":null}'),
    ],
)
def test_canonical_json_is_as_matrix_writes_it(item: dict[str, object], text: str) -> None:
    assert signed_part(item) == text.encode()


def test_signatures_of_the_specification_are_right() -> None:
    verify_bytes(signed_part({}), EMPTY, public_key(), "the empty object")
    verify_bytes(signed_part({"one": 1, "two": "Two"}), TWO, public_key(), "the object")
    with pytest.raises(SignatureError):
        verify_bytes(signed_part({"one": 2, "two": "Two"}), TWO, public_key(), "the object")


def test_recorded_megolm_messages_are_decrypted() -> None:
    session = vodozemac.InboundGroupSession(vodozemac.SessionKey(RECORDED["session_key"]))
    assert session.session_id == RECORDED["session_id"]
    for index, (message, text) in enumerate(zip(RECORDED["messages"], RECORDED["texts"], strict=True)):
        decrypted = session.decrypt(vodozemac.MegolmMessage.from_base64(message))
        assert decrypted.message_index == index
        content = message_payload.parse(decrypted.plaintext, matrix_room("u" * 22))
        assert content == TextContent(text=text, n=index + 1)


def test_recorded_pickles_are_opened() -> None:
    key = bytes(32)
    account = vodozemac.Account.from_pickle(RECORDED["account"], key)
    assert account.curve25519_key.to_base64() == RECORDED["curve25519"]
    first = vodozemac.PreKeyMessage.from_base64(RECORDED["olm_first"])
    sender = vodozemac.Curve25519PublicKey.from_base64(RECORDED["sender_curve25519"])
    _, plaintext = account.create_inbound_session(sender, first)
    assert plaintext == b"recorded"
    outbound = vodozemac.GroupSession.from_pickle(RECORDED["outbound"], key)
    assert (outbound.session_id, outbound.message_index) == (RECORDED["session_id"], 3)
    inbound = vodozemac.InboundGroupSession.from_pickle(RECORDED["inbound"], key)
    assert inbound.session_id == RECORDED["session_id"]
    exported = vodozemac.InboundGroupSession.import_session(vodozemac.ExportedSessionKey(RECORDED["exported_at_1"]))
    assert exported.first_known_index == 1
    with pytest.raises(ValueError, match="index"):
        exported.decrypt(vodozemac.MegolmMessage.from_base64(RECORDED["messages"][0]))
    assert exported.decrypt(vodozemac.MegolmMessage.from_base64(RECORDED["messages"][1])).message_index == 1


class TestWhatTheLibraryRefuses:
    """The behaviour of vodozemac on which this program relies."""

    def test_replayed_first_message_and_wrong_sender_are_refused(self) -> None:
        bob, ada = vodozemac.Account(), vodozemac.Account()
        bob.generate_one_time_keys(1)
        [key] = bob.one_time_keys.values()
        session = ada.create_outbound_session(bob.curve25519_key, key)
        first = session.encrypt(b"x").to_pre_key()
        assert first is not None
        with pytest.raises(ValueError):  # noqa: PT011 - the library's texts are its own
            bob.create_inbound_session(vodozemac.Account().curve25519_key, first)
        bob.create_inbound_session(ada.curve25519_key, first)
        with pytest.raises(ValueError):  # noqa: PT011
            bob.create_inbound_session(ada.curve25519_key, first)

    def test_damaged_first_message_does_not_use_up_the_key(self) -> None:
        bob, ada = vodozemac.Account(), vodozemac.Account()
        bob.generate_one_time_keys(1)
        [key] = bob.one_time_keys.values()
        _, body = ada.create_outbound_session(bob.curve25519_key, key).encrypt(b"x").to_parts()
        damaged = vodozemac.AnyOlmMessage.pre_key(body[:-1] + bytes([body[-1] ^ 1])).to_pre_key()
        first = vodozemac.AnyOlmMessage.pre_key(body).to_pre_key()
        assert first is not None
        assert damaged is not None
        with pytest.raises(ValueError):  # noqa: PT011
            bob.create_inbound_session(ada.curve25519_key, damaged)
        assert bob.create_inbound_session(ada.curve25519_key, first)[1] == b"x"

    def test_megolm_accepts_a_replay_so_the_reader_must_not(self) -> None:
        group = vodozemac.GroupSession()
        session = vodozemac.InboundGroupSession(group.session_key)
        message = group.encrypt(b"x")
        assert session.decrypt(message).plaintext == session.decrypt(message).plaintext == b"x"

    def test_ratchet_that_was_set_back_encrypts_under_the_same_index(self) -> None:
        group = vodozemac.GroupSession()
        pickle = group.pickle(bytes(32))
        one = group.encrypt(b"x")
        other = vodozemac.GroupSession.from_pickle(pickle, bytes(32)).encrypt(b"y")
        assert one.message_index() == other.message_index() == 0

    def test_wrong_pickle_key_and_low_order_key_are_refused(self) -> None:
        account = vodozemac.Account()
        with pytest.raises(ValueError):  # noqa: PT011
            vodozemac.Account.from_pickle(account.pickle(bytes(32)), b"x" * 32)
        zero = vodozemac.Curve25519PublicKey.from_bytes(bytes(32))
        with pytest.raises(ValueError):  # noqa: PT011
            account.create_outbound_session(zero, zero)
