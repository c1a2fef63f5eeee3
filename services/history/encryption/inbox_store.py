"""The port of history to recipients, shared keys and to-device messages: every write is one transaction.

`delivery/sqlite_inbox_store.py` implements it. Every implementation passes the suite in
`tests/contract/test_inbox_store.py`.
"""

from typing import Protocol

from chatterbox.wire import history_api


class InboxStore(Protocol):
    """Who can read encrypted rooms, who was given which keys, and inboxes of devices.

    A device is used by the login session that it is bound to: other calls raise `device_unknown`, `device_removed` or
    `device_unbound`.
    """

    async def recipients(self, call: history_api.RecipientsCall) -> history_api.RoomRecipients:
        """Who can read a room; raises `room_unknown`, `not_a_member` or `room_not_encrypted`."""

    async def share_keys(self, call: history_api.ShareKeysCall) -> history_api.SharedKeys:
        """Store messages with a session's keys, and who got them, if the recipients are still as the call says.

        Raises as `recipients` and `send_to_device` do, `recipients_stale`, and `not_allowed` for a device that is not
        listed; then nothing is stored.
        """

    async def send_to_device(self, call: history_api.ToDeviceCall) -> None:
        """Store messages for devices; repeating them changes nothing.

        Raises `to_device_gap` if a message before is missing, `device_unknown` or `device_removed` for a receiver.
        """

    async def open_inbox(self, call: history_api.InboxCall) -> history_api.DeviceInbox:
        """Where an inbox is; its device is noted as seen, and one that was asleep can read again."""

    async def inbox_page(self, call: history_api.InboxPageCall) -> history_api.InboxPage:
        """The messages that follow an offset, in order; raises `device_unknown`."""

    async def inbox_heads(self, inboxes: list[int]) -> history_api.InboxHeads:
        """The heads of those of these inboxes that exist."""

    async def take(self, call: history_api.TakeCall) -> None:
        """Delete the messages up to an offset; those beyond the head count as the head."""
