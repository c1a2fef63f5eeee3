"""How exactly others are told when a user was last connected: the longer ago, the less. Pure."""

from chatterbox.wire.text_rules import timestamp

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
STEPS = ((HOUR_MS, 5 * MINUTE_MS), (DAY_MS, HOUR_MS), (30 * DAY_MS, DAY_MS))
"""Up to which age (milliseconds), times are rounded down to what."""


def last_seen(seen_ms: int, now_ms: int) -> str:
    """The time as others are told it at `now_ms`, RFC 3339; empty: never (0), or long ago.

    >>> last_seen(1_790_000_000_123, 1_790_000_300_000)
    '2026-09-21T14:10:00.000Z'
    >>> last_seen(1_790_000_000_123, 1_790_020_000_000)
    '2026-09-21T14:00:00.000Z'
    >>> last_seen(1_790_000_000_123, 1_790_200_000_000)
    '2026-09-21T00:00:00.000Z'
    >>> last_seen(1_790_000_000_123, 1_799_000_000_000)
    ''
    """
    for age_ms, step_ms in STEPS if seen_ms else ():
        if now_ms - seen_ms < age_ms:
            return timestamp(seen_ms - seen_ms % step_ms)
    return ""
