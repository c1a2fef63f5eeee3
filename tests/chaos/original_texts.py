"""Recognizes edited and erased messages: for most checks, each is the message that was sent. Pure.

An edit keeps the first word of a message, its key, so its text tells which message it is. An erased message has no
text: who erased it had seen it before, at the same position. A changed message has a rev, except one that was erased
again when an older backup was restored.
"""

from collections import defaultdict
from collections.abc import Iterable

from msgspec.structs import replace

from tests.chaos.operations import Acked, AnyOperation, ChangeInvoked, Delivered, Invoked, Restored, Stored

Place = tuple[str, str, int]
"""Room, epoch, offset."""


class OriginalTexts:
    """The texts that were sent, by key and by position."""

    def __init__(self, operations: Iterable[AnyOperation]) -> None:
        """`operations` in the order of time."""
        self._sent: dict[str, str] = {}
        """By key."""
        self._edits: set[str] = set()
        """Texts of edits."""
        self._erased: dict[tuple[str, int], list[str]] = defaultdict(list)
        """The epochs in which a message was to be erased, by room and offset."""
        self._places: dict[Place, str] = {}
        self._is_restored = False
        seen: list[Delivered | Stored] = []
        acks: list[Acked] = []
        for operation in operations:
            match operation:
                case Invoked():
                    self._sent.setdefault(key_of(operation.content), operation.content)
                case ChangeInvoked(did="edit"):
                    self._edits.add(operation.value)
                case ChangeInvoked(did="delete"):
                    self._erased[operation.room, operation.offset].append(operation.epoch)
                case Delivered() | Stored() if operation.content:
                    seen.append(operation)
                case Acked():
                    acks.append(operation)
                case Restored():
                    self._is_restored = True
        for each in (*seen, *acks):
            self._places.setdefault((each.room, each.epoch, each.offset), self._sent.get(key_of(each.content), ""))

    @property
    def are_needed(self) -> bool:
        """Whether any text was to be changed."""
        return bool(self._edits or self._erased)

    def restored(self, operation: AnyOperation) -> AnyOperation:
        """The same operation with the text that was sent, if its own is explained by an edit or a deletion."""
        if not isinstance(operation, Delivered | Stored):
            return operation
        is_erased_again = self._is_restored and not operation.content
        if not operation.rev and not is_erased_again:
            return operation
        if not operation.content:
            text = self._erased_text(operation)
        else:
            text = self._sent.get(key_of(operation.content)) if operation.content in self._edits else None
        return operation if text is None else replace(operation, content=text)

    def _erased_text(self, operation: Delivered | Stored) -> str | None:
        """The text of the same epoch, if a reader saw it, or of the last one in which a user erased it."""
        room, offset = operation.room, operation.offset
        epochs = self._erased[room, offset]
        for epoch in (operation.epoch, *reversed(epochs)):
            if epochs and (text := self._places.get((room, epoch, offset))):
                return text
        return None


def key_of(content: str) -> str:
    """The first word of a message, its key."""
    return content.split(maxsplit=1)[0] if content.strip() else content


def original(operations: list[AnyOperation]) -> list[AnyOperation]:
    """The operations with the texts that were sent; `operations` in the order of time."""
    texts = OriginalTexts(operations)
    return [texts.restored(each) for each in operations] if texts.are_needed else operations
