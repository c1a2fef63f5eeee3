"""Look-alike detection for usernames: two names look alike if they share a skeleton. Pure.

After UTS 39 section 4, with Unicode's table of confusable characters (as packaged by `confusable_homoglyphs`), and
stricter: accents and the length of a run of one punctuation mark are ignored, and these ASCII sequences count as
alike: `0 o`, `1 i l`, `rn m`, `vv w`.
"""

import re
import unicodedata
from functools import cache
from typing import NamedTuple

from confusable_homoglyphs.confusables import confusables_data  # type: ignore[import-untyped]

_ASCII = str.maketrans({"0": "o", "1": "l", "i": "l", "|": "l"})
_RUN = re.compile(r"([_.-])\1+")
_DIRECTION_MARK = "\u200e"
"""The table wraps right-to-left characters in these."""


class Skeletons(NamedTuple):
    """What names are compared by, in both cases: Cyrillic ve looks like a B only as a capital."""

    lower: str
    upper: str


def skeletons(name: str) -> Skeletons:
    """The skeletons of `name`; names look alike if they share either.

    >>> skeletons("al1ce") == skeletons("ALICE") == skeletons("Alicé")
    True
    """
    return Skeletons(_skeleton(name.casefold()), _skeleton(name.upper()))


def _skeleton(name: str) -> str:
    prototypes = _prototypes()
    replaced = "".join(prototypes.get(character, character) for character in _without_accents(name))
    plain = _without_accents(replaced.casefold()).translate(_ASCII)
    return _RUN.sub(r"\1", plain.replace("rn", "m").replace("vv", "w"))


def _without_accents(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(character for character in decomposed if unicodedata.category(character) != "Mn")


@cache
def _prototypes() -> dict[str, str]:
    """The replacement for each confusable character.

    The packaged table does not say which end of a pair is the prototype. But a prototype has no prototype itself, so
    every connected group is a star around it, and any fixed member can represent the whole group.
    """
    pairs = _pairs()
    prototypes: dict[str, str] = {}
    for start in pairs:
        if start not in prototypes:
            group = _group(pairs, start)
            prototypes |= dict.fromkeys(group, min(group, key=_preference))
    return prototypes


def _pairs() -> dict[str, set[str]]:
    pairs: dict[str, set[str]] = {}
    for character, others in confusables_data.items():
        for other in others:
            left, right = character.strip(_DIRECTION_MARK), other["c"].strip(_DIRECTION_MARK)
            pairs.setdefault(left, set()).add(right)
            pairs.setdefault(right, set()).add(left)
    return pairs


def _group(pairs: dict[str, set[str]], start: str) -> set[str]:
    group: set[str] = set()
    frontier = [start]
    while frontier:
        character = frontier.pop()
        if character not in group:
            group.add(character)
            frontier += pairs[character]
    return group


def _preference(text: str) -> tuple[bool, int, str]:
    """Sort key: ASCII first, then the shortest."""
    return not text.isascii(), len(text), text
