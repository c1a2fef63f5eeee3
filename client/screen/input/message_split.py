"""Splits a text that is too long for one message: at line ends, else between words, else anywhere. Pure."""

from wcwidth import iter_graphemes

CLUSTER_CHARS = 64
"""Longer grapheme clusters may be cut."""


def split_message(text: str, limit: int) -> list[str]:
    """Return parts of at most `limit` characters, none of them blank. Only blanks and line ends between them are lost.

    >>> split_message("one two three", 8)
    ['one two', 'three']
    """
    parts: list[str] = []
    while len(text) > limit:
        end = _end(text, limit)
        parts.append(text[:end])
        text = text[end + (text[end] in "\n ") :]
    return [part for part in (*parts, text) if part.strip()]


def _end(text: str, limit: int) -> int:
    """Where the first part ends: before a line end or a space, else after a whole grapheme cluster."""
    for separator in ("\n", " "):
        at = text.rfind(separator, 1, limit + 1)
        if at > 0:
            return at
    at = max(0, limit - CLUSTER_CHARS)
    for cluster in iter_graphemes(text[at : limit + CLUSTER_CHARS]):
        if at + len(cluster) > limit:
            break
        at += len(cluster)
    return at or limit
