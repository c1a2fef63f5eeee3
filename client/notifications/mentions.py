"""Whether a text names somebody. Pure."""

import re
import unicodedata
from collections.abc import Iterable


def folded(text: str) -> str:
    """Text as it is compared: by what it means, not by its case or by how it is composed."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def names(text: str, words: Iterable[str]) -> bool:
    """Whether one of `words` stands in `text` as a whole word, with or without an `@`.

    A name goes on with letters, digits, `_`, and with `-` or `.` before one of these, as usernames do.

    >>> names("thanks, @Ada!", ["ada"]), names("Canada", ["ada"]), names("ask ada-2", ["ada"]), names("ada.", ["ada"])
    (True, False, False, True)
    """
    text = folded(text)
    return any(_stands_in(text, folded(word)) for word in words if word)


def _stands_in(text: str, word: str) -> bool:
    return word in text and re.search(rf"(?<!\w)(?<!\w[.-]){re.escape(word)}(?!\w|[.-]\w)", text) is not None
