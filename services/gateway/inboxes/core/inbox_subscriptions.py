"""Which connections have which inboxes open, and up to where each was pushed to-device messages. Pure."""

from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

from chatterbox.wire.history_api import DeviceInbox, InboxPage, StoredToDevice

C = TypeVar("C")


class InboxSubscription(Generic[C]):
    """An inbox that a connection opened: what follows `pushed`, up to `head`, is still to be pushed."""

    __slots__ = ("connection", "device", "epoch", "head", "inbox", "pushed")

    def __init__(self, connection: C, device: str, opened: DeviceInbox) -> None:
        self.connection = connection
        self.device = device
        self.inbox = opened.inbox
        self.epoch = opened.at.epoch
        self.pushed = opened.at.offset
        self.head = opened.head

    @property
    def is_behind(self) -> bool:
        return self.pushed < self.head

    def note_head(self, head: int) -> None:
        """The inbox reaches up to `head`, as of a hint that may be late."""
        self.head = max(self.head, head)

    def note_pushed(self, offset: int) -> None:
        """Everything up to `offset` was written to the connection, or was taken by another one."""
        self.pushed = max(self.pushed, offset)

    def missing(self, page: InboxPage) -> list[StoredToDevice]:
        """What of a page the connection was not pushed yet."""
        return [message for message in page.messages if message.offset > self.pushed]

    def finish(self, page: InboxPage) -> None:
        """A page without messages proves that there is nothing after it: the rest was taken or dropped."""
        if not page.messages:
            self.head = page.head
            self.note_pushed(page.head)


class InboxSubscriptions(Generic[C]):
    """The readers of one gateway, by inbox and by connection."""

    def __init__(self) -> None:
        self._of_inbox: dict[int, tuple[InboxSubscription[C], ...]] = {}
        self._of_connection: dict[C, tuple[InboxSubscription[C], ...]] = {}

    def __len__(self) -> int:
        """How many inboxes are open."""
        return len(self._of_inbox)

    def __contains__(self, connection: C) -> bool:
        """Whether a connection has an inbox open."""
        return connection in self._of_connection

    @property
    def inboxes(self) -> list[int]:
        """The ids of the open inboxes."""
        return list(self._of_inbox)

    def of_inbox(self, inbox: int) -> Sequence[InboxSubscription[C]]:
        return self._of_inbox.get(inbox, ())

    def of_connection(self, connection: C) -> Sequence[InboxSubscription[C]]:
        return self._of_connection.get(connection, ())

    def add(self, reader: InboxSubscription[C]) -> None:
        """Open an inbox on a connection; if it has it open already, begin again at the new position."""
        alone = (reader,)  # shared by both: most connections have one inbox, and most inboxes one connection
        others = [each for each in self.of_inbox(reader.inbox) if each.connection is not reader.connection]
        self._of_inbox[reader.inbox] = (*others, reader) if others else alone
        before = [each for each in self.of_connection(reader.connection) if each.inbox != reader.inbox]
        self._of_connection[reader.connection] = (*before, reader) if before else alone

    def forget(self, connection: C) -> None:
        """The connection is closed."""
        for reader in self._of_connection.pop(connection, ()):
            self._drop(reader)

    def close(self, inbox: int) -> list[C]:
        """The inbox does not exist any more; returns the connections that had it open."""
        readers = self._of_inbox.pop(inbox, ())
        for reader in readers:
            if others := tuple(each for each in self.of_connection(reader.connection) if each is not reader):
                self._of_connection[reader.connection] = others
            else:
                self._of_connection.pop(reader.connection, None)
        return [reader.connection for reader in readers]

    def _drop(self, reader: InboxSubscription[C]) -> None:
        if others := tuple(each for each in self.of_inbox(reader.inbox) if each is not reader):
            self._of_inbox[reader.inbox] = others
        else:
            self._of_inbox.pop(reader.inbox, None)

    def note_heads(self, heads: Iterable[tuple[int, int]]) -> list[int]:
        """Note heads of inboxes; returns the inboxes among them with a reader that is behind."""
        behind = []
        for inbox, head in heads:
            readers = self._of_inbox.get(inbox)
            if readers is None:
                continue
            for reader in readers:
                reader.note_head(head)
            if any(reader.is_behind for reader in readers):
                behind.append(inbox)
        return behind
