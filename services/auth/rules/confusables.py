"""Which names look alike: names that share a skeleton.

After UTS 39 section 4, with Unicode's table of confusable characters (as packed by `confusable_homoglyphs`), and
stricter: accents make no difference, nor does the length of a run of one punctuation mark, and these pieces of
ASCII count as alike: `0 o`, `1 i l`, `rn m`, `vv w`.
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
    """What names are compared by. Both cases: Cyrillic ve looks like a B, but only as a capital."""

    small: str
    capital: str


def skeletons(name: str) -> Skeletons:
    """Names look alike if they share either skeleton.

    >>> skeletons("al1ce") == skeletons("ALICE") == skeletons("Alicé")
    True
    """
    return Skeletons(_skeleton(name.casefold()), _skeleton(name.upper()))


def _skeleton(name: str) -> str:
    prototypes = _prototypes()
    seen = "".join(prototypes.get(character, character) for character in _bare(name))
    plain = _bare(seen.casefold()).translate(_ASCII)
    return _RUN.sub(r"\1", plain.replace("rn", "m").replace("vv", "w"))


def _bare(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(character for character in decomposed if unicodedata.category(character) != "Mn")


@cache
def _prototypes() -> dict[str, str]:
    """What stands for each confusable character.

    The packed table has lost which end of a pair was the prototype. But a prototype has none of its own, so every
    connected group is a star round it, and one fixed member can stand for the whole group.
    """
    pairs = _pairs()
    found: dict[str, str] = {}
    for start in pairs:
        if start not in found:
            group = _group(pairs, start)
            found |= dict.fromkeys(group, min(group, key=_standing))
    return found


def _pairs() -> dict[str, set[str]]:
    pairs: dict[str, set[str]] = {}
    for one, others in confusables_data.items():
        for other in others:
            left, right = one.strip(_DIRECTION_MARK), other["c"].strip(_DIRECTION_MARK)
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


def _standing(text: str) -> tuple[bool, int, str]:
    return not text.isascii(), len(text), text
