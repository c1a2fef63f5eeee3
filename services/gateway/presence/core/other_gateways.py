"""The users at other gateways, as those told; whether that is all there is to know. Pure.

Signals are lost, doubled and reordered by the broker. Each gateway numbers its own; after a hole in the numbers, or
when in doubt, its next beat sets everything right.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from chatterbox.wire.broker_events import PresenceBeat, PresenceChanged

BEATS_UNTIL_FORGOTTEN = 3
"""A gateway that was not heard for as many beats is forgotten, with its users."""
BEATS_UNTIL_DEAF = 1.5
"""If this gateway does not hear its own signals for as many beats, it may not hear the others' either.

It must notice that before it forgets another one: that can be a beat before the last own signal.
"""
PAUSE_S = 3.0
"""While it is not known who is elsewhere, own signals are sent once a second; one of three may be lost."""


@dataclass(slots=True)
class _Gateway:
    """What is known of another gateway."""

    number: int
    heard_s: float
    forgotten_s: float
    online: set[int] = field(default_factory=set)
    away: set[int] = field(default_factory=set)


class OtherGateways:
    """The users at other gateways. All `now_s` come from one monotonic clock (seconds)."""

    def __init__(self, beat_s: float, grace_s: float, settle_s: float) -> None:
        """Gateways send a beat every `beat_s`. After this one has begun to hear, others have been heard in `settle_s`.

        The users of a gateway that stops count for `grace_s`.
        """
        self._beat_s = beat_s
        self._grace_s = grace_s
        self._settle_s = settle_s
        self._gateways: dict[str, _Gateway] = {}
        self._is_settled = False
        self._hears_since_s: float | None = None
        self._own_heard_s = float("-inf")
        self.wants_beat = False
        """Whether something is missing that only beats can tell."""

    def __len__(self) -> int:
        return len(self._gateways)

    def is_away(self, user_id: int) -> bool | None:
        """Whether the user is away at all gateways where they are; None: they are at no other gateway."""
        found = None
        for gateway in self._gateways.values():
            if user_id in gateway.online:
                return False
            if user_id in gateway.away:
                found = True
        return found

    @property
    def is_settled(self) -> bool:
        """Whether a user who is not known to be anywhere is offline, as far as one can know.

        That is so once own signals have come back for `settle_s` without a pause of more than `PAUSE_S`: in a longer
        one, the others' signals were not heard either.
        """
        return self._is_settled

    def note_own(self, now_s: float) -> None:
        """A signal of this gateway came back from the broker, so others' come as well."""
        before_s, self._own_heard_s = self._own_heard_s, now_s
        if self._is_settled:
            return
        if self._hears_since_s is None or now_s - before_s > PAUSE_S:
            self._hears_since_s = now_s
            self.wants_beat = True
        if now_s >= self._hears_since_s + self._settle_s:
            self._is_settled = True

    def note_doubt(self) -> None:
        """The broker may have lost signals."""
        self.wants_beat = True

    def note_asked(self) -> None:
        """The others have been asked for a beat."""
        self.wants_beat = False

    def on_beat(self, beat: PresenceBeat, now_s: float) -> set[int]:
        """Take all users of a gateway; returns those whose state may have changed."""
        gateway = self._gateways.get(beat.gateway)
        if gateway is None:
            gateway = self._gateways[beat.gateway] = _Gateway(0, now_s, now_s)
        if beat.number <= gateway.number:
            return set()
        online, away = set(beat.online), set(beat.away)
        changed = (online ^ gateway.online) | (away ^ gateway.away)
        gateway.number, gateway.online, gateway.away = beat.number, online, away
        self._note_heard(gateway, now_s)
        if beat.is_last:
            gateway.forgotten_s = now_s + self._grace_s
        return changed

    def on_changed(self, change: PresenceChanged, now_s: float) -> Collection[int]:
        """Take the changes of a gateway; returns the users whose state may have changed."""
        gateway = self._gateways.get(change.gateway)
        if gateway is None:
            gateway = self._gateways[change.gateway] = _Gateway(0, now_s, now_s)
        if change.number <= gateway.number:
            return ()
        if change.number != gateway.number + 1:
            self.wants_beat = True
        gateway.number = change.number
        changed = {*change.online, *change.away, *change.gone}
        gateway.online.difference_update(changed)
        gateway.away.difference_update(changed)
        gateway.online.update(change.online)
        gateway.away.update(change.away)
        self._note_heard(gateway, now_s)
        return changed

    def expire(self, now_s: float) -> set[int]:
        """Forget gateways that were not heard for long; returns their users."""
        if now_s - self._own_heard_s > BEATS_UNTIL_DEAF * self._beat_s:
            self._hears_since_s, self._is_settled = None, False
        changed: set[int] = set()
        for name, gateway in tuple(self._gateways.items()):
            if gateway.forgotten_s <= now_s:
                del self._gateways[name]
                changed |= gateway.online | gateway.away
        return changed

    def users(self) -> Iterator[int]:
        """The users at other gateways; who is at several, several times."""
        return (user_id for each in self._gateways.values() for user_id in (*each.online, *each.away))

    def _note_heard(self, gateway: _Gateway, now_s: float) -> None:
        gateway.heard_s = now_s
        gateway.forgotten_s = now_s + BEATS_UNTIL_FORGOTTEN * self._beat_s
