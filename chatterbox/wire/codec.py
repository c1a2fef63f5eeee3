"""Bytes to frames and back. Total: whatever comes in, the answer is a command or a `BadFrame`, never another error."""

import json
from typing import Any, NoReturn

import msgspec

from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames import Command, ErrorFrame, Send, ServerFrame
from chatterbox.wire.limits import DEFAULT_ROOM
from chatterbox.wire.untrusted_json import decode_json


class BadFrame(ChatError):  # noqa: N818 - the frame, not the program, is in error
    """A frame that is no command. `command_id` is its id where one could be read."""

    def __init__(self, detail: str, command_id: int | None = None) -> None:
        super().__init__(Code.BAD_FRAME, detail)
        self.command_id = command_id


def decode_command(data: bytes) -> Command:
    """Read one command from a text frame's payload; raises `BadFrame` with a sentence that says what is wrong.

    Stricter than JSON parsers are by habit (RFC 8259 leaves it open): no duplicate names, no NaN or Infinity,
    no lone surrogates, no nesting deeper than the interpreter's stack.
    """
    return _plain_send(data) or _strictly(data)


def _plain_send(data: bytes) -> Send | None:
    """A `send` that can't but be right, read an order of magnitude faster; None for whatever needs a closer look.

    Each name has its colon. As many colons as the fields that differ from their defaults: then no name comes twice,
    none is unknown, and no value holds one.
    """
    if b"\\u" in data:
        return None
    try:
        send = _SENDS.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    names = 3 + (send.room != DEFAULT_ROOM) + (send.key is not None)
    return send if data.count(b":") == names else None


def _strictly(data: bytes) -> Command:
    value = _strict_json(data)
    if not isinstance(value, dict):
        raise BadFrame('A frame is one JSON object, such as {"type": "ping", "id": 1}.')
    try:
        return msgspec.convert(value, Command)  # type: ignore[no-any-return]
    except msgspec.ValidationError as problem:
        raise BadFrame(_describe(problem), _id_of(value)) from None


def _strict_json(data: bytes) -> Any:  # noqa: ANN401 - JSON is any value
    try:
        text = data.decode()
        value = _DECODER.decode(text)
        if "\\u" in text:
            _refuse_surrogates(value)
    except BadFrame:
        raise
    except RecursionError:
        raise BadFrame("The frame is nested too deeply.") from None
    except UnicodeDecodeError:
        raise BadFrame("The frame is not UTF-8.") from None
    except json.JSONDecodeError as problem:
        raise BadFrame(f"The frame is not JSON: {problem.msg} at character {problem.pos + 1}.") from None
    except ValueError:
        raise BadFrame("The frame has a number that is too large.") from None
    return value


def _refuse_surrogates(value: object) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise BadFrame("The frame has half of a surrogate pair.") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise BadFrame("The frame names a field twice.")
    return value


def _no_constant(name: str) -> NoReturn:
    raise BadFrame(f"{name} is not JSON.")


def _describe(problem: msgspec.ValidationError) -> str:
    text = str(problem).replace("`", "'").removesuffix(" - at '$'")
    if text.startswith("Invalid value") and text.endswith("$.type'"):
        return "The frame's type is not one that this server knows."
    return f"The frame does not fit its type: {text}."


def _id_of(value: dict[str, Any]) -> int | None:
    command_id = value.get("id")
    return command_id if type(command_id) is int and 0 <= command_id < 2**53 else None


_SENDS = msgspec.json.Decoder(Send)
_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)

encode = msgspec.json.Encoder().encode
"""A frame as the payload of one text frame. The result holds no newline: JSON escapes them."""


def decode_server_frame(data: bytes | str) -> ServerFrame:
    """Read a reply or push, as a client does; raises `UnreadableError` for what it doesn't know."""
    return decode_json(data, ServerFrame)  # type: ignore[arg-type]  # a union is no `type` to mypy


def error_frame(problem: ChatError, command_id: int | None = None) -> ErrorFrame:
    """Tell a refusal to the client."""
    return ErrorFrame(code=problem.code, detail=problem.detail, id=command_id, retry_after_s=problem.retry_after_s)
