"""Whether a key store is the only one of its device, or an old copy, or in use twice. Pure.

A store tells the server a higher number at each start. If the server has a number that the store never told, another
copy of the store told it: this one was restored from a backup, or is a clone.
"""

from enum import StrEnum

import msgspec

from chatterbox.wire.position import Whole

MAX_STEP = 2**20
"""A number rises by a random step up to this, so that two copies of a store do not tell the same one."""
CLASH_MS = 60_000
"""Superseded twice within this time: the store is in use on another computer now."""
_MAX_TRIED = 32


class StoreGeneration(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the store told the server. It is saved before it is told."""

    confirmed: Whole = 0
    tried: tuple[int, ...] = ()
    """What was told since, without an answer yet: by a client that crashed, or by another one that runs."""
    superseded_ms: Whole = 0
    clashed: bool = False

    @property
    def highest(self) -> int:
        return max((self.confirmed, *self.tried))


class StoreStanding(StrEnum):
    """How the store stands to what the server has."""

    SAME = "same"
    SUPERSEDED = "superseded"
    CLASHES = "clashes"
    """Superseded again, within a minute: nothing may be encrypted with it."""


def stands(held: StoreGeneration, at_server: int, now_ms: int) -> tuple[StoreStanding, StoreGeneration]:
    """Compare with the number that the server has; returns what is to be saved.

    A server without the device, or one that was restored from a backup, has a lower number: that is no other copy.
    """
    if at_server == held.confirmed or at_server in held.tried or at_server < held.confirmed:
        confirmed = max(held.confirmed, at_server)
        return StoreStanding.SAME, msgspec.structs.replace(held, confirmed=confirmed)
    clashes = held.superseded_ms > 0 and 0 <= now_ms - held.superseded_ms < CLASH_MS
    saved = StoreGeneration(confirmed=at_server, superseded_ms=now_ms, clashed=clashes)
    return (StoreStanding.CLASHES if clashes else StoreStanding.SUPERSEDED), saved


def raised(held: StoreGeneration, step: int) -> tuple[int, StoreGeneration]:
    """The number to tell next; `step`: random, from 1 to `MAX_STEP`."""
    number = held.highest + step
    return number, msgspec.structs.replace(held, tried=(*held.tried[-_MAX_TRIED + 1 :], number))


def confirmed(held: StoreGeneration, number: int) -> StoreGeneration:
    """The server has the number."""
    tried = tuple(each for each in held.tried if each > number)
    return msgspec.structs.replace(held, confirmed=max(held.confirmed, number), tried=tried)
