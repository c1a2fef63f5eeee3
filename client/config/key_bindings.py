"""Key bindings: how keys are written, and which key does what once a person's own are laid over the usual ones. Pure.

A key is `ctrl+`, `alt+` and `shift+` and a name, `enter` or `f1`, or a sign, which stands for itself: `?`, `ctrl+_`.
"""

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from client.config.config_problems import did_you_mean
from client.config.value_kinds import shown

Keys: TypeAlias = Mapping[str, tuple[str, ...]]
"""The name of each action that has keys, and which."""


class DefaultKeys(NamedTuple):
    """The keys that an action usually has. Only in the same `mode` can a key not do two things."""

    keys: tuple[str, ...]
    mode: str = ""


Actions: TypeAlias = Mapping[str, DefaultKeys]
"""Everything that a key can do."""

_MODIFIERS = ("ctrl", "alt", "shift")
_NAMED = {
    *("enter", "escape", "tab", "space", "backspace", "delete", "insert", "home", "end", "pageup", "pagedown"),
    *("up", "down", "left", "right", *(f"f{number}" for number in range(1, 25))),
}
_MODIFIERS_TOO = {"c": "ctrl", "control": "ctrl", "m": "alt", "meta": "alt", "s": "shift"}
_KEYS_TOO = {"esc": "escape", "return": "enter", "del": "delete", "ins": "insert", "pgup": "pageup", "pgdn": "pagedown"}
_SAME = {"ctrl+i": "tab", "ctrl+m": "enter", "ctrl+[": "escape", "ctrl+@": "ctrl+space"}
"""What a terminal sends the same for."""


def canonical(key: str) -> str | None:
    """A key as it is compared; None if it is none.

    >>> canonical("Ctrl-K"), canonical("shift+alt+PageUp"), canonical("?"), canonical("hyper+x")
    ('ctrl+k', 'alt+shift+pageup', '?', None)
    """
    if len(key) <= 1:
        return key if _is_sign(key) else None
    *modifiers, last = _parts(key)
    if not set(modifiers) <= set(_MODIFIERS) or len(set(modifiers)) < len(modifiers):
        return None
    last = last.lower()
    if last not in _NAMED and not (modifiers and _is_sign(last)):
        return None
    if modifiers == ["shift"] and len(last) == 1:
        return last.upper()
    whole = "+".join([*(modifier for modifier in _MODIFIERS if modifier in modifiers), last])
    return _SAME.get(whole, whole)


def _is_sign(key: str) -> bool:
    return len(key) == 1 and key.isprintable() and not key.isspace()


def _parts(key: str) -> list[str]:
    """The modifiers and the key of `key`; a `+` or `-` at its end is the key itself."""
    head, last = key[:-1].replace("-", "+"), key[-1]
    *modifiers, rest = head.split("+")
    last = last if last in "+-" and not rest else rest + last
    return [*(_MODIFIERS_TOO.get(part.lower(), part.lower()) for part in modifiers), _KEYS_TOO.get(last.lower(), last)]


def bind(own: Keys, actions: Actions | None) -> tuple[Keys, list[tuple[str, str]]]:
    """Lay a person's own keys over the usual ones. Also return what is wrong: the action's name, and a sentence.

    A key of one's own is taken from whatever usually has it. Without `actions`, any name is taken as one, and
    nobody can tell whether two of them may share a key.
    """
    wrong: list[tuple[str, str]] = []
    bound: dict[str, tuple[str, ...]] = {}
    holder: dict[tuple[str, str], str] = {}
    for name, keys in own.items():
        if actions is not None and name not in actions:
            wrong.append((name, f"is no action{did_you_mean(name, actions)}"))
            continue
        mode = actions[name].mode if actions is not None else name
        bound[name] = tuple(_fitting(name, mode, keys, holder, wrong))
    for name, usual in (actions or {}).items():
        bound.setdefault(name, tuple(key for key in usual.keys if (usual.mode, key) not in holder))
    return bound, wrong


def _fitting(
    name: str, mode: str, keys: tuple[str, ...], holder: dict[tuple[str, str], str], wrong: list[tuple[str, str]]
) -> list[str]:
    """Those of `keys` that are keys and that no other action has; they are noted in `holder`."""
    taken: list[str] = []
    for written in keys:
        key = canonical(written)
        if key is None:
            wrong.append((name, f"has a key that there is not: {shown(written)}. A key looks like ctrl+k, alt+1 or f1"))
        elif (other := holder.setdefault((mode, key), name)) != name:
            wrong.append((name, f"has {key}, which {other} has as well"))
        elif key not in taken:
            taken.append(key)
    return taken
