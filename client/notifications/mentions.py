"""Finds mentions of names and keywords in messages. Pure."""

import re
import unicodedata
from collections.abc import Iterable


def folded(text: str) -> str:
    """Normalise text for comparison, so that case and composition don't matter (NFKC and case folding)."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def names(text: str, words: Iterable[str]) -> bool:
    """Whether one of `words` occurs in `text` as a whole word, with or without an `@`.

    As in usernames, a word continues with letters, digits and `_`, and with `-` or `.` before one of these.

    >>> names("thanks, @Ada!", ["ada"]), names("Canada", ["ada"]), names("ask ada-2", ["ada"]), names("ada.", ["ada"])
    (True, False, False, True)
    """
    text = folded(text)
    return any(_contains(text, folded(word)) for word in words if word)


def _contains(text: str, word: str) -> bool:
    return word in text and re.search(rf"(?<!\w)(?<!\w[.-]){re.escape(word)}(?!\w|[.-]\w)", text) is not None
