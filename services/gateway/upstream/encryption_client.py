"""Calls of history about end-to-end encryption: recipients, keys, to-device messages and inboxes."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from chatterbox.wire import frames, history_api
from chatterbox.wire.position import Position

T = TypeVar("T")


class InternalApi(Protocol):
    """Calls history's internal API; `HistoryClient` implements it."""

    async def call(self, path: str, body: object, answer: type[T]) -> T: ...


class DeviceUser(Protocol):
    """The user of a device; `Member` implements it."""

    @property
    def user_id(self) -> int: ...
    @property
    def username(self) -> str: ...


class EncryptionClient:
    """Every call has a deadline and raises `ChatError`: history's refusal, or `unavailable`. Each may be repeated.

    `sid` is the login session, in which alone its device may be used.
    """

    def __init__(self, history: InternalApi) -> None:
        self._history = history

    async def recipients(
        self, room_id: int, user: DeviceUser, known: dict[str, int], after: int = 0
    ) -> history_api.RoomRecipients:
        """Who can read a room, and the entries of its member log after number `after`."""
        body = history_api.RecipientsCall(room_id=room_id, user_id=user.user_id, known=known, after=after)
        return await self._history.call("/internal/recipients", body, history_api.RoomRecipients)

    async def claim(
        self, user: DeviceUser, sid: str, device: str, of: tuple[frames.DeviceAddress, ...]
    ) -> history_api.ClaimedKeys:
        body = history_api.ClaimCall(user_id=user.user_id, sid=sid, device=device, of=of)
        return await self._history.call("/internal/claim", body, history_api.ClaimedKeys)

    async def share_keys(
        self, room_id: int, user: DeviceUser, sid: str, command: frames.ShareKeys
    ) -> history_api.SharedKeys:
        """Store the messages with a session's keys; on return they are durable."""
        body = history_api.ShareKeysCall(
            room_id=room_id,
            user_id=user.user_id,
            username=user.username,
            sid=sid,
            device=command.device,
            session=command.session,
            recipients=command.recipients,
            messages=command.messages,
            withheld=command.withheld,
        )
        return await self._history.call("/internal/share_keys", body, history_api.SharedKeys)

    async def send_to_device(self, user: DeviceUser, sid: str, command: frames.SendToDevice) -> None:
        """Store messages to devices; on return they are durable."""
        body = history_api.ToDeviceCall(
            user_id=user.user_id,
            username=user.username,
            sid=sid,
            device=command.device,
            messages=command.messages,
        )
        await self._history.call("/internal/to_device", body, type(None))

    async def open_inbox(
        self, user: DeviceUser, sid: str, device: str, after: Position | None
    ) -> history_api.DeviceInbox:
        body = history_api.InboxCall(user_id=user.user_id, sid=sid, device=device, after=after)
        return await self._history.call("/internal/inbox", body, history_api.DeviceInbox)

    async def inbox_page(self, inbox: int, after: int, limit: int) -> history_api.InboxPage:
        """At most `limit` messages of an inbox after offset `after`, in order."""
        body = history_api.InboxPageCall(inbox=inbox, after=after, limit=limit)
        return await self._history.call("/internal/inbox/page", body, history_api.InboxPage)

    async def inbox_heads(self, inboxes: Sequence[int]) -> dict[int, int]:
        """The heads of those of these inboxes that exist."""
        body = history_api.InboxHeadsCall(list(inboxes))
        return (await self._history.call("/internal/inbox/heads", body, history_api.InboxHeads)).heads

    async def take(self, user: DeviceUser, sid: str, device: str, upto: int) -> None:
        """Delete the messages of an inbox up to offset `upto`."""
        body = history_api.TakeCall(user_id=user.user_id, sid=sid, device=device, upto=upto)
        await self._history.call("/internal/taken", body, type(None))
