"""Verifications while there is a connection: each answer of the user, what it sends, and what is told afterwards."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from chatterbox.wire.encryption.key_api import OwnDevice
from client.encryption.core.verification_state import VerificationNews
from client.encryption.device.verification import Verifications
from client.encryption.store.key_store import StoreTransaction
from client.encryption.store_worker import StoreWorker

Outcome = TypeVar("Outcome")


class VerificationRunner:
    """Does what the user wants with `Verifications`, in the store's thread; every call raises `Failure`."""

    def __init__(self, verifications: Verifications, worker: StoreWorker, flush: Callable[[], Awaitable[None]]) -> None:
        """`flush` sends the to-device messages that are queued."""
        self._verifications = verifications
        self._worker = worker
        self._flush = flush
        self.on_news: Callable[[VerificationNews], None] = lambda _news: None
        """Set by the face."""

    async def request(self, username: str) -> bool:
        """Compare keys with a user; returns whether they were asked by this, and have to answer first."""
        return await self._do(lambda transaction: self._verifications.request(transaction, username))

    async def request_own(self, device: OwnDevice | None = None) -> bool:
        """Compare keys with a device of the user that is to be approved; None: with one that can approve this one."""
        name, key = (device.device, device.keys.keys.get(f"ed25519:{device.device}", "")) if device else ("", "")
        return await self._do(lambda transaction: self._verifications.request_own(transaction, name, key))

    async def compared(self, username: str, *, same: bool) -> None:
        """The user compared what both screens show."""
        await self._do(lambda transaction: self._verifications.compared(transaction, username, same=same))

    async def cancel(self, username: str) -> None:
        await self._do(lambda transaction: self._verifications.cancel(transaction, username))

    async def tell_open(self) -> None:
        """Tell what waits for the user, as after a start; ends what has waited too long."""
        await self._do(self._verifications.expire)
        for news in await self._worker.run(self._verifications.open):
            self.on_news(news)

    async def after_inbox(self) -> None:
        """To-device messages were worked off: send what they lead to, and tell it."""
        await self._flush()
        self._tell()

    async def _do(self, work: Callable[[StoreTransaction], Outcome]) -> Outcome:
        result = await self._worker.run(work)
        await self.after_inbox()
        return result

    def _tell(self) -> None:
        news, self._verifications.news = self._verifications.news, []
        for each in news:
            self.on_news(each)
