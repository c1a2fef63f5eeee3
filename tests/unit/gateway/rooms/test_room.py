"""Fan-out: a quiet room writes at once, a busy one batches messages."""

import asyncio
from typing import Any, cast

import pytest

from chatterbox.wire import history_api
from services.gateway.connections.connection import Connection
from services.gateway.core.room_stream import RoomStream
from services.gateway.rooms.room import MAX_BATCH_WINDOW_S, Room
from tests.support.manual_loop import FakeConnection, ManualLoop


class SlowConnection(FakeConnection):
    """Its kernel accepts only some bytes of each write, or fails; `left` is what its transport got."""

    def __init__(self, accepts: int | OSError) -> None:
        super().__init__()
        self._accepts = accepts
        self.left = b""

    def try_write(self, frames: bytes) -> int:
        if isinstance(self._accepts, OSError):
            raise self._accepts
        return super().try_write(frames[: self._accepts])

    def write(self, frames: bytes) -> None:
        self.left += frames


class Scene:
    """A room with `members` connections; `written` is what each of them got."""

    def __init__(self, members: int) -> None:
        self.loop = ManualLoop()
        info = history_api.RoomInfo(room_id=1, room="r", private=False, everyone=False, epoch="e", head=0)
        self.room = Room(info, loop=cast("asyncio.AbstractEventLoop", self.loop))
        self.room.open(RoomStream.at("e", 0, [], 10), "")
        self.connections = [FakeConnection() for _ in range(members)]
        for connection in self.connections:
            self.room.attach(cast("Connection", connection), 0)

    def send(self, *frames: bytes) -> None:
        for frame in frames:
            self.room.deliver(self.room.opened.take("e", self.room.opened.head + 1, [frame]))

    @property
    def written(self) -> list[bytes]:
        [written] = {tuple(connection.written) for connection in self.connections}
        return list(written)


class TestQuietRoom:
    @pytest.mark.parametrize("members", [1, 1000])
    def test_quiet_room_writes_at_the_end_of_the_turn(self, members: int) -> None:
        scene = Scene(members)
        scene.send(b"a", b"b")
        assert scene.written == []
        scene.loop.turn()
        assert scene.written == [b"ab"]

    def test_room_is_quiet_while_messages_arrive_slower_than_the_batch_window(self) -> None:
        scene = Scene(1000)
        for frame in (b"a", b"b", b"c"):
            scene.send(frame)
            scene.loop.turn()
            scene.loop.turn(MAX_BATCH_WINDOW_S)
        assert scene.written == [b"a", b"b", b"c"]

    def test_room_of_few_members_never_waits(self) -> None:
        scene = Scene(10)
        for frame in (b"a", b"b", b"c"):
            scene.send(frame)
            scene.loop.turn()
        assert scene.written == [b"a", b"b", b"c"]


class TestBusyRoom:
    @pytest.fixture
    def scene(self) -> Scene:
        scene = Scene(1000)
        scene.send(b"a")
        scene.loop.turn()
        return scene

    def test_busy_room_writes_messages_within_the_batch_window_together(self, scene: Scene) -> None:
        for frame in (b"b", b"c", b"d"):
            scene.loop.turn(MAX_BATCH_WINDOW_S / 4)
            scene.send(frame)
        assert scene.written == [b"a"]
        scene.loop.turn(MAX_BATCH_WINDOW_S / 2)
        assert scene.written == [b"a", b"bcd"]

    def test_busy_room_becomes_quiet_when_messages_arrive_slower_than_the_batch_window(self, scene: Scene) -> None:
        scene.send(b"b")
        for frame in (b"c", b"d"):
            scene.loop.turn(MAX_BATCH_WINDOW_S)
            scene.loop.turn(MAX_BATCH_WINDOW_S / 2)
            scene.send(frame)
            scene.loop.turn()
        assert scene.written == [b"a", b"b", b"c", b"d"]

    def test_pending_messages_are_written_before_a_connection_is_attached(self, scene: Scene) -> None:
        scene.send(b"b")
        late: Any = FakeConnection()
        scene.room.attach(late, scene.room.opened.head)
        assert scene.written == [b"a", b"b"]
        scene.loop.turn(MAX_BATCH_WINDOW_S)
        assert (scene.written, late.written) == ([b"a", b"b"], [])

    def test_connection_that_falls_behind_is_noted_at_the_last_written_offset(self, scene: Scene) -> None:
        scene.send(b"b")
        slow = cast("Connection", scene.connections[0])
        scene.room.fall_behind(slow)
        scene.loop.turn(MAX_BATCH_WINDOW_S)
        assert scene.room.behind == {slow: 1}
        assert scene.connections.pop(0).written == [b"a"]
        assert scene.written == [b"a", b"b"]


@pytest.mark.parametrize(
    ("accepts", "written", "left"),
    [
        (3, [b"abc"], b"d"),
        (0, [b""], b"abcd"),
        (BlockingIOError(), [], b"abcd"),
        (ConnectionResetError(), [], b"abcd"),
    ],
)
def test_data_that_the_kernel_does_not_accept_goes_to_the_transport(
    accepts: int | OSError, written: list[bytes], left: bytes
) -> None:
    scene = Scene(2)
    slow = SlowConnection(accepts)
    scene.room.attach(cast("Connection", slow), 0)
    scene.send(b"ab", b"cd")
    scene.loop.turn()
    assert (slow.written, slow.left) == (written, left)
    assert scene.written == [b"abcd"]
