"""Which usernames there can be, and which of them are one and the same. Pure.

A name is 3-32 letters, digits or `_.-`, beginning with a letter or digit. After RFC 8265 (UsernameCaseMapped) it is
compared by NFKC and case folding; kept as typed, in NFKC. Stricter than that, so that nobody passes for another:
letters of one script only (Japanese, Korean and Chinese mix theirs as they do in writing; UTS 39 section 5.1), only
scripts in everyday use (UAX 31 table 5), no combining marks, no digits but 0-9, and no name that looks like a taken
or reserved one.
"""

import unicodedata
from functools import cache
from typing import NamedTuple

from confusable_homoglyphs import categories  # type: ignore[import-untyped]

from chatterbox.wire import text_rules
from chatterbox.wire.errors import ChatError, Code
from services.auth.rules.confusables import Skeletons, skeletons

_SCRIPTS = (
    "ARABIC ARMENIAN BENGALI BOPOMOFO CYRILLIC DEVANAGARI ETHIOPIC GEORGIAN GREEK GUJARATI GURMUKHI HAN HANGUL"
    " HEBREW HIRAGANA KANNADA KATAKANA KHMER LAO LATIN MALAYALAM MYANMAR ORIYA SINHALA TAMIL TELUGU THAANA THAI TIBETAN"
)
_WRITTEN_TOGETHER = (
    frozenset({"HAN", "HIRAGANA", "KATAKANA"}),
    frozenset({"HAN", "HANGUL"}),
    frozenset({"HAN", "BOPOMOFO"}),
)
_RESERVED = (
    "admin administrator all anonymous auth channel chatterbox deleted everybody everyone gateway general here"
    " history moderator nobody null operator root room server staff superuser support sysadmin system undefined"
)


class Username(NamedTuple):
    """A name that somebody may have: as shown, and what no two people share."""

    shown: str
    alike: Skeletons


def check(typed: str) -> Username:
    """The username that `typed` stands for; raises `username_invalid` with a sentence that says why not."""
    shown = text_rules.username(typed)
    if (why := _why_not(shown)) is not None:
        raise ChatError(Code.USERNAME_INVALID, why)
    alike = skeletons(shown)
    if alike.small in _reserved():
        raise ChatError(Code.USERNAME_INVALID, "This name, or one that looks like it, is reserved.")
    return Username(shown, alike)


@cache
def _reserved() -> frozenset[str]:
    return frozenset(skeletons(name).small for name in _RESERVED.split())


def same(one: str, other: str) -> bool:
    """Whether two spellings name the same user.

    >>> same("Alice", "ALICE"), same("alice", "al1ce")
    (True, False)
    """
    return folded(one) == folded(other)


def folded(name: str) -> str:
    """`name` in the form in which it is compared."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def _why_not(name: str) -> str | None:
    if not all(map(_may_stand, name)):
        return text_rules.USERNAME_RULE
    scripts = {categories.alias(character) for character in name if not character.isascii() or character.isalpha()}
    if not scripts <= set(_SCRIPTS.split()):
        return "A username is written in a script that is in everyday use."
    if len(scripts) > 1 and not any(scripts <= mix for mix in _WRITTEN_TOGETHER):
        return "A username is written in one script: its letters are all Latin, or all Cyrillic, and so on."
    if _reads_two_ways(name):
        return "A username that is read from right to left begins with a letter and ends with a letter or digit."
    return None


def _may_stand(character: str) -> bool:
    if character.isascii():
        return True  # `text_rules.username` has looked at it
    # A Hangul jamo outside of a syllable may be a filler, which shows nothing.
    is_jamo = categories.alias(character) == "HANGUL" and not "가" <= character <= "힣"
    return unicodedata.category(character) in {"Lu", "Ll", "Lo"} and not is_jamo


def _reads_two_ways(name: str) -> bool:
    """Whether digits or marks could be shown on either side of right-to-left letters (after RFC 5893)."""
    leftward = any(unicodedata.bidirectional(character) in {"R", "AL"} for character in name)
    return leftward and not (name[0].isalpha() and name[-1].isalnum())
