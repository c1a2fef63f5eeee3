"""Implements the port `InboxStore` in history's database: reads in the pool, all writes through the one writer."""

from collections.abc import Callable

from chatterbox.chassis.sqlite.reader_pool import RowSource
from chatterbox.wire import history_api
from chatterbox.wire.limits import Limits
from services.history.encryption.delivery import device_inboxes, room_recipients, session_shares, to_device_delivery
from services.history.messages.writer import Writer


class SqliteInboxStore:
    """Implements `InboxStore`."""

    def __init__(self, readers: RowSource, writer: Writer, limits: Limits, now_ms: Callable[[], int]) -> None:
        self._readers = readers
        self._writer = writer
        self._limits = limits
        self._now_ms = now_ms

    async def recipients(self, call: history_api.RecipientsCall) -> history_api.RoomRecipients:
        return await room_recipients.read(self._readers, call)

    async def share_keys(self, call: history_api.ShareKeysCall) -> history_api.SharedKeys:
        return await self._writer.change(
            lambda transaction: session_shares.share(transaction, call, self._limits), uses_reserve=False
        )

    async def send_to_device(self, call: history_api.ToDeviceCall) -> None:
        await self._writer.change(
            lambda transaction: to_device_delivery.send(transaction, call, self._limits), uses_reserve=False
        )

    async def open_inbox(self, call: history_api.InboxCall) -> history_api.DeviceInbox:
        device = await device_inboxes.find(self._readers, call.user_id, call.sid, call.device)
        if not device_inboxes.is_seen_lately(device, self._now_ms()):
            await self._writer.change(lambda transaction: device_inboxes.note_seen(transaction, device))
        return await device_inboxes.opened(self._readers, device, call)

    async def inbox_page(self, call: history_api.InboxPageCall) -> history_api.InboxPage:
        return await device_inboxes.page(self._readers, call)

    async def inbox_heads(self, inboxes: list[int]) -> history_api.InboxHeads:
        return await device_inboxes.heads(self._readers, inboxes)

    async def take(self, call: history_api.TakeCall) -> None:
        while await self._writer.change(lambda transaction: device_inboxes.take(transaction, call)):
            """The rest is deleted in further transactions, so that senders don't wait."""
