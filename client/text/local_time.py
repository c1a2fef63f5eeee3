"""Times that people read and type: of a timestamp, a duration such as 2h, a time of day such as 15:00. Pure."""

import re
from datetime import UTC, datetime, timedelta, tzinfo

_DURATION = re.compile(r"([1-9][0-9]{0,3})([mhd])", re.ASCII)
_UNITS_S = {"m": 60, "h": 3600, "d": 86_400}
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", re.ASCII)


def time_of(timestamp: str, zone: tzinfo | None = None) -> datetime | None:
    """The local time of a message; None if the server's timestamp is invalid."""
    try:
        return datetime.fromisoformat(timestamp).astimezone(zone)
    except (ValueError, OverflowError):
        return None


def duration_s(word: str) -> int | None:
    """The seconds of a typed time; None if it is none.

    >>> duration_s("30m"), duration_s("2h"), duration_s("1d"), duration_s("2")
    (1800, 7200, 86400, None)
    """
    found = _DURATION.fullmatch(word)
    return int(found[1]) * _UNITS_S[found[2]] if found else None


def next_at(word: str, now: datetime) -> datetime | None:
    """When it is next this time of day, in the zone of `now`; None if it is no time of day.

    >>> next_at("9:30", datetime(2026, 11, 30, 18, 0, tzinfo=UTC)).isoformat()
    '2026-12-01T09:30:00+00:00'
    """
    if (found := _CLOCK.fullmatch(word)) is None:
        return None
    at = now.replace(hour=int(found[1]), minute=int(found[2]), second=0, microsecond=0)
    return at if at > now else at + timedelta(days=1)


def rfc3339(at: datetime) -> str:
    """A time as the server takes it.

    >>> rfc3339(datetime(2026, 11, 30, 18, 0, tzinfo=UTC))
    '2026-11-30T18:00:00Z'
    """
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
