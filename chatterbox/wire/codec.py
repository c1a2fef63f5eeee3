"""Encodes and decodes frames. For any input, decoding a command returns it or raises `BadFrame`, nothing else."""

import json
from typing import Any, NoReturn

import msgspec

from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames import Command, ErrorFrame, Send, ServerFrame
from chatterbox.wire.limits import DEFAULT_ROOM
from chatterbox.wire.untrusted_json import decode_json


class BadFrame(ChatError):  # noqa: N818 - named after the error code
    """The frame is not a valid command. `command_id` is its id, if it could be read."""

    def __init__(self, detail: str, command_id: int | None = None) -> None:
        super().__init__(Code.BAD_FRAME, detail)
        self.command_id = command_id


def decode_command(data: bytes) -> Command:
    """Decode one command from a text frame's payload; raises `BadFrame` with the reason.

    Stricter than most JSON parsers (RFC 8259 leaves it open): no duplicate names, no NaN or Infinity, no lone
    surrogates, no nesting deeper than the interpreter's stack.
    """
    return _fast_send(data) or _decode_strictly(data)


def _fast_send(data: bytes) -> Send | None:
    """Decode a `send` that is certainly valid, ten times as fast; None if it needs the strict decoder.

    Each name in the JSON is followed by a colon. If there are exactly as many colons as required fields and fields with
    a value other than the default, then no name is duplicate or unknown, and no value contains a colon.
    """
    if b"\\u" in data:
        return None
    try:
        send = _SEND_DECODER.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    names = 3 + (send.room != DEFAULT_ROOM) + (send.key is not None) + (send.reply_to is not msgspec.UNSET)
    names += (send.files is not msgspec.UNSET) + (send.recipients is not msgspec.UNSET)
    return send if data.count(b":") == names else None


def _decode_strictly(data: bytes) -> Command:
    value = _strict_json(data)
    if not isinstance(value, dict):
        raise BadFrame('A frame must be one JSON object, such as {"type": "ping", "id": 1}.')
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
        raise BadFrame("The frame contains a number that is too large.") from None
    return value


def _refuse_surrogates(value: object) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise BadFrame("The frame contains a lone surrogate.") from None


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise BadFrame("The frame contains a field twice.")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise BadFrame(f"{name} is not valid JSON.")


def _describe(problem: msgspec.ValidationError) -> str:
    text = str(problem).replace("`", "'").removesuffix(" - at '$'")
    if text.startswith("Invalid value") and text.endswith("$.type'"):
        return "Unknown frame type."
    return f"The frame does not match its type: {text}."


def _id_of(value: dict[str, Any]) -> int | None:
    command_id = value.get("id")
    return command_id if type(command_id) is int and 0 <= command_id < 2**53 else None


_SEND_DECODER = msgspec.json.Decoder(Send)
_DECODER = json.JSONDecoder(object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)

encode = msgspec.json.Encoder().encode
"""Encode a frame as the payload of a text frame. The result contains no newline, as JSON escapes them."""


def decode_server_frame(data: bytes | str) -> ServerFrame:
    """Decode a reply or push, as a client does; raises `UnreadableError`, also for unknown types."""
    return decode_json(data, ServerFrame)  # type: ignore[arg-type]  # a union is no `type` to mypy


def error_frame(problem: ChatError, command_id: int | None = None) -> ErrorFrame:
    """The `error` frame for a refusal."""
    return ErrorFrame(code=problem.code, detail=problem.detail, id=command_id, retry_after_s=problem.retry_after_s)
