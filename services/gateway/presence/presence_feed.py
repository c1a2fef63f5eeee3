"""Who is here, as of all gateways: this one's leases, told to the others, and theirs.

Other gateways are told what changed, gathered for half a second, and everything in a beat every ten seconds. What the
broker loses is made up for by the next beat, which is asked for when a loss is noticed.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import NoReturn, assert_never

from chatterbox.wire.broker_events import BeatWanted, PresenceBeat, PresenceChanged
from chatterbox.wire.errors import ChatError
from chatterbox.wire.people import PresenceState
from services.gateway.metrics import GatewayMetrics
from services.gateway.presence.core.announcements import Announcements
from services.gateway.presence.core.leases import Leases
from services.gateway.presence.core.other_gateways import OtherGateways
from services.gateway.rooms.room import RoomConnection
from services.gateway.upstream.history_client import HistoryClient
from services.gateway.upstream.signal_channel import SignalChannel

log = logging.getLogger("chatterbox.presence")

TICK_S = 0.25
"""Time between looks at what is due (seconds)."""
ANSWER_S = 1.0
"""Least time between two beats, and between two requests for beats (seconds)."""
PROBE_S = 1.0
"""Time between two signals that only prove that the broker delivers, while others may not have been heard (seconds)."""
DECLARE_S = 0.5
"""Time in which a new connection of a user who is away can say that it is, too (seconds)."""
SEEN_S = 300.0
"""Time between two reports to history of the users who are here (seconds)."""
USERS_PER_REPORT = 10_000


class PresenceFeed:
    """The presence of all users. `clock` is monotonic seconds."""

    def __init__(
        self,
        channel: SignalChannel,
        history: HistoryClient,
        clock: Callable[[], float],
        *,
        grace_s: float,
        beat_s: float,
        settle_s: float,
        message_bytes: Callable[[], int] = lambda: 0,
        metrics: GatewayMetrics | None = None,
    ) -> None:
        """Beats are sent every `beat_s`; `settle_s` after the start, those of all other gateways have been heard.

        `message_bytes` counts the bytes of messages since the start.
        """
        self._channel = channel
        self._history = history
        self._clock = clock
        self._beat_s = beat_s
        self._message_bytes = message_bytes
        self._leases: Leases[RoomConnection] = Leases(grace_s)
        self._others = OtherGateways(beat_s, grace_s, settle_s)
        self._announcements = Announcements(channel.gateway)
        self._changed: set[int] = set()
        self._is_all_changed = False
        self._was_settled = False
        self._is_beat_wanted = True
        self._has_ended = False
        self._last_beat_s = self._last_request_s = self._last_changes_s = self._last_probe_s = float("-inf")
        self._seen: set[int] = set()
        """Users who were here since the last report to history."""
        self._reported_s = clock()
        metrics = metrics or GatewayMetrics()
        metrics.gateways_known.set_function(lambda: len(self._others))

    # Connections

    def open(self, user_id: int, sid: str, connection: RoomConnection, *, hidden: bool) -> None:
        """A connection is welcomed; a `hidden` user does not show their presence.

        Who is away and comes back on another connection is not online in between: the client has a moment to say so.
        """
        is_away = self.state(user_id) is PresenceState.AWAY
        away_until_s = self._clock() + DECLARE_S if is_away else None
        self._leases.open(user_id, sid, connection, away_until_s=away_until_s)
        self.hide(user_id, hidden=hidden)

    def close(self, user_id: int, sid: str, connection: RoomConnection) -> None:
        """A connection is closed; it counts for the grace."""
        self._leases.close(user_id, sid, connection, self._clock())

    def end_sessions(self, sids: Collection[str]) -> None:
        """Login sessions have ended, and their connections are closed: they don't count any more."""
        self._leases.end_sessions(sids)

    def set_away(self, user_id: int, connection: RoomConnection, *, away: bool) -> None:
        """Note whether a device is in use."""
        self._leases.set_away(user_id, connection, away=away)

    def hide(self, user_id: int, *, hidden: bool) -> None:
        """Note whether a user who is here shows their presence."""
        self._leases.hide(user_id, hidden=hidden)
        if hidden:
            self._seen.discard(user_id)

    # State

    def state(self, user_id: int) -> PresenceState:
        """The user's state as of all gateways, as far as this one knows."""
        here = self._leases.is_away(user_id)
        if here is False:
            return PresenceState.ONLINE
        elsewhere = self._others.is_away(user_id)
        if elsewhere is False:
            return PresenceState.ONLINE
        if here or elsewhere:
            return PresenceState.AWAY
        return PresenceState.OFFLINE if self._others.is_settled else PresenceState.UNKNOWN

    def take_changed(self) -> Collection[int] | None:
        """The users whose state may have changed since the last call; None: everybody's."""
        self._gather()
        changed, self._changed = self._changed, set()
        is_all, self._is_all_changed = self._is_all_changed, False
        return None if is_all else changed

    def _gather(self) -> None:
        """Take over what changed, here and elsewhere, by now."""
        now_s = self._clock()
        self._leases.expire(now_s)
        self._changed |= self._others.expire(now_s)
        here = self._leases.take_changed()
        self._seen.update(user_id for user_id in here if self._leases.is_away(user_id) is not None)
        self._announcements.note(here)
        self._changed |= here
        if (is_settled := self._others.is_settled) is not self._was_settled:
            self._was_settled = is_settled
            self._is_all_changed = True

    # Signals

    def on_signal(self, signal: PresenceChanged | PresenceBeat | BeatWanted) -> None:
        now_s = self._clock()
        if signal.gateway == self._channel.gateway:
            self._others.note_own(now_s)
            return
        match signal:
            case PresenceChanged():
                self._changed.update(self._others.on_changed(signal, now_s))
            case PresenceBeat():
                self._changed.update(self._others.on_beat(signal, now_s))
            case BeatWanted():
                self._is_beat_wanted = True
            case _:
                assert_never(signal)

    def on_possible_loss(self) -> None:
        """The broker may have lost signals, in both directions."""
        self._others.note_doubt()
        self._is_beat_wanted = True

    async def run(self) -> NoReturn:
        """Publish what is due until cancelled."""
        while True:
            await self.tick()
            await asyncio.sleep(TICK_S)

    async def tick(self) -> None:
        """Publish what is due now."""
        if self._has_ended:
            return
        self._gather()
        now_s = self._clock()
        budget = self._channel.budget
        budget.note_messages(self._message_bytes(), now_s)
        if self._others.wants_beat and now_s >= self._last_request_s + ANSWER_S:
            self._others.note_asked()
            self._last_request_s = now_s
            await self._channel.publish(BeatWanted(gateway=self._channel.gateway))
        is_asked = self._is_beat_wanted and now_s >= self._last_beat_s + ANSWER_S and budget.may_answer(now_s)
        if is_asked or now_s >= self._last_beat_s + self._beat_s:
            await self._publish_beat()
        elif self._announcements.has_changes and now_s >= self._last_changes_s + budget.gather_s(now_s):
            self._last_changes_s = now_s
            await self._publish_changes()
        if not self._others.is_settled and now_s >= self._last_probe_s + PROBE_S:
            self._last_probe_s = now_s
            await self._channel.publish(self._announcements.probe())
        if now_s >= self._reported_s + SEEN_S:
            self._reported_s = now_s
            await self._report_seen()

    async def _publish_beat(self, *, is_last: bool = False) -> None:
        self._last_beat_s = self._clock()
        self._is_beat_wanted = False
        beat = self._announcements.beat(self._leases.is_away, is_last=is_last)
        if not await self._channel.publish(beat):
            self._is_beat_wanted = True

    async def _publish_changes(self) -> None:
        changes = self._announcements.changes(self._leases.is_away)
        if changes is not None and not await self._channel.publish(changes):
            self._is_beat_wanted = True

    async def end(self) -> None:
        """Tell the other gateways that this one stops: its users are expected there."""
        if not self._has_ended:
            self._has_ended = True
            self._gather()
            await self._publish_beat(is_last=True)

    async def _report_seen(self) -> None:
        """Give history all users who are here, or were since the last report."""
        seen, self._seen = self._seen, set()
        user_ids = sorted(seen | {user_id for user_id, _ in self._leases.users()})
        try:
            for first in range(0, len(user_ids), USERS_PER_REPORT):
                await self._history.report_seen(user_ids[first : first + USERS_PER_REPORT])
        except ChatError as problem:
            log.warning("last_seen.report_failed", extra={"users": len(user_ids), "code": problem.code})
