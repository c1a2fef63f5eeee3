"""Finds users and their devices by the usernames that the server puts into frames."""

from collections.abc import Iterable

from chatterbox.wire.encryption.device_keys import UserKeys
from chatterbox.wire.encryption.member_log import SignedMember
from chatterbox.wire.frames.encryption import DeviceAddress
from chatterbox.wire.text_rules import folded
from client.encryption.core.known_keys import KnownKey
from client.encryption.device.trusted_users import TrustedDevice, TrustedUser, TrustedUsers
from client.encryption.store.key_store import StoreTransaction


class UserDirectory:
    """The users whose keys are held, by name. A username belongs to the same user for ever."""

    def __init__(self, trusted: TrustedUsers) -> None:
        self._trusted = trusted
        self._ids: dict[str, int] = {}

    def user(self, transaction: StoreTransaction, username: str) -> TrustedUser | None:
        """What is known of a user; None if no keys were proven right."""
        name = folded(username)
        if (user_id := self._ids.get(name)) is not None:
            return self._trusted.user(transaction, user_id)
        user = self._trusted.by_name(transaction, username)
        if user is not None:
            self._ids[name] = user.user_id
        return user

    def device(self, transaction: StoreTransaction, address: DeviceAddress) -> TrustedDevice | None:
        """A device of the user's newest list; None if that has no such device."""
        user = self.user(transaction, address.username)
        return user.devices.get(address.device) if user else None

    def devices(
        self, transaction: StoreTransaction, addresses: Iterable[DeviceAddress]
    ) -> dict[DeviceAddress, TrustedDevice]:
        """Those of these devices that are in their users' newest lists; each list is read once."""
        users: dict[str, TrustedUser | None] = {}
        found = {}
        for address in addresses:
            if address.username not in users:
                users[address.username] = self.user(transaction, address.username)
            user = users[address.username]
            if user is not None and address.device in user.devices:
                found[address] = user.devices[address.device]
        return found

    def accept(self, transaction: StoreTransaction, keys: UserKeys) -> TrustedUser | None:
        """Check and store what the server shows of a user; returns what counts now."""
        return self._trusted.accept(transaction, keys)

    def known(self, transaction: StoreTransaction, user_id: int) -> KnownKey | None:
        """What is known of a user's master key."""
        return self._trusted.known(transaction, user_id)

    def pin(self, transaction: StoreTransaction, member: SignedMember) -> bool:
        """A member signed who a user is: see `TrustedUsers.pin`."""
        return self._trusted.pin(transaction, member)

    def versions(self, transaction: StoreTransaction) -> dict[str, int]:
        """The version of each user's list that is held."""
        return self._trusted.versions(transaction)

    def withheld(self, transaction: StoreTransaction, user_id: int, version: int) -> TrustedUser | None:
        """A device named list `version` of its user, and the server gave an older one."""
        return self._trusted.withheld(transaction, user_id, version)
