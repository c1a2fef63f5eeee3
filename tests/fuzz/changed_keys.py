"""A user's signed keys with one value replaced, as arbitrary bytes say."""

import functools
import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import msgspec

from chatterbox.wire import untrusted_json
from chatterbox.wire.encryption.device_keys import UserKeys
from tests.support.encryption.model_device import ModelUser

Path = tuple[str | int, ...]


@functools.cache
def _right() -> tuple[UserKeys, list[Path]]:
    user = ModelUser(7, "ada")
    user.version = 3
    user.add_device("ABCDEFGHIJ")
    user.dehydrated = user.add_device("KLMNOPQRST").device_id
    user.removed.append("UVWXYZ2345")
    keys = user.keys()
    return keys, list(_paths(msgspec.to_builtins(keys)))


def _paths(value: Any, path: Path = ()) -> Iterator[Path]:
    yield path
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _paths(inner, (*path, name))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _paths(inner, (*path, number))


def changed(data: bytes) -> tuple[UserKeys, list[UserKeys]]:
    """The right keys, and what the bytes make of them: the first one names a place, the others are its new value."""
    right, paths = _right()
    if not data:
        return right, []
    path, value = paths[data[0] % len(paths)], _value(data[1:])
    changed_keys = msgspec.to_builtins(right)
    candidates = []
    for replacement in _replacements(value):
        candidate = _replaced(deepcopy(changed_keys), path, replacement)
        try:
            encoded = json.dumps(candidate).encode()
            candidates.append(untrusted_json.decode_json(encoded, UserKeys))
        except (untrusted_json.UnreadableError, RecursionError):
            continue
    return right, candidates


def _value(data: bytes) -> Any:
    try:
        return untrusted_json.decode_json(data, Any)
    except untrusted_json.UnreadableError:
        return data.decode("utf-8", "replace")


def _replacements(value: Any) -> Iterator[Any]:
    """The value itself, and within what a list or an object could have been."""
    yield value
    yield [value]
    yield {"x": value}
    if isinstance(value, str):
        yield {value: value}


def _replaced(keys: Any, path: Path, value: Any) -> Any:
    if not path:
        return value
    holder = keys
    for step in path[:-1]:
        holder = holder[step]
    if isinstance(holder, tuple):
        holder = list(holder)
        holder[int(path[-1])] = value
        return _replaced(keys, path[:-1], holder)
    holder[path[-1]] = value
    return keys


def unsigned(keys: UserKeys) -> Any:
    """All of it but what no signature is over: signatures, and the name and number beside the signed objects."""

    def without(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: without(inner) for name, inner in value.items() if name != "signatures"}
        return value

    plain = without(msgspec.to_builtins(keys))
    return {name: value for name, value in plain.items() if name not in {"username", "user_id"}}
