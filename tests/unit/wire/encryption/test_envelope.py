"""Envelopes: one form, refused early with the reason if it is another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire.encryption import envelope
from chatterbox.wire.encryption.envelope import Envelope
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits

LIMIT = Limits().envelope_bytes
BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
envelopes = st.builds(
    Envelope,
    st.text(st.sampled_from(BASE32), min_size=10, max_size=10),
    st.text(st.sampled_from(BASE64URL), min_size=43, max_size=43),
    st.text(st.sampled_from(BASE64URL), min_size=1, max_size=60),
)
SESSION = "s" * 43


def refused(text: str, limit: int = LIMIT) -> str:
    with pytest.raises(ChatError) as problem:
        envelope.parse(text, limit)
    assert problem.value.code is Code.ENVELOPE_INVALID
    return problem.value.detail


@given(envelopes)
def test_an_envelope_is_parsed_to_its_parts_and_has_no_colon(sealed: Envelope) -> None:
    text = str(sealed)
    assert envelope.parse(text, LIMIT) == sealed
    assert ":" not in text
    assert text.isascii()


@given(st.text() | envelopes.map(str), st.text(max_size=3), st.integers(0, 80))
def test_any_text_is_parsed_to_itself_or_refused(text: str, more: str, at: int) -> None:
    changed = text[:at] + more + text[at:]
    try:
        assert str(envelope.parse(changed, LIMIT)) == changed
    except ChatError as problem:
        assert problem.code is Code.ENVELOPE_INVALID  # noqa: PT017 - only these two outcomes are allowed


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "looks like e1.DEVICE.SESSION.BODY"),
        ("Hello", "looks like e1.DEVICE.SESSION.BODY"),
        (f"e2.ABCDEFGHIJ.{SESSION}.Zm9v", "looks like e1.DEVICE.SESSION.BODY"),
        (f"e1.ABCDEFGHIJ.{SESSION}", "looks like e1.DEVICE.SESSION.BODY"),
        (f"e1.ABCDEFGHIJ.{SESSION}.Zm9v.x", "looks like e1.DEVICE.SESSION.BODY"),
        (f"e1.abcdefghij.{SESSION}.Zm9v", "The device must be 10 characters"),
        (f"e1.ABCDEFGHI1.{SESSION}.Zm9v", "The device must be 10 characters"),
        (f"e1.ABCDEFGHIJ\n.{SESSION}.Zm9v", "The device must be 10 characters"),
        (f"e1.ABCDEFGHIJ.{SESSION[1:]}.Zm9v", "The session must be 43 characters"),
        (f"e1.ABCDEFGHIJ.{SESSION[1:]}+.Zm9v", "The session must be 43 characters"),
        (f"e1.ABCDEFGHIJ.{SESSION}.", "The body must be base64url"),
        (f"e1.ABCDEFGHIJ.{SESSION}.Zm9v=", "The body must be base64url"),
        (f"e1.ABCDEFGHIJ.{SESSION}.Zm9\u0661", "The body must be base64url"),
    ],
)
def test_the_refusal_names_the_part_that_is_wrong(text: str, reason: str) -> None:
    assert reason in refused(text)


def test_an_envelope_has_at_most_the_given_bytes() -> None:
    text = f"e1.ABCDEFGHIJ.{SESSION}.Zm9v"
    assert envelope.parse(text, len(text)).body == "Zm9v"
    assert str(len(text) - 1) in refused(text, len(text) - 1)


@given(st.binary(max_size=40))
def test_base64url_returns_the_same_bytes(data: bytes) -> None:
    encoded = envelope.to_base64url(data)
    assert envelope.from_base64url(encoded) == data
    assert set(encoded) <= set(BASE64URL)


@pytest.mark.parametrize("text", ["A", "Zm9v+", "Zm 9v", "ä"])
def test_what_is_no_base64url_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"base64url|ASCII"):
        envelope.from_base64url(text)
