"""Fuzzy finding: the letters of what is typed, in order, the nearer together the better. Pure."""

from collections.abc import Iterable
from typing import TypeVar

Item = TypeVar("Item")


def score(typed: str, name: str) -> int | None:
    """How badly `name` fits: 0 is perfect, None is not at all. Case does not matter.

    >>> score("gen", "general"), score("gnl", "general"), score("x", "general")
    (0, 4, None)
    """
    wanted, within = typed.casefold(), name.casefold()
    at = within.find(wanted)
    if at >= 0:
        return at
    return _scattered(wanted, within)


def _scattered(wanted: str, within: str) -> int | None:
    total, at = 0, -1
    for letter in wanted:
        found = within.find(letter, at + 1)
        if found < 0:
            return None
        total += found - at - 1
        at = found
    return total


def best(typed: str, names: Iterable[tuple[str, Item]]) -> list[Item]:
    """The items whose names fit, the best first; those that fit equally stay in their order."""
    scored = ((score(typed, name), item) for name, item in names)
    fitting = [(found, item) for found, item in scored if found is not None]
    return [item for _, item in sorted(fitting, key=lambda pair: pair[0])]
