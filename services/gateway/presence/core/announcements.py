"""What a gateway tells the others of its users: numbered changes, and beats that contain everybody. Pure."""

from collections.abc import Callable, Iterable

from chatterbox.wire.broker_events import PresenceBeat, PresenceChanged


class Announcements:
    """Makes the presence signals of one gateway, which are numbered together, so that a lost one is noticed."""

    def __init__(self, gateway: str) -> None:
        self._gateway = gateway
        self._number = 0
        self._told: dict[int, bool] = {}
        """Whether each user who was told to be here was told to be away."""
        self._dirty: set[int] = set()

    @property
    def has_changes(self) -> bool:
        """Whether a user's state may differ from what was told."""
        return bool(self._dirty)

    def note(self, user_ids: Iterable[int]) -> None:
        """The states of these users may have changed."""
        self._dirty.update(user_ids)

    def changes(self, is_away: Callable[[int], bool | None]) -> PresenceChanged | None:
        """The next signal about the noted users; None if what was told is still so.

        `is_away` tells of each of them how it is now; None: not here.
        """
        changed = self._apply(is_away)
        if not changed:
            return None
        self._number += 1
        return PresenceChanged(
            gateway=self._gateway,
            number=self._number,
            online=[user_id for user_id, away in changed.items() if away is False],
            away=[user_id for user_id, away in changed.items() if away],
            gone=[user_id for user_id, away in changed.items() if away is None],
        )

    def probe(self) -> PresenceChanged:
        """A signal that says nothing, but proves that the broker delivers."""
        self._number += 1
        return PresenceChanged(gateway=self._gateway, number=self._number)

    def beat(self, is_away: Callable[[int], bool | None], *, is_last: bool = False) -> PresenceBeat:
        """The next signal, with everybody who is here."""
        self._apply(is_away)
        self._number += 1
        return PresenceBeat(
            gateway=self._gateway,
            number=self._number,
            online=[user_id for user_id, away in self._told.items() if not away],
            away=[user_id for user_id, away in self._told.items() if away],
            is_last=is_last,
        )

    def _apply(self, is_away: Callable[[int], bool | None]) -> dict[int, bool | None]:
        """Take over the current state of the noted users; returns the states that differ from what was told."""
        dirty, self._dirty = self._dirty, set()
        changed: dict[int, bool | None] = {}
        for user_id in dirty:
            now = is_away(user_id)
            if now is self._told.get(user_id):
                continue
            changed[user_id] = now
            if now is None:
                del self._told[user_id]
            else:
                self._told[user_id] = now
        return changed
