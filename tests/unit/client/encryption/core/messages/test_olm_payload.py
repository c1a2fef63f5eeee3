import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.encryption.core.messages import olm_payload
from client.encryption.core.messages.olm_payload import OlmParty, OlmPayloadError

ADA = OlmParty("@1:chatterbox", "a" * 43)
BOB = OlmParty("@2:chatterbox", "b" * 43)
EVE = OlmParty("@3:chatterbox", "c" * 43)


def built(sender: OlmParty = ADA, recipient: OlmParty = BOB) -> bytes:
    return olm_payload.build("m.dummy", {"x": 1}, sender=sender, recipient=recipient, n=3, list_version=4)


def test_payload_says_from_whom_it_is_and_for_whom() -> None:
    payload = olm_payload.parse(built(), sender=ADA, recipient=BOB)
    assert (payload.type, payload.content, payload.n, payload.list_version) == ("m.dummy", {"x": 1}, 3, 4)


@pytest.mark.parametrize(
    ("sender", "recipient"),
    [
        (EVE, BOB),
        (ADA, EVE),
        (OlmParty(ADA.user, EVE.ed25519), BOB),
        (OlmParty(EVE.user, ADA.ed25519), BOB),
        (ADA, OlmParty(BOB.user, EVE.ed25519)),
        (ADA, OlmParty(EVE.user, BOB.ed25519)),
    ],
)
def test_payload_of_another_sender_or_for_another_device_is_refused(sender: OlmParty, recipient: OlmParty) -> None:
    with pytest.raises(OlmPayloadError):
        olm_payload.parse(built(sender, recipient), sender=ADA, recipient=BOB)


@given(st.binary(max_size=300))
def test_any_bytes_are_refused(plaintext: bytes) -> None:
    with pytest.raises(OlmPayloadError):
        olm_payload.parse(plaintext, sender=ADA, recipient=BOB)


@given(st.data())
def test_damaged_payload_is_refused_or_is_still_of_its_sender(data: st.DataObject) -> None:
    plaintext = built()
    at = data.draw(st.integers(0, len(plaintext) - 1))
    changed = plaintext[:at] + data.draw(st.binary(max_size=2)) + plaintext[at + 1 :]
    try:
        payload = olm_payload.parse(changed, sender=ADA, recipient=BOB)
    except OlmPayloadError:
        return
    assert (payload.sender, payload.keys.ed25519) == (ADA.user, ADA.ed25519)


def test_payload_as_matrix_clients_make_it_is_read() -> None:
    plaintext = (
        b'{"type":"m.room_key","content":{"algorithm":"m.megolm.v1.aes-sha2"},"sender":"@1:chatterbox",'
        b'"recipient":"@2:chatterbox","recipient_keys":{"ed25519":"%b"},"keys":{"ed25519":"%b"},"org.example":[1]}'
        % (b"b" * 43, b"a" * 43)
    )
    assert olm_payload.parse(plaintext, sender=ADA, recipient=BOB).type == "m.room_key"
