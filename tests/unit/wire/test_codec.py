"""Frame codec: any bytes decode to a command or raise `BadFrame`, and encoding round-trips."""

import json
import math
from enum import Enum
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire import codec, frames
from chatterbox.wire.codec import BadFrame
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames import Command, ServerFrame

COMMANDS: tuple[type[msgspec.Struct], ...] = get_args(Command)
SERVER_FRAMES: tuple[type[msgspec.Struct], ...] = get_args(ServerFrame)


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of an annotated type, as far as frames use types."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return st.integers(1, 200) if inner[0] is int else values(inner[0])
    if origin is tuple:
        return st.lists(values(inner[0]), max_size=3).map(tuple)
    if origin is list:
        return st.lists(values(inner[0]), max_size=3)
    if origin is dict:
        return st.dictionaries(values(inner[0]), values(inner[1]), max_size=3)
    if inner:
        return st.one_of(*map(values, inner))
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return structs(kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(kind)
    if isinstance(kind, type) and issubclass(kind, tuple):  # a NamedTuple
        return st.builds(kind, **{name: values(each) for name, each in get_type_hints(kind).items()})
    return _PLAIN[kind]


_PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=8),
    int: st.integers(0, 2**53 - 1),
    bool: st.booleans(),
    float: st.floats(0, 1e6),
    type(None): st.none(),
    msgspec.UnsetType: st.just(msgspec.UNSET),
}


def structs(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    return st.builds(kind, **{field.name: values(field.type) for field in msgspec.structs.fields(kind)})


def refusal(frame: bytes | str) -> BadFrame:
    with pytest.raises(BadFrame) as refused:
        codec.decode_command(frame if isinstance(frame, bytes) else frame.encode())
    assert refused.value.code == Code.BAD_FRAME
    assert refused.value.detail.isprintable()
    assert len(refused.value.detail) < 200
    return refused.value


def decodes_or_refuses(frame: bytes) -> None:
    try:
        assert isinstance(codec.decode_command(frame), COMMANDS)
    except BadFrame as refused:
        assert refused.detail  # noqa: PT017 - only these two outcomes are allowed


@pytest.mark.parametrize("kind", COMMANDS, ids=lambda kind: kind.__name__)
class TestEveryCommand:
    @given(data=st.data())
    def test_a_command_round_trips(self, kind: type[msgspec.Struct], data: st.DataObject) -> None:
        command = data.draw(structs(kind))
        assert codec.decode_command(codec.encode(command)) == command

    def test_a_command_with_a_wrong_field_type_is_refused_with_its_id(self, kind: type[msgspec.Struct]) -> None:
        for name in ("room", "content", "token", "username", "limit", "since", "resume", "private"):
            if name in kind.__struct_fields__:
                frame = {"type": kind.__struct_config__.tag, "id": 7, name: 1.5}
                assert refusal(json.dumps(frame)).command_id == 7

    def test_a_command_without_a_required_field_is_refused(self, kind: type[msgspec.Struct]) -> None:
        required = [field.name for field in msgspec.structs.fields(kind) if field.required]
        for name in required:
            values: dict[str, Any] = {
                "id": 1, "offset": 1, "after": 1, "usernames": [], "of": [], "messages": [], "recipients": 1, "upto": 1,
            }  # fmt: skip
            given_fields = {each: values.get(each, "") for each in required if each != name}
            answer = refusal(json.dumps({"type": kind.__struct_config__.tag, **given_fields}))
            assert name in answer.detail
            assert answer.command_id == given_fields.get("id")


@pytest.mark.parametrize("kind", SERVER_FRAMES, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_every_reply_and_push_round_trips_without_a_newline(kind: type[msgspec.Struct], data: st.DataObject) -> None:
    frame = data.draw(structs(kind))
    encoded = codec.encode(frame)
    assert codec.decode_server_frame(encoded) == frame
    assert b"\n" not in encoded


class TestBadInput:
    @pytest.mark.parametrize(
        ("frame", "reason"),
        [
            (b"", "not JSON"),
            (b"hello", "not JSON"),
            (b'{"type":"ping","id":1', "not JSON"),
            (b'{"type":"ping","id":1} {}', "not JSON"),
            (b"hello", "not JSON: Expecting value at character 1."),
            (b"{'type':'ping'}", "not JSON"),
            (b'{"type":"send","id":1,"content":"a\nb"}', "not JSON"),
            (b'{"type":"ping","id":01}', "not JSON"),
            (b'\xef\xbb\xbf{"type":"ping","id":1}', "not JSON"),
            (b'{"type":"send","id":1,"content":"\xff"}', "not UTF-8"),
            (b'{"type":"send","id":1,"content":"\xed\xa0\x80"}', "not UTF-8"),
            (b"[]", "one JSON object"),
            (b"1", "one JSON object"),
            (b"null", "one JSON object"),
            (b'"ping"', "one JSON object"),
            (b'{"type":"ping","id":NaN}', "NaN is not valid JSON"),
            (b'{"type":"ping","id":1,"x":Infinity}', "Infinity is not valid JSON"),
            (b'{"type":"ping","id":1,"x":[-Infinity]}', "-Infinity is not valid JSON"),
            (b'{"type":"ping","id":1,"id":2}', "contains a field twice"),
            (b'{"type":"ping","id":1,"x":{"a":1,"a":1}}', "contains a field twice"),
            (b'{"type":"send","id":1,"content":"\\ud800"}', "contains a lone surrogate"),
            (b'{"type":"ping","id":1,"\\udfff":1}', "contains a lone surrogate"),
            (b'{"type":"ping","id":1,"x":' + b"9" * 5000 + b"}", "a number that is too large"),
            (b"[" * 20_000, "nested too deeply"),
            (b'{"type":"ping","id":1,"x":' + b"[" * 20_000 + b"]" * 20_000 + b"}", "nested too deeply"),
            (b'{"a":' * 12_000 + b"1" + b"}" * 12_000, "nested too deeply"),
            (b'{"type":"send","id":1,"content":"\\u0041","x":' + b"[" * 20_000 + b"]" * 20_000 + b"}", "nested"),
        ],
    )
    def test_a_frame_that_is_not_a_json_object_is_refused_with_the_reason(self, frame: bytes, reason: str) -> None:
        answer = refusal(frame)
        assert reason in answer.detail
        assert answer.command_id is None

    @pytest.mark.parametrize(
        ("frame", "command_id"),
        [
            ('{"type":"dance","id":1}', 1),
            ('{"type":1,"id":1}', 1),
            ('{"type":null,"id":1}', 1),
            ('{"type":["ping"],"id":1}', 1),
            ('{"id":1}', 1),
            ("{}", None),
            ('{"type":"ping"}', None),
            ('{"type":"ping","id":"1"}', None),
            ('{"type":"ping","id":true}', None),
            ('{"type":"ping","id":null}', None),
            ('{"type":"ping","id":1.0}', None),
            ('{"type":"ping","id":-1}', None),
            ('{"type":"ping","id":9007199254740992}', None),
            ('{"type":"ping","id":1e999}', None),
            ('{"type":"send","id":3}', 3),
            ('{"type":"send","id":3,"content":null}', 3),
            ('{"type":"send","id":3,"content":["x"]}', 3),
            ('{"type":"send","id":3,"content":"x","key":5}', 3),
            ('{"type":"history","id":4,"limit":0}', 4),
            ('{"type":"history","id":4,"limit":-1}', 4),
            ('{"type":"history","id":4,"limit":201}', 4),
            ('{"type":"history","id":4,"before":-1}', 4),
            ('{"type":"history","id":4,"after":1e999}', 4),
            ('{"type":"join","id":5,"since":"e:1"}', 5),
            ('{"type":"join","id":5,"since":{"epoch":"e"}}', 5),
            ('{"type":"connect","token":1}', None),
            ('{"type":"connect","token":"t","resume":[]}', None),
            ('{"type":"connect","token":"t","resume":{"general":1}}', None),
        ],
    )
    def test_an_invalid_command_is_refused_with_its_id(self, frame: str, command_id: int | None) -> None:
        assert refusal(frame).command_id == command_id

    def test_unknown_fields_are_ignored(self) -> None:
        frame = b'{"type":"ping","id":1,"new":{"deep":[1,2.5,"\\u00e9\\ud83d\\ude80",null]},"big":1e999}'
        assert codec.decode_command(frame) == frames.Ping(id=1)

    @pytest.mark.parametrize("depth", [10, 100, 500])
    def test_deeply_nested_unknown_fields_are_ignored(self, depth: int) -> None:
        frame = '{"type":"ping","id":1,"x":' + "[" * depth + '"\\u0041"' + "]" * depth + "}"
        assert codec.decode_command(frame.encode()) == frames.Ping(id=1)

    def test_refusals_do_not_echo_the_input(self) -> None:
        for frame in ('{"type":"<script>","id":1}', '{"type":"ping","id":"<script>"}', "<script>"):
            assert "script" not in refusal(frame).detail


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


class TestAnyInput:
    @given(st.binary())
    def test_any_bytes_are_decoded_or_refused(self, frame: bytes) -> None:
        decodes_or_refuses(frame)

    @given(
        tag=st.sampled_from([str(kind.__struct_config__.tag) for kind in COMMANDS]),
        fields=st.dictionaries(
            st.sampled_from(["id", "room", "content", "key", "token", "resume", "since", "before", "limit", "private"]),
            json_values,
        ),
    )
    def test_any_field_values_are_decoded_or_refused(self, tag: str, fields: dict[str, Any]) -> None:
        decodes_or_refuses(json.dumps({"type": tag, **fields}).encode())

    @given(data=st.data())
    def test_corrupted_commands_are_decoded_or_refused(self, data: st.DataObject) -> None:
        encoded = bytearray(codec.encode(data.draw(st.one_of(*map(structs, COMMANDS)))))
        for _ in range(data.draw(st.integers(1, 3))):
            encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
        decodes_or_refuses(bytes(encoded))


@given(
    code=st.sampled_from(Code),
    command_id=st.none() | st.integers(0, 2**53 - 1),
    retry_after_s=st.none() | st.floats(0, 3600),
)
def test_an_error_frame_carries_code_id_and_retry_after(
    code: Code, command_id: int | None, retry_after_s: float | None
) -> None:
    frame = codec.error_frame(ChatError(code, retry_after_s=retry_after_s), command_id)
    assert (frame.code, frame.id) == (code, command_id)
    assert frame.retry_after_s is None or math.isfinite(frame.retry_after_s)
    assert codec.decode_server_frame(codec.encode(frame)) == frame


WORDS = [
    b'"type"', b'"send"', b'"id"', b'"content"', b'"room"', b'"key"', b'"general"', b'"a"', b'":"', b"1", b"null",
    b":", b":", b":", b",", b",", b" ", b"{", b"}", b'"type":"send"', b'"id":1', b'"content":"x"', b'"room":"r"',
]  # fmt: skip
"""Building blocks of frames that are almost valid."""


def _assert_consistent(frame: bytes) -> None:
    """The fast decoder returns the same as the strict one, or None."""
    fast = codec._fast_send(frame)
    if fast is not None:
        assert codec._decode_strictly(frame) == fast


class TestFastSend:
    @given(structs(frames.Send), st.booleans())
    def test_fast_and_strict_decoder_agree_on_a_send(self, send: frames.Send, spaced: bool) -> None:
        fields = json.loads(codec.encode(send))
        _assert_consistent(
            json.dumps(fields, ensure_ascii=False, separators=(" , ", " : ") if spaced else (",", ":")).encode()
        )

    @given(st.lists(st.sampled_from(WORDS), max_size=24))
    def test_the_fast_decoder_accepts_nothing_that_the_strict_one_refuses(self, words: list[bytes]) -> None:
        _assert_consistent(b"{" + b"".join(words) + b"}")

    @pytest.mark.parametrize(
        "frame",
        [
            b'{"type":"send","id":1,"content":"a","content":"b"}',
            b'{"type":"send","id":1,"content" :"a","content":"b"}',
            b'{"type":"send","id":1,"content":"a","x":1}',
            b'{"type":"send","id":1,"content":"a","room":"general"}',
            b'{"type":"send","id":1,"content":"\\ud800"}',
            b'{"type":"send","id":1,"content":"a: b"}',
            b'{"type":"ping","id":1}',
            b'{"type":"send","id":1,"content":"\xff"}',
        ],
    )
    def test_the_fast_decoder_leaves_unusual_frames_to_the_strict_one(self, frame: bytes) -> None:
        assert codec._fast_send(frame) is None

    def test_the_fast_decoder_decodes_an_ordinary_send(self) -> None:
        frame = b'{"type": "send", "id": 7, "content": "hello", "room": "ops", "key": "k"}'
        assert codec._fast_send(frame) == frames.Send(id=7, content="hello", room="ops", key="k")

    def test_the_fast_decoder_decodes_an_encrypted_send(self) -> None:
        frame = b'{"type":"send","id":7,"content":"e1.A.B.C","room":"@ada~bob","key":"k","recipients":4}'
        send = frames.Send(id=7, content="e1.A.B.C", room="@ada~bob", key="k", recipients=4)
        assert codec._fast_send(frame) == send
