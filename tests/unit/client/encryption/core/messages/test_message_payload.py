import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire.encryption.device_keys import matrix_room
from client.encryption.core.messages import message_payload
from client.encryption.core.messages.message_payload import (
    Content,
    EditContent,
    PayloadError,
    Place,
    ReactionContent,
    TextContent,
    UnknownPayloadError,
    Window,
    WrongRoomError,
)
from client.encryption.core.messages.padded_length import padded_length

ROOM = matrix_room("u" * 22)
whole = st.integers(0, 2**53 - 1)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
place = st.builds(Place, text, text, whole)
window = st.builds(Window, whole, whole, st.text("0123456789abcdef", max_size=64), st.text("abc-", max_size=64))
contents: st.SearchStrategy[Content] = st.one_of(
    st.builds(
        TextContent,
        text=text,
        n=st.integers(1, 2**53 - 1),
        list_version=whole,
        before=st.none() | place,
        window=st.none() | window,
        reply_to=whole,
        files=st.just(()),
    ),
    st.builds(EditContent, text=text, offset=whole, of=st.none() | place, list_version=whole, files=st.just(())),
    st.builds(ReactionContent, emoji=st.lists(text, max_size=20).map(tuple), offset=whole, of=st.none() | place),
)


@given(contents)
def test_what_is_built_is_parsed_back(content: Content) -> None:
    assert message_payload.parse(message_payload.build(ROOM, content), ROOM) == content


@given(contents)
def test_payload_is_padded_and_is_json(content: Content) -> None:
    built = message_payload.build(ROOM, content)
    assert len(built) == padded_length(len(built))
    assert msgspec.json.decode(built)["room_id"] == ROOM


@given(st.binary(max_size=400) | contents.map(lambda content: message_payload.build(ROOM, content)), st.data())
def test_any_bytes_are_parsed_or_refused(plaintext: bytes, data: st.DataObject) -> None:
    if plaintext:
        at = data.draw(st.integers(0, len(plaintext) - 1))
        plaintext = plaintext[:at] + data.draw(st.binary(max_size=3)) + plaintext[at + 1 :]
    with contextlib.suppress(PayloadError):
        message_payload.parse(plaintext, ROOM)


def test_payload_of_another_room_is_refused() -> None:
    built = message_payload.build(ROOM, TextContent(text="x", n=1))
    with pytest.raises(WrongRoomError):
        message_payload.parse(built, matrix_room("v" * 22))


def test_payload_of_a_newer_program_is_told_apart() -> None:
    with pytest.raises(UnknownPayloadError):
        message_payload.parse(b'{"type":"cb.poll","room_id":"' + ROOM.encode() + b'","content":{}}', ROOM)


@pytest.mark.parametrize("plaintext", [b"[" * 100_000, b"{}", b'{"type":1}', b"\xff"])
def test_hostile_payloads_are_refused(plaintext: bytes) -> None:
    with pytest.raises(PayloadError):
        message_payload.parse(plaintext, ROOM)


@given(st.integers(0, 100_000))
def test_padding_has_few_lengths_and_adds_little(length: int) -> None:
    padded = padded_length(length)
    assert padded >= max(length, 256)
    assert padded_length(padded) == padded
    if length > 1024:
        assert padded <= length * 1.12
    elif length:
        assert padded - length < 256
