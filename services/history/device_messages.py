"""Recipients of encrypted rooms, shared keys, to-device messages and inboxes, as gateways ask for them."""

from collections.abc import Callable

from chatterbox.wire import history_api
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames.encryption import MAX_TO_DEVICE
from services.history.encryption.inbox_store import InboxStore

MAX_PAGE_TO_DEVICE = 1000
"""Messages in one page of an inbox."""
MAX_INBOXES = 100_000
"""Inboxes in one comparison of heads."""


class DeviceMessages:
    """What the routes call. Every refusal is a `ChatError`. Gateways limit how often users ask."""

    def __init__(self, store: InboxStore, on_delivered: Callable[[int], None] = lambda _: None) -> None:
        """`on_delivered` is called with the number of messages that were stored for devices."""
        self._store = store
        self._on_delivered = on_delivered

    async def recipients(self, call: history_api.RecipientsCall) -> history_api.RoomRecipients:
        """Who can read a room."""
        return await self._store.recipients(call)

    async def share_keys(self, call: history_api.ShareKeysCall) -> history_api.SharedKeys:
        """Give the keys of a session to devices; on return the messages are durable."""
        _require_few(call.messages)
        _require_few(call.withheld)
        shared = await self._store.share_keys(call)
        self._on_delivered(len(call.messages))
        return shared

    async def send(self, call: history_api.ToDeviceCall) -> None:
        """Send messages to devices; on return they are durable."""
        _require_few(call.messages)
        await self._store.send_to_device(call)
        self._on_delivered(len(call.messages))

    async def open_inbox(self, call: history_api.InboxCall) -> history_api.DeviceInbox:
        """Where the inbox of a device is."""
        return await self._store.open_inbox(call)

    async def page(self, call: history_api.InboxPageCall) -> history_api.InboxPage:
        """Messages of an inbox."""
        if not 1 <= call.limit <= MAX_PAGE_TO_DEVICE:
            raise ChatError(Code.BAD_REQUEST, f"A page's limit is 1 to {MAX_PAGE_TO_DEVICE}.")
        return await self._store.inbox_page(call)

    async def heads(self, inboxes: list[int]) -> history_api.InboxHeads:
        """The offsets of the last messages of inboxes."""
        if len(inboxes) > MAX_INBOXES:
            raise ChatError(Code.BAD_REQUEST, f"One request names at most {MAX_INBOXES} inboxes.")
        return await self._store.inbox_heads(inboxes)

    async def take(self, call: history_api.TakeCall) -> None:
        """Forget what a device has stored."""
        await self._store.take(call)


def _require_few(items: tuple[object, ...]) -> None:
    if len(items) > MAX_TO_DEVICE:
        raise ChatError(Code.BAD_REQUEST, f"One request has at most {MAX_TO_DEVICE} devices.")
