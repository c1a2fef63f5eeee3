"""Sets this device up at the server: its keys, its place in the user's device list, and its store's generation.

What is uploaded is saved before, and what was saved is uploaded again after a crash: so the order of keys, device,
list never leaves the user with keys whose private halves are lost. All of it is synchronous, for the thread that works
on the key store; no transaction is held while the server is asked.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from chatterbox.wire.encryption.key_api import DeviceState, DeviceUpload, OwnDevice, OwnDevices
from chatterbox.wire.errors import Code
from client.encryption.core import store_generation
from client.encryption.core.cross_signatures import SEED_BYTES
from client.encryption.core.store_generation import MAX_STEP, StoreGeneration, StoreStanding
from client.encryption.device.device_identity import DeviceIdentity, UserSecrets
from client.encryption.device.own_list import OwnList
from client.encryption.device.trusted_users import TrustedUser, TrustedUsers
from client.encryption.sessions import olm_sessions, own_one_time_keys, room_sessions
from client.encryption.store.key_store import KeyStore, StoreTransaction, Table
from client.failures import Failure, ServerRefused
from client.net.keys_api import KeysApi

OTHERS_AT_ONCE = 3
"""Programs of this user that may start at the same moment as this one, with the same key store."""
_GENERATION = "generation"


class Standing(StrEnum):
    """What this device may do."""

    OFF = "off"
    """The server has no encryption."""
    READY = "ready"
    """The device is in its user's list: it reads and writes."""
    PENDING = "pending"
    """The user has other devices or a recovery key, one of which must let this device in."""
    ENDED = "ended"
    """Another device of the user ended this one."""
    REMOVED = "removed"
    """Another device of the user removed this one, for ever."""
    CLASHES = "clashes"
    """The key store is in use on another computer, too: nothing may be encrypted with it."""


@dataclass(frozen=True, slots=True)
class DeviceSetupResult:
    """How this device stands after its setup."""

    standing: Standing
    identity: DeviceIdentity | None = None
    own: TrustedUser | None = None
    """The user's own list, which may not have this device; None: the user has none."""
    is_first: bool = False
    """The user's keys were made now."""
    was_superseded: bool = False
    """The store was an old copy, or is used twice; its sessions were thrown away. It is told once."""
    one_time: tuple[str, ...] = ()
    """The ids of the one-time keys that the server holds."""

    @property
    def may_encrypt(self) -> bool:
        return self.standing is Standing.READY


class DeviceSetup:
    """The setup of one device. Every call raises `Failure`."""

    def __init__(
        self,
        store: KeyStore,
        api: KeysApi,
        users: TrustedUsers,
        *,
        username: str,
        session: str,
        now_ms: Callable[[], int],
    ) -> None:
        """`session`: the login session, to which the device is bound."""
        self._store = store
        self._api = api
        self._users = users
        self.username = username
        self.session = session
        self._now_ms = now_ms
        self.list = OwnList(store, api, users)

    def run(self, resume: Callable[[DeviceIdentity], None]) -> DeviceSetupResult:
        """Make this device known to the server, and see whether it may read and write.

        `resume` finishes an interrupted change of the user's keys, before the device list is compared. Call it again
        now and then: a copy of the store shows early then.
        """
        try:
            at_server = self._api.devices()
        except ServerRefused as refusal:
            if refusal.code in {Code.ENCRYPTION_OFF, Code.NOT_FOUND}:
                return DeviceSetupResult(Standing.OFF)
            raise
        with self._store.transaction() as transaction:
            identity, is_first = self._identity(transaction, at_server)
        for _ in range(OTHERS_AT_ONCE):
            try:
                return self._set_up(identity, at_server, resume, is_first=is_first)
            except ServerRefused as refusal:
                if refusal.code != Code.STORE_SUPERSEDED:
                    raise
            at_server = self._api.devices()  # another program with this store was faster, or it is an old copy
        return self._set_up(identity, at_server, resume, is_first=is_first)

    def _set_up(
        self,
        identity: DeviceIdentity,
        at_server: OwnDevices,
        resume: Callable[[DeviceIdentity], None],
        *,
        is_first: bool,
    ) -> DeviceSetupResult:
        mine = next((each for each in at_server.devices if each.device == identity.device_id), None)
        standing = self._compared(mine)
        was_superseded = standing is not StoreStanding.SAME
        if standing is StoreStanding.CLASHES:
            return DeviceSetupResult(Standing.CLASHES, identity, was_superseded=True)
        try:
            uploaded = self._upload(identity, mine, replaces=was_superseded)
        except ServerRefused as refusal:
            ended = {Code.DEVICE_REMOVED: Standing.REMOVED, Code.DEVICE_UNBOUND: Standing.ENDED}
            if refusal.code not in ended:
                raise
            return DeviceSetupResult(ended[Code(refusal.code)], identity, was_superseded=was_superseded)
        resume(identity)
        own = self.list.reconcile(identity)
        return DeviceSetupResult(
            self._standing(identity, uploaded, own),
            identity,
            own,
            is_first=is_first,
            was_superseded=was_superseded,
            one_time=tuple(uploaded.one_time),
        )

    def _standing(self, identity: DeviceIdentity, uploaded: OwnDevice, own: TrustedUser | None) -> Standing:
        if uploaded.state is DeviceState.REMOVED or (own and identity.device_id in own.removed):
            return Standing.REMOVED
        return Standing.READY if own and identity.device_id in own.devices else Standing.PENDING

    def _identity(self, transaction: StoreTransaction, at_server: OwnDevices) -> tuple[DeviceIdentity, bool]:
        """The device of the store, made if there is none; the first device of a user makes the user's keys, too."""
        identity = DeviceIdentity.load(transaction)
        if identity is None:
            identity = DeviceIdentity.create(transaction, at_server.user_id, self.username)
        elif identity.user_id != at_server.user_id:
            raise Failure(
                f"The key store is of another user who was called {identity.username}. Log in as a new device: "
                "`chatterbox logout`, then `chatterbox login`."
            )
        held = self._users.known(transaction, identity.user_id)
        if at_server.list_version or held or identity.secrets(transaction).master:
            return identity, False
        made = UserSecrets(master=secrets.token_bytes(SEED_BYTES), self_signing=secrets.token_bytes(SEED_BYTES))
        identity.save_secrets(transaction, made)
        return identity, True

    def _compared(self, mine: OwnDevice | None) -> StoreStanding:
        """Whether the store is the one that told the server its number last; throws its sessions away if not."""
        with self._store.transaction() as transaction:
            generation = _generation(transaction)
            standing, generation = store_generation.stands(generation, mine.generation if mine else 0, self._now_ms())
            _save_generation(transaction, generation)
            if standing is not StoreStanding.SAME:
                # A ratchet that a copy of the store may use, too, must not encrypt two texts with one key.
                room_sessions.forget_outbound(transaction)
                olm_sessions.forget_sessions(transaction)
        return standing

    def _upload(self, identity: DeviceIdentity, mine: OwnDevice | None, *, replaces: bool) -> OwnDevice:
        """Bind the device to the login session, with one-time keys if the server needs some."""
        with self._store.transaction() as transaction:
            number, generation = store_generation.raised(_generation(transaction), 1 + secrets.randbelow(MAX_STEP))
            _save_generation(transaction, generation)
            keys = own_one_time_keys.prepare(
                transaction,
                identity,
                () if mine is None or replaces else mine.one_time,
                fallback_used=mine is None or replaces or mine.fallback_used,
            )
            upload = DeviceUpload(
                device=identity.device_id,
                keys=identity.device_keys(transaction),
                generation=number,
                one_time=keys.one_time if keys else {},
                fallback=keys.fallback if keys else {},
                proof=identity.binding_proof(transaction, self.session),
                replace_one_time=replaces,
            )
        stored = self._api.put_device(upload)
        with self._store.transaction() as transaction:
            _save_generation(transaction, store_generation.confirmed(_generation(transaction), number))
            if keys is not None:
                own_one_time_keys.uploaded(transaction, identity, keys)
        return stored


def _generation(transaction: StoreTransaction) -> StoreGeneration:
    row = transaction.get(Table.META, _GENERATION)
    return StoreGeneration() if row is None else msgspec.json.decode(row, type=StoreGeneration)


def _save_generation(transaction: StoreTransaction, generation: StoreGeneration) -> None:
    transaction.put(Table.META, _GENERATION, msgspec.json.encode(generation))
