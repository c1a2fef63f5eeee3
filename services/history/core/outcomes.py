"""What appends and changes of messages have in common: the budget that both spend, and refusals. Pure."""

from collections.abc import Callable
from typing import TypeAlias

from chatterbox.wire.errors import MEANINGS, Code
from chatterbox.wire.history_api import AppendRefused
from chatterbox.wire.limits import Limits

Spend: TypeAlias = Callable[[int], float]
"""Counts a message or change of a user id: 0.0 if it may be stored, else the seconds until one may."""
Mentions: TypeAlias = Callable[[int, int, str], tuple[str, ...]]
"""Finds whom a text mentions that a user id writes in a room id."""


def unlimited(_: int) -> float:
    return 0.0


def no_mentions(_room_id: int, _user_id: int, _text: str) -> tuple[str, ...]:
    return ()


def refused(code: Code, detail: str | None = None) -> AppendRefused:
    """A refusal, by default with the sentence of its code."""
    return AppendRefused(code, detail or MEANINGS[code].sentence)


def rate_limited(wait_s: float, limits: Limits) -> AppendRefused:
    """The refusal of what may be sent in `wait_s` seconds."""
    detail = f"At most {limits.sends_per_s:g} messages a second ({limits.sends_burst} at once), over all connections."
    return AppendRefused(Code.RATE_LIMITED, detail, round(wait_s, 3))
