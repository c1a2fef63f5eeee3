"""The least speed of uploads: who sends more slowly holds one of the few places for nothing. Pure."""

LEAST_BYTES_PER_S = 64 * 1024
GRACE_S = 10.0
"""How long an upload may be behind that speed (seconds)."""


def patience_s(received: int, waited_s: float) -> float:
    """How long to wait for more bytes, of an upload that was waited for `waited_s` until now (seconds); at least 0.

    >>> patience_s(0, 0), patience_s(640 * 1024, 15), patience_s(0, 11)
    (10.0, 5.0, 0.0)
    """
    return max(0.0, GRACE_S + received / LEAST_BYTES_PER_S - waited_s)
