"""Decodes JSON from other processes: for any input, returns the expected type or raises `UnreadableError`."""

from functools import cache
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


class UnreadableError(ValueError):
    """The data is not JSON, or not of the expected type; the message says where."""


def decode_json(data: bytes | bytearray | str, kind: type[T]) -> T:
    """Decode `data` as `kind`; raises `UnreadableError`.

    msgspec's own errors do not cover everything: invalid Unicode and nesting deeper than the interpreter's stack raise
    built-in exceptions.
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
    """One decoder per type; the number of types is fixed by the program."""
    return msgspec.json.Decoder(kind)
