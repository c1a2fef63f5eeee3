"""The keys of the user whose key store this is, in one place: setup, list, recovery, backup, approval.

All of it is synchronous and asks the server; no transaction is held meanwhile. Each object has a connection to the
store of its own: SQLite lets one of them write at a time.
"""

from collections.abc import Callable
from dataclasses import dataclass

from client.encryption.device.dehydrated_device import DehydratedDevice
from client.encryption.device.device_approval import DeviceApproval
from client.encryption.device.device_identity import DeviceIdentity
from client.encryption.device.device_setup import DeviceSetup, DeviceSetupResult, Standing
from client.encryption.device.key_backup import KeyBackup, Restored
from client.encryption.device.recovery import Recovery
from client.encryption.device.trusted_users import TrustedUsers
from client.encryption.store.key_store import KeyStore
from client.net.keys_api import KeysApi


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What `OwnKeys.keep_up` did."""

    waiting: int
    """Items that the backup does not have yet; with a backup: none."""
    restored: Restored
    """What other devices added to the backup."""


class OwnKeys:
    """Everything about the user's own keys; `set_up` first. Every call raises `Failure`."""

    def __init__(
        self, store: KeyStore, api: KeysApi, *, username: str, session: str, now_ms: Callable[[], int]
    ) -> None:
        """`username`: as the server writes it. `session`: the login session, to which the device is bound."""
        self.store = store
        self.api = api
        self.users = TrustedUsers(now_ms)
        self.setup = DeviceSetup(store, api, self.users, username=username, session=session, now_ms=now_ms)
        self.list = self.setup.list
        self.backup = KeyBackup(store, api, self.users)
        self.recovery = Recovery(store, api, self.users, self.list, self.backup, now_ms)
        self.approval = DeviceApproval(store, api, self.users, self.list)
        self.dehydrated = DehydratedDevice(store, api, self.users, self.list, self.backup, now_ms)

    def set_up(self) -> DeviceSetupResult:
        """Make this device known to the server, and finish what a crash interrupted."""
        result = self.setup.run(self.recovery.resume)
        if result.identity is not None and result.own is not None:
            with self.store.transaction() as transaction:
                self.approval.adopt(transaction, result.identity)
        return result

    def keep_up(self, result: DeviceSetupResult) -> Upkeep:
        """Fill the backup, and take what other devices added to it."""
        if result.standing is not Standing.READY or result.identity is None:
            return Upkeep(0, Restored())
        waiting = self.backup.upload_all(result.identity)
        return Upkeep(waiting, self.backup.fetch(result.identity))

    def ensure_dehydrated(self, identity: DeviceIdentity) -> None:
        """Have a dehydrated device, once there is a recovery key: keys that come while no device is there go to it."""
        if self.dehydrated.is_missing(identity):
            self.dehydrated.replace(identity)

    def renew_dehydrated(self, result: DeviceSetupResult) -> None:
        """Replace the dehydrated device if it is due: what came to it should be read before (`DehydratedInbox`)."""
        identity = result.identity
        if result.standing is Standing.READY and identity and self.dehydrated.is_replacement_due(identity):
            self.dehydrated.replace(identity)
