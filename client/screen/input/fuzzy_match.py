"""Fuzzy matching of names: the typed letters in order; the closer together, the better. Pure."""

from collections.abc import Iterable
from typing import TypeVar

Item = TypeVar("Item")


def score(typed: str, name: str) -> int | None:
    """Return the distance of `name` from `typed`, 0 is best; None if it does not match. Case is ignored.

    The distance is the number of letters before the match, plus those between its letters.

    >>> score("gen", "general"), score("gnl", "general"), score("x", "general")
    (0, 4, None)
    """
    wanted, within = typed.casefold(), name.casefold()
    at = within.find(wanted)
    return at if at >= 0 else _scattered(wanted, within)


def _scattered(wanted: str, within: str) -> int | None:
    distance, at = 0, -1
    for letter in wanted:
        found = within.find(letter, at + 1)
        if found < 0:
            return None
        distance += found - at - 1
        at = found
    return distance


def best(typed: str, names: Iterable[tuple[str, Item]]) -> list[Item]:
    """Return the items whose names match, the best first; equal matches keep their order."""
    scored = ((score(typed, name), item) for name, item in names)
    matching = [(distance, item) for distance, item in scored if distance is not None]
    return [item for _, item in sorted(matching, key=lambda pair: pair[0])]
