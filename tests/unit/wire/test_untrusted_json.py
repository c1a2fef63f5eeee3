"""Decoding of untrusted JSON: the expected type, or `UnreadableError`."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire.auth_api import Revocations
from chatterbox.wire.frames import ServerFrame
from chatterbox.wire.history_api import StoredPage
from chatterbox.wire.untrusted_json import UnreadableError, decode_json


class AllTypes(msgspec.Struct):
    """A value of each JSON type."""

    text: str = ""
    number: int = 0
    real: float = 0.0
    more: list["AllTypes"] = []
    raw: msgspec.Raw = msgspec.Raw(b"null")


KINDS: list[Any] = [AllTypes, list[AllTypes], dict[str, AllTypes], Revocations, StoredPage, ServerFrame]
DEEP = 100_000


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b'"\xff"',
        b"nul",
        b"{}{}",
        b'"\\ud800"',
        b"1e999",
        b"9" * 5000,
        b"[" * DEEP,
        b"[" * DEEP + b"]" * DEEP,
        b'{"more":[' * DEEP,
        b'{"x":' * DEEP,
        b'{"raw":' + b"[" * DEEP + b"]" * DEEP + b"}",
        b'{"type":"message","x":' + b"[" * DEEP,
        '"\ud800"',
        '{"text":"\ud800"}',
    ],
    ids=lambda data: f"{data[:12]!r}",
)
def test_invalid_json_raises_unreadable_error(kind: Any, data: bytes | str) -> None:
    with pytest.raises(UnreadableError):
        decode_json(data, kind)


@pytest.mark.parametrize(
    "data", [b'{"text":1}', b'{"number":1.5}', b'{"number":' + b"9" * 5000 + b"}", b'{"real":1e999}', b"[]"]
)
def test_json_of_another_type_raises_unreadable_error(data: bytes) -> None:
    with pytest.raises(UnreadableError):
        decode_json(data, AllTypes)


NAMES = st.sampled_from(["text", "number", "real", "more", "raw", "type"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=10,
).map(json.dumps)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@given(data=st.binary() | st.text(st.characters()) | JSON)
def test_any_input_is_decoded_or_raises_unreadable_error(kind: Any, data: bytes | str) -> None:
    try:
        value = decode_json(data, kind)
    except UnreadableError:
        return
    assert decode_json(msgspec.json.encode(value), kind) == value
