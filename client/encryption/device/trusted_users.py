"""Whose keys are whose: checks the keys that the server shows, and remembers what was seen and verified.

What the server says is taken only if the whole chain of signatures is right, and if it is not older than what was seen
before. A changed master key is kept apart until the user accepts it.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

import msgspec

from chatterbox.wire.encryption.device_keys import DeviceKeys, UserKeys, matrix_user, signed_part
from chatterbox.wire.encryption.envelope import to_base64url
from chatterbox.wire.encryption.member_log import SignedMember
from chatterbox.wire.encryption.signatures import SignatureError, verify_user
from chatterbox.wire.text_rules import folded
from client.encryption.core import known_keys
from client.encryption.core.device_list_chain import ListPlace, Succession, brings_back, place_of, succession
from client.encryption.core.known_keys import KnownKey
from client.encryption.core.trust import Trust
from client.encryption.device import backup_queue
from client.encryption.device.backup_queue import BackupKind
from client.encryption.store.key_store import StoreTransaction, Table

_NAME = "username/"
"""Begins the names of the rows of `Table.META` that say which user has a username."""
_NAMES_KEPT = "usernames_kept"
"""Whether there is such a row for each known user."""


class KeyProblem(StrEnum):
    """Why keys that the server showed were not taken; those that were taken before stay in use."""

    UNSIGNED = "unsigned"
    """A signature is missing or wrong, or the keys are those of another user id than the username belongs to."""
    LOWER_LIST = "lower_list"
    """The server showed an earlier device list again."""
    CONFLICTING_LIST = "conflicting_list"
    """The list contradicts an earlier one: same version, other text, or a removed device is back."""
    WITHHELD_LIST = "withheld_list"
    """The user's devices say that there is a newer list than the server shows."""


@dataclass(frozen=True, slots=True)
class TrustedDevice:
    """A device that its owner's list vouches for."""

    user_id: int
    username: str
    device_id: str
    keys: DeviceKeys
    dehydrated: bool
    trust: Trust
    """Of its owner's master key."""
    master: str
    """The master key that it is listed under."""
    list_version: int
    """Of the list."""

    @property
    def ed25519(self) -> str:
        return self.keys.keys[f"ed25519:{self.device_id}"]

    @property
    def curve25519(self) -> str:
        return self.keys.keys[f"curve25519:{self.device_id}"]


@dataclass(frozen=True, slots=True)
class TrustedUser:
    """A user, with the newest keys that were proven right."""

    user_id: int
    username: str
    trust: Trust
    master: str
    """The master key that the devices are listed under: the public key, in base64."""
    since_ms: int
    """When the known master key was first seen or accepted; of a changed one, when it changed."""
    was_verified: bool
    """Whether the known key was verified, also if the key changed since: then only a verification or `unverify` lets
    the change be accepted."""
    generation: int
    version: int
    """Of the device list; `l` of what this user's devices encrypt must not be higher."""
    devices: dict[str, TrustedDevice]
    removed: tuple[str, ...]
    problem: KeyProblem | None = None
    """Of the keys given to `accept`, which were not taken then."""
    is_news: bool = False
    """Whether the problem, or a changed master key, is to be told now: each is told once."""


class TrustedUsers:
    """Reads and writes `Table.KNOWN_KEYS` and `Table.DEVICE_LISTS`; every method needs a transaction of the store."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms

    def accept(self, transaction: StoreTransaction, keys: UserKeys) -> TrustedUser | None:
        """Check keys that the server shows, store them if they are newer and right, and return what counts now.

        None if they are wrong and nothing is known of the user. Wrong or older keys change nothing; `problem` tells.
        """
        try:
            verify_user(keys, matrix_user(keys.user_id))
        except SignatureError:
            return self._refused(transaction, keys.user_id, KeyProblem.UNSIGNED, "")
        known = self.known(transaction, keys.user_id)
        if keys.list.username != keys.username or (known is not None and known.username != keys.username):
            return self._refused(transaction, keys.user_id, KeyProblem.UNSIGNED, keys.list.username)
        holder = self._holder(transaction, keys.username)
        if holder not in {None, keys.user_id}:
            return self._refused(transaction, holder or 0, KeyProblem.UNSIGNED, str(keys.user_id))
        master = keys.master.public_key
        if known is None:
            known = known_keys.first_seen(keys.user_id, keys.username, master, self._now_ms())
        place = place_of(keys, to_base64url(hashlib.sha256(signed_part(keys.list)).digest()))
        order = succession(known.places.get(master), place)
        if order is Succession.NEWER and brings_back(self.keys(transaction, keys.user_id), keys):
            order = Succession.CONFLICTING
        match order:
            case Succession.LOWER:
                return self._refused(transaction, keys.user_id, KeyProblem.LOWER_LIST, _at(place))
            case Succession.CONFLICTING:
                return self._refused(transaction, keys.user_id, KeyProblem.CONFLICTING_LIST, place.digest)
            case Succession.SAME | Succession.NEWER:
                return self._taken(transaction, known, keys, place)
            case _:
                assert_never(order)

    def user(self, transaction: StoreTransaction, user_id: int) -> TrustedUser | None:
        """A user whose keys were seen before; None if they never were."""
        known = self.known(transaction, user_id)
        keys = self.keys(transaction, user_id)
        return None if known is None or keys is None else _trusted(known, keys)

    def device(self, transaction: StoreTransaction, user_id: int, device_id: str) -> TrustedDevice | None:
        """A device of the user's newest list; None if that has no such device."""
        user = self.user(transaction, user_id)
        return user.devices.get(device_id) if user else None

    def by_name(self, transaction: StoreTransaction, username: str) -> TrustedUser | None:
        """A user by name, in any case."""
        for row, _ in transaction.rows(Table.DEVICE_LISTS):
            user = self.user(transaction, int(row))
            if user is not None and user.username.casefold() == username.casefold():
                return user
        return None

    def all(self, transaction: StoreTransaction) -> list[TrustedUser]:
        """All users whose keys were seen."""
        ids = (int(row) for row in transaction.names(Table.KNOWN_KEYS))
        return [user for each in ids if (user := self.user(transaction, each)) is not None]

    def versions(self, transaction: StoreTransaction) -> dict[str, int]:
        """The version of each user's list that is held: `known` of the command `recipients`."""
        held = (msgspec.json.decode(row, type=UserKeys) for _, row in transaction.rows(Table.DEVICE_LISTS))
        return {keys.username: keys.list.version for keys in held}

    def note_version(self, transaction: StoreTransaction, user_id: int, version: int) -> bool:
        """A message of a user's device says `l`: whether a newer list than the held one exists, which must be fetched.

        If the server does not give it then, `withheld` tells.
        """
        keys = self.keys(transaction, user_id)
        return keys is not None and version > keys.list.version

    def withheld(self, transaction: StoreTransaction, user_id: int, version: int) -> TrustedUser | None:
        """The server was asked for a list of `version` that the user's device named, and gave an older one."""
        return self._refused(transaction, user_id, KeyProblem.WITHHELD_LIST, str(version))

    def accept_change(self, transaction: StoreTransaction, user_id: int, master: str) -> TrustedUser | None:
        """The user takes `master`, which was shown as changed. Raises `known_keys.VerifiedFirst`.

        Nothing happens if it is not the key that the server shows now: the user decided about another one.
        """
        known = self.known(transaction, user_id)
        if known is not None and known.changed_to == master:
            self._save(transaction, known_keys.accept_change(known, self._now_ms()), queued=True)
        return self.user(transaction, user_id)

    def pin(self, transaction: StoreTransaction, member: SignedMember) -> bool:
        """A member log names a user: if nothing is known of them, other keys count as changed ones from now on.

        False, and nothing happens, if the user id or the username is known as that of another user.
        """
        known = self.known(transaction, member.user_id)
        if known is not None:
            return known.username == member.username
        if self._holder(transaction, member.username) is not None:
            return False
        self._save(transaction, known_keys.first_seen(member.user_id, member.username, member.master, self._now_ms()))
        return True

    def mark_verified(self, transaction: StoreTransaction, user_id: int, master: str) -> TrustedUser | None:
        """The two users compared `master`. Nothing happens if it is not the key that the server shows."""
        known = self.known(transaction, user_id)
        if known is not None and known.shown == master:
            self._save(transaction, known_keys.verify(known, master, self._now_ms()), queued=True)
        return self.user(transaction, user_id)

    def unverify(self, transaction: StoreTransaction, user_id: int) -> TrustedUser | None:
        """Remove the mark; a change of the key may be accepted then."""
        known = self.known(transaction, user_id)
        if known is not None:
            self._save(transaction, known_keys.unverify(known, self._now_ms()), queued=True)
        return self.user(transaction, user_id)

    def known(self, transaction: StoreTransaction, user_id: int) -> KnownKey | None:
        """What is stored about a user's master key."""
        row = transaction.get(Table.KNOWN_KEYS, str(user_id))
        return None if row is None else msgspec.json.decode(row, type=KnownKey)

    def keys(self, transaction: StoreTransaction, user_id: int) -> UserKeys | None:
        """The newest keys of a user that were proven right."""
        row = transaction.get(Table.DEVICE_LISTS, str(user_id))
        return None if row is None else msgspec.json.decode(row, type=UserKeys)

    def merge(self, transaction: StoreTransaction, theirs: KnownKey) -> bool:
        """Take what another device of this user knows of a user; whether this device knew nothing of that user."""
        mine = self.known(transaction, theirs.user_id)
        self._save(transaction, known_keys.merged(mine, theirs))
        return mine is None

    def _holder(self, transaction: StoreTransaction, username: str) -> int | None:
        """The id of the user who has a username, for ever: keys of another id under this name are not believed."""
        if transaction.get(Table.META, _NAMES_KEPT) is None:  # a store of an earlier version
            for row in transaction.names(Table.KNOWN_KEYS):
                if (known := self.known(transaction, int(row))) is not None:
                    _keep_name(transaction, known)
            transaction.put(Table.META, _NAMES_KEPT, b"1")
        row = transaction.get(Table.META, _name_row(username))
        return None if row is None else int(row)

    def _taken(self, transaction: StoreTransaction, known: KnownKey, keys: UserKeys, place: ListPlace) -> TrustedUser:
        master = keys.master.public_key
        is_first = not known.places
        shown = known_keys.shows(known, master, self._now_ms())
        is_news = bool(shown.changed_to) and shown.changed_to != known.changed_to
        self._save(transaction, known_keys.with_place(shown, master, place), queued=is_first)
        transaction.put(Table.DEVICE_LISTS, str(keys.user_id), msgspec.json.encode(keys))
        return _trusted(shown, keys, is_news=is_news)

    def _refused(
        self, transaction: StoreTransaction, user_id: int, problem: KeyProblem, detail: str
    ) -> TrustedUser | None:
        """What counts though the server showed something else."""
        known, keys = self.known(transaction, user_id), self.keys(transaction, user_id)
        if known is None or keys is None:
            return None
        report = f"{problem}/{detail}"
        is_news = report not in known.reported
        if is_news:
            self._save(transaction, known_keys.with_report(known, report))
        return _trusted(known, keys, problem=problem, is_news=is_news)

    def _save(self, transaction: StoreTransaction, known: KnownKey, *, queued: bool = False) -> None:
        transaction.put(Table.KNOWN_KEYS, str(known.user_id), msgspec.json.encode(known))
        _keep_name(transaction, known)
        if queued:
            backup_queue.add(transaction, BackupKind.KNOWN_KEY, str(known.user_id))


def _keep_name(transaction: StoreTransaction, known: KnownKey) -> None:
    """Remember whose a username is, unless that is known."""
    row = _name_row(known.username)
    if transaction.get(Table.META, row) is None:
        transaction.put(Table.META, row, str(known.user_id).encode())


def _name_row(username: str) -> str:
    return f"{_NAME}{folded(username)}"


def _trusted(
    known: KnownKey, keys: UserKeys, *, problem: KeyProblem | None = None, is_news: bool = False
) -> TrustedUser:
    devices = {
        device_id: TrustedDevice(
            user_id=keys.user_id,
            username=keys.username,
            device_id=device_id,
            keys=device,
            dehydrated=device_id == keys.list.dehydrated,
            trust=known.trust,
            master=keys.master.public_key,
            list_version=keys.list.version,
        )
        for device_id, device in keys.device_keys.items()
    }
    return TrustedUser(
        user_id=keys.user_id,
        username=keys.username,
        trust=known.trust,
        master=keys.master.public_key,
        since_ms=known.changed_ms or known.since_ms,
        was_verified=known.verified,
        generation=keys.list.generation,
        version=keys.list.version,
        devices=devices,
        removed=keys.list.removed,
        problem=problem,
        is_news=is_news,
    )


def _at(place: ListPlace) -> str:
    return f"{place.generation}.{place.version}"
