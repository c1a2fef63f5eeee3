"""Verifications while there is a connection: each answer of the user, what it sends, and what is told afterwards."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from chatterbox.wire.encryption.device_keys import DeviceKeys
from chatterbox.wire.errors import ChatError
from chatterbox.wire.frames.encryption import DeviceAddress
from client.encryption.command_link import LinkBroken
from client.encryption.core.verification.verification_state import VerificationEnd, VerificationNews
from client.encryption.device.trusted_users import TrustedUsers
from client.encryption.device.verifications import Verifications
from client.encryption.ports import ToDeviceHandler
from client.encryption.store.key_store import StoreTransaction
from client.encryption.store_worker import StoreWorker
from client.failures import Failure

Outcome = TypeVar("Outcome")


class ToDeviceEngine(Protocol):
    """The part of the engine of encryption that verifications use."""

    trusted: TrustedUsers
    store: StoreWorker
    after_inbox: list[Callable[[], Coroutine[Any, Any, None]]]

    def handle(self, type_: str, handler: ToDeviceHandler) -> None: ...

    def queue_to_device(
        self,
        transaction: StoreTransaction,
        addresses: Sequence[DeviceAddress],
        type_: str,
        content: dict[str, Any],
        *,
        clear: bool = False,
    ) -> bool: ...

    async def flush(self) -> object: ...

    async def read_inbox(self) -> None: ...


class VerificationRunner:
    """Does what the user wants with `Verifications`, in the store's thread; every call raises `Failure`."""

    def __init__(self, engine: ToDeviceEngine, now_ms: Callable[[], int]) -> None:
        self._engine = engine
        self._verifications = Verifications(engine.trusted, self._send, now_ms)
        self.on_news: Callable[[VerificationNews], None] = lambda _news: None
        """Set by the face."""
        self.approve: Callable[[str, str], Awaitable[None]] | None = None
        """Lists a device of the user, by id and Ed25519 key, and sends it the user's secrets. Raises `Failure`."""
        self.on_failure: Callable[[str], None] = lambda _sentence: None
        """Set by the face: a device that was compared could not be let in."""
        self._tasks: set[asyncio.Task[None]] = set()
        for type_, handler in self._verifications.handlers().items():
            engine.handle(type_, handler)
        engine.after_inbox.append(self.after_inbox)

    async def request(self, username: str) -> bool:
        """Compare keys with a user; returns whether they were asked by this, and have to answer first."""
        await self._engine.read_inbox()  # they may have asked already
        return await self._do(lambda transaction: self._verifications.request(transaction, username))

    async def request_own(self, device: str = "", keys: DeviceKeys | None = None) -> bool:
        """Compare keys with a device of the user: see `Verifications.request_own`. `keys`: as the server shows them."""
        await self._engine.read_inbox()
        key = keys.keys.get(f"ed25519:{device}", "") if keys else ""
        return await self._do(lambda transaction: self._verifications.request_own(transaction, device, key))

    async def compared(self, username: str, *, same: bool) -> None:
        """The user compared what both screens show."""
        await self._do(lambda transaction: self._verifications.compared(transaction, username, same=same))

    async def cancel(self, username: str) -> None:
        """End all verifications with a user, if there are any."""
        await self._do(lambda transaction: self._verifications.cancel(transaction, username))

    async def tell_open(self) -> None:
        """Tell what waits for the user, as after a start; end what has waited too long."""
        await self._do(self._verifications.expire)
        for news in await self._engine.store.run(self._verifications.open):
            self.on_news(news)

    async def after_inbox(self) -> None:
        """To-device messages were worked off: send what they lead to, and tell it."""
        with suppress(LinkBroken, ChatError):  # what waits is sent over the next connection
            await self._engine.flush()
        news, self._verifications.news = self._verifications.news, []
        for each in news:
            if each.end is VerificationEnd.DEVICE_VERIFIED and self.approve is not None:
                self._begin(self._approved(each))  # it asks the server, which must not hold the inbox up
            else:
                self.on_news(each)

    async def _approved(self, news: VerificationNews) -> None:
        """Let a device in that was compared, and tell that when it is done."""
        assert self.approve is not None  # noqa: S101 - checked by the caller
        try:
            await self.approve(news.device, news.device_key)
        except (Failure, ChatError, LinkBroken) as problem:
            self.on_failure(str(problem) or "The connection was lost: approve the device again.")
        else:
            self.on_news(news)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _send(self, transaction: StoreTransaction, to: DeviceAddress, type_: str, content: dict[str, Any]) -> None:
        self._engine.queue_to_device(transaction, [to], type_, content, clear=True)

    async def _do(self, work: Callable[[StoreTransaction], Outcome]) -> Outcome:
        result = await self._engine.store.run(work)
        await self.after_inbox()
        return result
