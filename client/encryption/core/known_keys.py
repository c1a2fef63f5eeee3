"""What a user knows of another user's master key: since when, whether it was verified, and whether it changed. Pure.

A mark "verified" belongs to one master key, and never passes to another.
"""

import msgspec

from chatterbox.wire.position import Whole
from client.encryption.core.device_list_chain import ListPlace
from client.encryption.core.trust import Trust

MAX_MASTERS = 16
"""Of how many master keys of a user the highest list is remembered."""


class KnownKey(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The master key of a user, as this user knows it."""

    user_id: Whole
    username: str
    master: str
    """The key that was there first, or that the user accepted since."""
    since_ms: Whole
    """When it was first seen, or accepted."""
    verified: bool = False
    decided_ms: Whole = 0
    """When the user last decided something here: verified, unverified, accepted. 0: never."""
    changed_to: str = ""
    """Another master key, which the server shows now and which the user has not accepted; empty: none."""
    changed_ms: Whole = 0
    places: dict[str, ListPlace] = {}
    """By master key: the highest list that was seen under it."""
    reported: tuple[str, ...] = ()
    """Problems that the user was told of, so that each is told once."""

    @property
    def trust(self) -> Trust:
        if self.changed_to:
            return Trust.CHANGED
        return Trust.VERIFIED if self.verified else Trust.SEEN

    @property
    def shown(self) -> str:
        """The master key that the server shows now."""
        return self.changed_to or self.master


class VerifiedFirst(ValueError):  # noqa: N818 - a rule, not an error
    """The former key was verified: the new one must be verified too, or the mark removed, before it is accepted."""


def first_seen(user_id: int, username: str, master: str, now_ms: int) -> KnownKey:
    """What is known of a user whose keys were never seen before."""
    return KnownKey(user_id=user_id, username=username, master=master, since_ms=now_ms)


def shows(known: KnownKey, master: str, now_ms: int) -> KnownKey:
    """The server shows `master` as the user's key."""
    if master == known.master:
        return msgspec.structs.replace(known, changed_to="", changed_ms=0)
    if master == known.changed_to:
        return known
    return msgspec.structs.replace(known, changed_to=master, changed_ms=now_ms)


def accept_change(known: KnownKey, now_ms: int) -> KnownKey:
    """Take the changed key as the user's; raises `VerifiedFirst` if the former one was verified."""
    if not known.changed_to:
        return known
    if known.verified:
        raise VerifiedFirst
    return _replaced(known, known.changed_to, now_ms)


def verify(known: KnownKey, master: str, now_ms: int) -> KnownKey:
    """The two users compared `master`; it is the user's key from now on."""
    replaced = known if master == known.master else _replaced(known, master, now_ms)
    return msgspec.structs.replace(replaced, verified=True, decided_ms=now_ms)


def unverify(known: KnownKey, now_ms: int) -> KnownKey:
    """Remove the mark."""
    return msgspec.structs.replace(known, verified=False, decided_ms=now_ms)


def with_place(known: KnownKey, master: str, place: ListPlace) -> KnownKey:
    """Remember the highest list under `master`; that of the key in use is never forgotten."""
    places = {key: value for key, value in known.places.items() if key != master}
    for key in list(places):
        if len(places) < MAX_MASTERS - 1:
            break
        if key not in {known.master, known.changed_to}:
            del places[key]
    return msgspec.structs.replace(known, places=places | {master: place})


def with_report(known: KnownKey, problem: str) -> KnownKey:
    """Remember that the user was told of a problem."""
    return msgspec.structs.replace(known, reported=(*known.reported[-MAX_MASTERS + 1 :], problem))


def for_backup(known: KnownKey) -> KnownKey:
    """What other devices of the user need of it: items of the backup are small."""
    places = {key: place for key, place in known.places.items() if key in {known.master, known.changed_to}}
    return msgspec.structs.replace(known, places=places, reported=())


def merged(mine: KnownKey | None, theirs: KnownKey) -> KnownKey:
    """What two devices of one user know, put together.

    The user's later decision counts. Without any, this device's key counts: what another device merely saw first is no
    reason to trust it here.
    """
    if mine is None:
        return msgspec.structs.replace(theirs, reported=())
    joint = msgspec.structs.replace(mine, places=_higher(mine.places, theirs.places))
    decided = theirs if theirs.decided_ms > mine.decided_ms else mine
    if mine.master == theirs.master:
        since_ms = min(mine.since_ms, theirs.since_ms)
        return msgspec.structs.replace(
            joint, since_ms=since_ms, verified=decided.verified, decided_ms=decided.decided_ms
        )
    if decided is mine:
        return joint
    shown = mine.shown
    taken = msgspec.structs.replace(
        _replaced(joint, theirs.master, theirs.since_ms), verified=theirs.verified, decided_ms=theirs.decided_ms
    )
    return shows(taken, shown, mine.changed_ms or theirs.decided_ms)


def _higher(mine: dict[str, ListPlace], theirs: dict[str, ListPlace]) -> dict[str, ListPlace]:
    places = dict(mine)
    for master, place in theirs.items():
        held = places.get(master)
        if held is None or (held.generation, held.version) < (place.generation, place.version):
            places[master] = place
    return places


def _replaced(known: KnownKey, master: str, now_ms: int) -> KnownKey:
    """Another master key, without the mark of the one before."""
    return msgspec.structs.replace(
        known, master=master, since_ms=now_ms, verified=False, decided_ms=now_ms, changed_to="", changed_ms=0
    )
