"""The client's own lines in a room or thread, each below a message. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

LIMIT = 200
"""Lines kept; the oldest are dropped first."""


@dataclass
class RoomNotices:
    """Lines by the offset of the message above them; offset 0: shown before any message was loaded."""

    _by_offset: dict[int, list[str]] = field(default_factory=dict)

    def below(self, offset: int) -> Sequence[str]:
        return self._by_offset.get(offset, ())

    @property
    def texts(self) -> list[str]:
        """All lines, in their order."""
        return [text for offset in sorted(self._by_offset) for text in self._by_offset[offset]]

    def add(self, text: str, *, last: int) -> None:
        """Show a line below the message at `last`, unless the last line there is equal; `text` is inert."""
        here = self._by_offset.setdefault(last, [])
        if here[-1:] == [text]:
            return
        here.append(text)
        while sum(map(len, self._by_offset.values())) > LIMIT:
            first = min(self._by_offset)
            del self._by_offset[first][0]
            if not self._by_offset[first]:
                del self._by_offset[first]

    def anchor(self, offset: int) -> None:
        """Move lines that were shown before any message was loaded below the message at `offset`."""
        if waiting := self._by_offset.pop(0, []):
            self._by_offset[offset] = waiting

    def release(self) -> None:
        """The messages are gone: the lines stay, as if shown before any message was loaded."""
        texts = self.texts
        self._by_offset = {0: texts} if texts else {}
