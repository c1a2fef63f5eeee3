"""Which messages of a room were shown, as far as their order and completeness can be proven by them. Pure."""

import hashlib
from typing import NamedTuple

from client.encryption.core.messages.message_payload import Place, Window

MAX_WINDOW = 16
"""Messages over which the sender of a text makes a hash."""
MAX_HELD = 2000
"""Messages of one room that are remembered; earlier ones are forgotten first."""


class HeldMessage(NamedTuple):
    """A message as it was shown."""

    digest: bytes
    """`message_digest`."""
    username: str
    place: Place | None
    """None: it is no text that could be read."""
    is_changed: bool
    """It was edited or deleted: what others were shown before was another content."""


def message_digest(offset: int, username: str, content: str) -> bytes:
    """Identifies what stands at an offset, the same for every reader."""
    parts = (str(offset), username, content)
    return hashlib.sha256("".join(f"{len(part)}:{part}" for part in parts).encode("utf-8", "surrogatepass")).digest()


class RoomWindow:
    """The messages of one epoch of a room that this client holds, or held."""

    def __init__(self, epoch: str) -> None:
        self.epoch = epoch
        self._held: dict[int, HeldMessage] = {}
        self._last = 0

    def put(self, offset: int, message: HeldMessage) -> None:
        """Note what stands at `offset` now."""
        before = self._held.pop(offset, None)
        if before is not None and before.place is not None and message.place is None:
            message = message._replace(place=before.place)  # deleted, or unreadable now: its place is still known
        self._held[offset] = message
        self._last = max(self._last, offset)
        while len(self._held) > MAX_HELD:
            del self._held[next(iter(self._held))]

    def place(self, offset: int) -> Place | None:
        """The place of the text at `offset`, if that was shown."""
        held = self._held.get(offset)
        return held.place if held else None

    def newest(self) -> Window | None:
        """The hash over the last messages, at most 16; None if there is none whose content never changed."""
        first = self._last + 1
        while first > 1 and self._last - first + 1 < MAX_WINDOW and self._is_unchanged(first - 1):
            first -= 1
        return self._window(first, self._last) if first <= self._last else None

    def contradicts(self, window: Window) -> bool:
        """Whether a sender was shown other messages than this client.

        False as well if that can't be known: not all of them are held, or some have changed since.
        """
        first, last = window.first, window.last
        if window.epoch != self.epoch or not (1 <= first <= last < first + MAX_WINDOW):
            return False
        if not all(map(self._is_unchanged, range(first, last + 1))):
            return False
        return self._window(first, last).digest != window.digest

    def proves_missing(self, previous: Place, username: str, offset: int) -> bool:
        """Whether `previous`, the text of a device before its one at `offset`, does not stand before it.

        It is proven if every message is held back to an earlier text of the device, or to the first one of the room,
        and no message of the same user in between is deleted or unreadable, which then may be `previous`.
        """
        blanks, missing = 0, 1
        while offset > 1:
            offset -= 1
            held = self._held.get(offset)
            if held is None:
                return False
            if held.place is None:
                blanks += held.username == username
            elif held.place.device == previous.device and held.username == username:
                if held.place.session == previous.session:
                    missing = previous.n - held.place.n
                break
        return missing > blanks

    def _is_unchanged(self, offset: int) -> bool:
        held = self._held.get(offset)
        return held is not None and not held.is_changed

    def _window(self, first: int, last: int) -> Window:
        digest = hashlib.sha256(b"".join(self._held[offset].digest for offset in range(first, last + 1)))
        return Window(first, last, digest.hexdigest(), self.epoch)
