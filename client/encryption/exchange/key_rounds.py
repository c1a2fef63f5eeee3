"""What of the upkeep of the user's keys needs a connection: gives secrets to own devices, reads the dehydrated one."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

from chatterbox.wire.errors import ChatError
from chatterbox.wire.frames.encryption import DeviceAddress
from client.encryption.command_link import LinkBroken
from client.encryption.device.device_approval import USER_SECRETS, SecretsExchange
from client.encryption.device.device_identity import DeviceIdentity
from client.encryption.store.key_store import StoreTransaction

Result = TypeVar("Result")


class StoreThread(Protocol):
    """Does work in one transaction, in the thread of the store."""

    async def run(self, work: Callable[[StoreTransaction], Result]) -> Result: ...


class KeyRoundEngine(Protocol):
    """What a round needs of the facade of encryption."""

    async def send_to_device(
        self, addresses: Sequence[DeviceAddress], type_: str, content: dict[str, Any], *, clear: bool = False
    ) -> None: ...

    async def read_dehydrated(self) -> int: ...


class KeyRounds:
    """One round at each start, and now and then. Raises `Failure`; without a connection, the next one does it."""

    def __init__(
        self,
        engine: KeyRoundEngine,
        store: StoreThread,
        exchange: SecretsExchange,
        renew: Callable[[], Awaitable[None]],
    ) -> None:
        """`renew`: replaces the dehydrated device if it is due, after its messages were read."""
        self._engine = engine
        self._store = store
        self._exchange = exchange
        self._renew = renew

    async def run(self) -> None:
        """Do a round."""
        try:
            await self.give_secrets()
            await self._engine.read_dehydrated()
        except (LinkBroken, ChatError):
            return
        await self._renew()

    async def give_secrets(self) -> None:
        """Send the user's secrets to own devices that lack them: after an approval, and after they were replaced."""
        found = await self._store.run(self._needed)
        if found is None:
            return
        identity, devices, content = found
        addresses = [DeviceAddress(identity.username, device) for device in devices]
        await self._engine.send_to_device(addresses, USER_SECRETS, content)
        await self._store.run(partial(self._exchange.note_given, identity=identity, devices=devices))

    def _needed(self, transaction: StoreTransaction) -> tuple[DeviceIdentity, list[str], dict[str, Any]] | None:
        identity = DeviceIdentity.load(transaction)
        devices = self._exchange.without(transaction, identity) if identity else []
        if identity is None or not devices:
            return None
        return identity, devices, self._exchange.secrets_for(transaction, identity)
