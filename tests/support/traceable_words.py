"""Words that occur in one text only, so that each copy of it is found: in files, in frames, in memory. Pure."""

import re
from collections.abc import Iterator
from uuid import uuid4

_WORD = re.compile(r"trace-[0-9a-f]{12}")
_IN_BYTES = re.compile(_WORD.pattern.encode())


def new_word() -> str:
    """A word that no other text has."""
    return f"trace-{uuid4().hex[:12]}"


def word_in(text: str) -> str:
    """The traceable word of a text; empty if it has none."""
    found = _WORD.search(text)
    return found[0] if found else ""


def words_in(data: bytes) -> Iterator[str]:
    """All traceable words in binary data."""
    return (found[0].decode() for found in _IN_BYTES.finditer(data))
