"""Mutations of presence: each disables one protection, as a harmless-looking change might."""

import asyncio
from collections.abc import Iterable
from typing import Any

from services.gateway.presence.core import other_gateways
from services.gateway.presence.core.leases import Leases
from services.gateway.presence.core.other_gateways import OtherGateways
from services.gateway.presence.core.watch_registry import WatchRegistry
from services.gateway.presence.presence_feed import PresenceFeed
from services.gateway.presence.watch_feed import WatchFeed
from tests.simulation.mutations import Patch


def no_grace(patch: Patch) -> None:
    """A closed connection counts no longer."""
    close = Leases.close

    def closed(self: Leases[Any], user_id: int, sid: str, connection: Any, now_s: float) -> None:
        close(self, user_id, sid, connection, now_s)
        self.end_sessions([sid])

    patch.setattr(Leases, "close", closed)


def no_beats(patch: Patch) -> None:
    """Only changes are told, and what another gateway asks for."""
    original = PresenceFeed.tick

    async def tick(self: PresenceFeed) -> None:
        self._beat_s = float("inf")
        await original(self)

    patch.setattr(PresenceFeed, "tick", tick)


def gateways_are_never_forgotten(patch: Patch) -> None:
    patch.setattr(OtherGateways, "expire", lambda *_: set())


def absent_is_offline(patch: Patch) -> None:
    """A gateway that has just started, or hears nothing, claims to know everything."""
    patch.setattr(OtherGateways, "is_settled", True)


def the_wait_alone_settles(patch: Patch) -> None:
    """Whether anything was heard in the time in which others tell of themselves is not looked at."""

    def is_settled(self: OtherGateways) -> bool:
        since_s = self._hears_since_s
        return since_s is not None and asyncio.get_running_loop().time() >= since_s + self._settle_s

    patch.setattr(OtherGateways, "is_settled", property(is_settled))


def deafness_is_not_noticed(patch: Patch) -> None:
    patch.setattr(other_gateways, "BEATS_UNTIL_DEAF", float("inf"))


def late_knowledge_is_not_told(patch: Patch) -> None:
    """Who was told to be unknown is not told again once more is known."""
    original = WatchFeed._noted_state
    patch.setattr(WatchRegistry, "note_all", lambda _: None)
    patch.setattr(WatchFeed, "_noted_state", original)


def missed_states_are_dropped(patch: Patch) -> None:
    """A connection that was full is not told what it missed."""

    def miss(self: WatchRegistry[Any], connection: Any, user_ids: Iterable[int]) -> None: ...

    patch.setattr(WatchRegistry, "miss", miss)


def the_first_connection_decides(patch: Patch) -> None:
    """A user whose first device is closed is gone, whatever other devices there are."""
    close = Leases.close

    def closed(self: Leases[Any], user_id: int, sid: str, connection: Any, now_s: float) -> None:
        close(self, user_id, sid, connection, now_s)
        if (user := self._users.get(user_id)) is not None:
            user.connections.clear()
            self.end_sessions([sid])

    patch.setattr(Leases, "close", closed)


def hiding_is_not_passed_on(patch: Patch) -> None:
    """Gateways do not look at the privacy of whom they tell of."""
    patch.setattr(PresenceFeed, "hide", lambda *_, **__: None)
    patch.setattr(WatchFeed, "on_person", lambda *_: None)
