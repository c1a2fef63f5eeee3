"""What the facade of encryption needs of the device's setup, which is in `client.encryption.device`."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from chatterbox.wire.encryption.device_keys import UserKeys
from chatterbox.wire.encryption.key_api import OneTimeKeysUpload, WithheldKeys
from chatterbox.wire.encryption.member_log import MemberEntry
from chatterbox.wire.frames import Welcome
from client.encryption.core.messages.olm_payload import ReceivedToDevice
from client.encryption.message_encryption import WaitReason
from client.encryption.store.key_store import StoreTransaction

ToDeviceHandler: TypeAlias = Callable[[StoreTransaction, ReceivedToDevice], None]
"""Works off a to-device message of one type, in the transaction that moves the position of the inbox.

It must not raise: the message would come again, for ever."""


class DeviceAccount(Protocol):
    """The own device at the server: its setup, its one-time keys, and the keys of other users."""

    is_postponed: bool
    """The user writes down the recovery key later."""

    async def set_up(self, welcome: Welcome) -> bool:
        """Make the device's keys if there are none, and bind it to the login session: true once it may be used.

        False: no messages are encrypted now, and `obstacle` says why. Raises `Failure`.
        """

    def obstacle(self, transaction: StoreTransaction) -> WaitReason | None:
        """Why this device may not encrypt now; None: it may."""

    async def beat(self) -> None:
        """Tell the server that the key store is in use, so that a copy of it is found out. Raises `Failure`."""

    async def upload_one_time_keys(self, upload: OneTimeKeysUpload) -> None:
        """`POST /keys/one-time`. Raises `Failure`; then the same set is uploaded later."""

    async def user_keys(self, usernames: Sequence[str]) -> list[UserKeys]:
        """`GET /keys/users`: what the server shows, unchecked. Raises `Failure`."""

    async def withheld(self, room: str, sessions: Sequence[str]) -> WithheldKeys:
        """`GET /keys/withheld`: why this device lacks keys, as the server says. Raises `Failure`."""

    async def give_back_entries(self, room: str, entries: Sequence[MemberEntry]) -> None:
        """`POST /rooms/{room}/member-log`: entries that a restored server lost. Raises `Failure`."""
