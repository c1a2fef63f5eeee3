"""JSON that somebody else wrote. Total: whatever comes in, it is of the kind that is expected, or `UnreadableError`."""

from functools import cache
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


class UnreadableError(ValueError):
    """What came is not JSON, or not of the kind that was expected; `str()` says where."""


def decode_json(data: bytes | bytearray | str, kind: type[T]) -> T:
    """Read `data` as a `kind`; raises `UnreadableError`.

    msgspec has errors of its own only for a part of what may be wrong: text that is not Unicode and nesting deeper
    than the interpreter's stack are told by Python's.
    """
    try:
        value: T = _decoder(kind).decode(data)  # type: ignore[arg-type]  # a type is hashable
    except RecursionError:
        raise UnreadableError("JSON is nested too deeply") from None
    except (msgspec.MsgspecError, ValueError) as problem:
        raise UnreadableError(str(problem)) from None
    return value


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:  # noqa: ANN401 - a class, a union, a list of one
    """Each kind has a decoder, made once: there are as many as the program names."""
    return msgspec.json.Decoder(kind)
