"""An event loop and connections that a test of fan-out drives by hand."""

from collections.abc import Callable


class ManualLoop:
    """An event loop whose turns and time are controlled by the test."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self._due: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now_s

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.call_later(0, callback)

    def call_later(self, wait_s: float, callback: Callable[[], None]) -> None:
        self._due.append((self.now_s + wait_s, callback))

    def turn(self, later_s: float = 0) -> None:
        """Advance the time, then run due callbacks."""
        self.now_s += later_s
        due = [callback for at_s, callback in self._due if at_s <= self.now_s]
        self._due = [each for each in self._due if each[0] > self.now_s]
        for callback in due:
            callback()


class FakeConnection:
    """Records what is written to it."""

    def __init__(self) -> None:
        self.socket = self
        self.written: list[bytes] = []
        self.is_full = False

    def try_write(self, frames: bytes) -> int:
        self.written.append(frames)
        return len(frames)

    def count_pushed(self, messages: int) -> None: ...
