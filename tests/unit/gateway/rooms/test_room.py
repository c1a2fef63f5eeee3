"""A quiet room never waits; in a busy one, messages are written together."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from chatterbox.wire import history_api
from services.gateway.connections.connection import Connection
from services.gateway.core.room_stream import RoomStream
from services.gateway.rooms.room import MAX_BATCH_WINDOW_S, Room


class HandTurned:
    """An event loop whose turns and time are the test's."""

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
        """Let so much time pass, then do what is due."""
        self.now_s += later_s
        due = [callback for at_s, callback in self._due if at_s <= self.now_s]
        self._due = [each for each in self._due if each[0] > self.now_s]
        for callback in due:
            callback()


class Hearer:
    """A connection that keeps what is written to it."""

    def __init__(self) -> None:
        self.socket = self
        self.written: list[bytes] = []
        self.is_full = False

    def try_write(self, frames: bytes) -> int:
        self.written.append(frames)
        return len(frames)

    def count_pushed(self, messages: int) -> None: ...


class SlowHearer(Hearer):
    """One whose kernel takes only so many bytes of each write, or is in trouble; `left` is what its transport got."""

    def __init__(self, takes: int | OSError) -> None:
        super().__init__()
        self._takes = takes
        self.left = b""

    def try_write(self, frames: bytes) -> int:
        if isinstance(self._takes, OSError):
            raise self._takes
        return super().try_write(frames[: self._takes])

    def write(self, frames: bytes) -> None:
        self.left += frames


class Scene:
    """A room with so many connections; `write` is what one of them was written."""

    def __init__(self, members: int) -> None:
        self.loop = HandTurned()
        info = history_api.RoomInfo(room_id=1, room="r", private=False, everyone=False, epoch="e", head=0)
        self.room = Room(info, loop=cast("asyncio.AbstractEventLoop", self.loop))
        self.room.open(RoomStream.at("e", 0, [], 10), "")
        self.hearers = [Hearer() for _ in range(members)]
        for hearer in self.hearers:
            self.room.attach(cast("Connection", hearer), 0)

    def say(self, *frames: bytes) -> None:
        for frame in frames:
            self.room.deliver(self.room.opened.take("e", self.room.opened.head + 1, [frame]))

    @property
    def written(self) -> list[bytes]:
        [written] = {tuple(hearer.written) for hearer in self.hearers}
        return list(written)


class TestAQuietRoom:
    @pytest.mark.parametrize("members", [1, 1000])
    def test_writes_at_the_end_of_the_turn(self, members: int) -> None:
        scene = Scene(members)
        scene.say(b"a", b"b")
        assert scene.written == []
        scene.loop.turn()
        assert scene.written == [b"ab"]

    def test_never_waits_while_messages_come_slower_than_they_would_wait(self) -> None:
        scene = Scene(1000)
        for frame in (b"a", b"b", b"c"):
            scene.say(frame)
            scene.loop.turn()
            scene.loop.turn(MAX_BATCH_WINDOW_S)
        assert scene.written == [b"a", b"b", b"c"]

    def test_of_few_never_waits(self) -> None:
        scene = Scene(10)
        for frame in (b"a", b"b", b"c"):
            scene.say(frame)
            scene.loop.turn()
        assert scene.written == [b"a", b"b", b"c"]


class TestABusyRoom:
    @pytest.fixture
    def scene(self) -> Scene:
        scene = Scene(1000)
        scene.say(b"a")
        scene.loop.turn()
        return scene

    def test_writes_together_what_comes_within_the_wait(self, scene: Scene) -> None:
        for frame in (b"b", b"c", b"d"):
            scene.loop.turn(MAX_BATCH_WINDOW_S / 4)
            scene.say(frame)
        assert scene.written == [b"a"]
        scene.loop.turn(MAX_BATCH_WINDOW_S / 2)
        assert scene.written == [b"a", b"bcd"]

    def test_is_quiet_again_when_messages_come_slower_than_they_would_wait(self, scene: Scene) -> None:
        scene.say(b"b")
        for frame in (b"c", b"d"):
            scene.loop.turn(MAX_BATCH_WINDOW_S)
            scene.loop.turn(MAX_BATCH_WINDOW_S / 2)
            scene.say(frame)
            scene.loop.turn()
        assert scene.written == [b"a", b"b", b"c", b"d"]

    def test_lets_nobody_in_before_what_waits_is_written(self, scene: Scene) -> None:
        scene.say(b"b")
        late: Any = Hearer()
        scene.room.attach(late, scene.room.opened.head)
        assert scene.written == [b"a", b"b"]
        scene.loop.turn(MAX_BATCH_WINDOW_S)
        assert (scene.written, late.written) == ([b"a", b"b"], [])

    def test_notes_of_who_falls_behind_only_what_was_written(self, scene: Scene) -> None:
        scene.say(b"b")
        slow = cast("Connection", scene.hearers[0])
        scene.room.fall_behind(slow)
        scene.loop.turn(MAX_BATCH_WINDOW_S)
        assert scene.room.behind == {slow: 1}
        assert scene.hearers.pop(0).written == [b"a"]
        assert scene.written == [b"a", b"b"]


@pytest.mark.parametrize(
    ("takes", "written", "left"),
    [
        (3, [b"abc"], b"d"),
        (0, [b""], b"abcd"),
        (BlockingIOError(), [], b"abcd"),
        (ConnectionResetError(), [], b"abcd"),
    ],
)
def test_what_the_kernel_does_not_take_goes_to_the_transport(
    takes: int | OSError, written: list[bytes], left: bytes
) -> None:
    scene = Scene(2)
    slow = SlowHearer(takes)
    scene.room.attach(cast("Connection", slow), 0)
    scene.say(b"ab", b"cd")
    scene.loop.turn()
    assert (slow.written, slow.left) == (written, left)
    assert scene.written == [b"abcd"]
