"""Username policy: which names are allowed and when two names are the same. Pure.

A name is 3-32 letters, digits or `_.-`, starting with a letter or digit. As in RFC 8265 (UsernameCaseMapped), names
are compared by NFKC and case folding; they are kept as typed, in NFKC. To prevent impersonation the policy is stricter:
letters of one script only (Japanese, Korean and Chinese may combine the scripts they are written in; UTS 39 section
5.1), only scripts in everyday use (UAX 31 table 5), no combining marks, no digits but 0-9, and no name that looks like
one that is taken or reserved.
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
_COMBINED_SCRIPTS = (
    frozenset({"HAN", "HIRAGANA", "KATAKANA"}),
    frozenset({"HAN", "HANGUL"}),
    frozenset({"HAN", "BOPOMOFO"}),
)
_RESERVED = (
    "admin administrator all anonymous auth channel chatterbox deleted everybody everyone gateway general here"
    " history moderator nobody null operator root room server staff superuser support sysadmin system undefined"
)


class Username(NamedTuple):
    """An allowed name: as displayed, and the skeletons that no two users share."""

    display: str
    skeletons: Skeletons


def check(typed: str) -> Username:
    """The username for what was typed; raises `username_invalid` with the reason."""
    display = text_rules.username(typed)
    if (reason := _violation(display)) is not None:
        raise ChatError(Code.USERNAME_INVALID, reason)
    both = skeletons(display)
    if is_reserved(both):
        raise ChatError(Code.USERNAME_INVALID, "That username, or one that looks like it, is reserved.")
    return Username(display, both)


def is_reserved(name: Skeletons) -> bool:
    """Whether a name looks like a reserved one."""
    return name.lower in _reserved()


@cache
def _reserved() -> frozenset[str]:
    return frozenset(skeletons(name).lower for name in _RESERVED.split())


def is_same_name(one: str, other: str) -> bool:
    """Whether two spellings name the same user.

    >>> is_same_name("Alice", "ALICE"), is_same_name("alice", "al1ce")
    (True, False)
    """
    return folded(one) == folded(other)


def folded(name: str) -> str:
    """`name` normalized for comparison: NFKC and case folding."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def _violation(name: str) -> str | None:
    """The rule that `name` breaks, as a sentence for its user; None if it is allowed."""
    if not all(map(_is_allowed, name)):
        return text_rules.USERNAME_RULE
    scripts = {categories.alias(character) for character in name if not character.isascii() or character.isalpha()}
    if not scripts <= set(_SCRIPTS.split()):
        return "A username must use a script in everyday use."
    if len(scripts) > 1 and not any(scripts <= combined for combined in _COMBINED_SCRIPTS):
        return "A username must use letters of one script, for example all Latin or all Cyrillic."
    if _has_ambiguous_direction(name):
        return "A right-to-left username must start with a letter and end with a letter or digit."
    return None


def _is_allowed(character: str) -> bool:
    if character.isascii():
        return True  # already checked by `text_rules.username`
    # A Hangul jamo outside a syllable may be a filler, which is invisible.
    is_jamo = categories.alias(character) == "HANGUL" and not "가" <= character <= "힣"
    return unicodedata.category(character) in {"Lu", "Ll", "Lo"} and not is_jamo


def _has_ambiguous_direction(name: str) -> bool:
    """Whether digits or marks could be displayed on either side of right-to-left letters (after RFC 5893)."""
    is_rtl = any(unicodedata.bidirectional(character) in {"R", "AL"} for character in name)
    return is_rtl and not (name[0].isalpha() and name[-1].isalnum())
