"""Key bindings: the notation of keys, and merging a user's keys with the defaults. Pure.

A key is `ctrl+`, `alt+` and `shift+` and a name (`enter`, `f1`), or a single character: `?`, `ctrl+_`.
"""

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from client.config.config_problems import did_you_mean
from client.config.value_kinds import shown

Keys: TypeAlias = Mapping[str, tuple[str, ...]]
"""The keys of each action, by its name."""


class DefaultKeys(NamedTuple):
    """The default keys of an action. Two actions can share a key only in different modes."""

    keys: tuple[str, ...]
    mode: str = ""


Actions: TypeAlias = Mapping[str, DefaultKeys]
"""Every action that keys can be bound to."""

_MODIFIERS = ("ctrl", "alt", "shift")
_NAMED_KEYS = {
    *("enter", "escape", "tab", "space", "backspace", "delete", "insert", "home", "end", "pageup", "pagedown"),
    *("up", "down", "left", "right", *(f"f{number}" for number in range(1, 25))),
}
_MODIFIER_ALIASES = {"c": "ctrl", "control": "ctrl", "m": "alt", "meta": "alt", "s": "shift"}
_KEY_ALIASES = {
    "esc": "escape",
    "return": "enter",
    "del": "delete",
    "ins": "insert",
    "pgup": "pageup",
    "pgdn": "pagedown",
}
_SAME_BYTES = {"ctrl+i": "tab", "ctrl+m": "enter", "ctrl+[": "escape", "ctrl+@": "ctrl+space"}
"""Keys for which a terminal sends the same bytes as for another key."""


def canonical(key: str) -> str | None:
    """The canonical notation of a key; None if it is invalid.

    >>> canonical("Ctrl-K"), canonical("shift+alt+PageUp"), canonical("?"), canonical("hyper+x")
    ('ctrl+k', 'alt+shift+pageup', '?', None)
    """
    if len(key) <= 1:
        return key if _is_character(key) else None
    *modifiers, last = _parts(key)
    if not set(modifiers) <= set(_MODIFIERS) or len(set(modifiers)) < len(modifiers):
        return None
    last = last.lower()
    if last not in _NAMED_KEYS and not (modifiers and _is_character(last)):
        return None
    if modifiers == ["shift"] and len(last) == 1:
        return last.upper()
    whole = "+".join([*(modifier for modifier in _MODIFIERS if modifier in modifiers), last])
    return _SAME_BYTES.get(whole, whole)


def _is_character(key: str) -> bool:
    return len(key) == 1 and key.isprintable() and not key.isspace()


def _parts(key: str) -> list[str]:
    """Split into modifiers and key; a `+` or `-` at the end is the key itself."""
    head, last = key[:-1].replace("-", "+"), key[-1]
    *modifiers, rest = head.split("+")
    last = last if last in "+-" and not rest else rest + last
    return [
        *(_MODIFIER_ALIASES.get(part.lower(), part.lower()) for part in modifiers),
        _KEY_ALIASES.get(last.lower(), last),
    ]


def bind(own: Keys, actions: Actions | None) -> tuple[Keys, list[tuple[str, str]]]:
    """Merge a user's keys with the defaults; also return problems as pairs of action and message.

    A user's key is removed from the action that has it by default. Without `actions` any name is accepted, and keys
    that two actions share are not detected.
    """
    problems: list[tuple[str, str]] = []
    bound: dict[str, tuple[str, ...]] = {}
    holders: dict[tuple[str, str], str] = {}
    for name, keys in own.items():
        if actions is not None and name not in actions:
            problems.append((name, f"unknown action{did_you_mean(name, actions)}"))
            continue
        mode = actions[name].mode if actions is not None else name
        bound[name] = tuple(_valid(name, mode, keys, holders, problems))
    for name, default in (actions or {}).items():
        bound.setdefault(name, tuple(key for key in default.keys if (default.mode, key) not in holders))
    return bound, problems


def _valid(
    name: str, mode: str, keys: tuple[str, ...], holders: dict[tuple[str, str], str], problems: list[tuple[str, str]]
) -> list[str]:
    """The keys that are valid and not bound to another action; they are added to `holders`."""
    valid: list[str] = []
    for written in keys:
        key = canonical(written)
        if key is None:
            problems.append((name, f"unknown key {shown(written)}. Examples of keys: ctrl+k, alt+1, f1"))
        elif (other := holders.setdefault((mode, key), name)) != name:
            problems.append((name, f"{key} is already bound to {other}"))
        elif key not in valid:
            valid.append(key)
    return valid
