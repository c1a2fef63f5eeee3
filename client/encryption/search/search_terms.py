"""What a person typed to search for, as an expression of SQLite's full-text search. Pure."""

import re
import unicodedata
from typing import NamedTuple

MAX_TERMS = 16
"""Words of one search; more are left out."""
_TERM = re.compile(r'"([^"]*)"|(\S+)')
_UNSPACED = (
    range(0x0E00, 0x0F00),
    range(0x1000, 0x10A0),
    range(0x1780, 0x1800),
    range(0x2E80, 0xA000),
    range(0xF900, 0xFB00),
    range(0x20000, 0x40000),
)
"""Scripts that put no spaces between words: Thai, Lao, Burmese, Khmer, Chinese, Japanese."""


class SearchTerms(NamedTuple):
    """A message is found if it matches all of these."""

    match: str
    """An expression of FTS5; empty: there is none."""
    parts: tuple[str, ...]
    """Texts that stand in it as they are: what FTS5 does not take for words."""


def terms_of(typed: str) -> SearchTerms:
    """The terms of a search: each word is the beginning of one, text in quotation marks stands so in the message.

    >>> terms_of('deploy "next week" C++ 🎉')
    SearchTerms(match='"deploy"* AND "next week" AND "C++"*', parts=('🎉',))
    >>> terms_of("a OR NEAR(b text:c*")
    SearchTerms(match='"a"* AND "OR"* AND "NEAR(b"* AND "text:c*"*', parts=())
    """
    typed = typed.replace("\0", " ").encode("utf-8", "replace").decode()
    matches, parts = [], []
    for phrase, word in _TERM.findall(typed)[:MAX_TERMS]:
        term = phrase.strip() or word
        if not term.strip('"'):
            continue
        if any(map(_is_unspaced, term)) or not any(map(_is_of_words, term)):
            parts.append(term)
        else:
            escaped = term.replace('"', '""')
            matches.append(f'"{escaped}"' if phrase else f'"{escaped}"*')
    return SearchTerms(" AND ".join(matches), tuple(parts))


def _is_unspaced(character: str) -> bool:
    return any(ord(character) in script for script in _UNSPACED)


def _is_of_words(character: str) -> bool:
    """Whether FTS5's tokenizer `unicode61` takes a character for a part of a word."""
    category = unicodedata.category(character)
    return category[0] in "LN" or category == "Co"
