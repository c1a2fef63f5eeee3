"""Fan-out of changes: in a quiet room at once, in a flood the last change of each message, and no gap in any case."""

import asyncio
from typing import cast

import pytest

from chatterbox.wire import history_api
from chatterbox.wire.broker_events import ChangedMessage
from chatterbox.wire.position import ResumePoint
from services.gateway.connections.connection import Connection
from services.gateway.core import room_changes
from services.gateway.core.frame_writer import text_frame
from services.gateway.core.room_stream import RoomStream
from services.gateway.rooms.room import HeldChanges, Room, change_pause_s
from tests.support.changed_messages import decoded, message, summary
from tests.support.manual_loop import FakeConnection, ManualLoop


class Scene:
    """A room with three messages and `members` live connections."""

    def __init__(self, members: int = 1, recent: int = 10) -> None:
        self.loop = ManualLoop()
        info = history_api.RoomInfo(room_id=1, room="r", private=False, everyone=False, epoch="e", head=0)
        self.room = Room(info, loop=cast("asyncio.AbstractEventLoop", self.loop))
        newest = [text_frame(message(offset)) for offset in (1, 2, 3)]
        self.room.open(RoomStream.at("e", 3, newest, recent), "")
        self.room.flush()
        self.connections = [FakeConnection() for _ in range(members)]
        for connection in self.connections:
            self.room.attach(cast("Connection", connection), 3)

    def send(self, offset: int) -> None:
        self.room.deliver(self.room.opened.take("e", offset, [text_frame(message(offset))]))

    def change(self, offset: int, rev: int) -> None:
        changed = ChangedMessage(offset, rev, message(offset, rev), b',"by":"bob","did":"react"')
        self.room.tell(self.room.begin_changes().take("e", rev - 1, [changed]))

    @property
    def written(self) -> list[list[str]]:
        """The writes to each connection."""
        [writes] = {tuple(connection.written) for connection in self.connections}
        return [[summary(frame) for frame in decoded(write)] for write in writes]


class TestQuietRoom:
    def test_change_is_written_at_the_end_of_the_turn_with_who_did_it(self) -> None:
        scene = Scene()
        scene.change(2, 1)
        assert scene.written == []
        scene.loop.turn()
        assert scene.written == [["(0, 1] 2 as of 1 by bob"]]

    def test_messages_and_changes_of_one_turn_leave_in_one_write(self) -> None:
        scene = Scene(members=3)
        scene.send(4)
        scene.change(4, 1)
        scene.change(2, 2)
        scene.loop.turn()
        assert scene.written == [["message 4 as of 1", "(0, 1] 4 as of 1 by bob", "(1, 2] 2 as of 2 by bob"]]

    def test_change_of_a_message_that_is_missing_is_told_without_it(self) -> None:
        """The message follows, as it is then."""
        scene = Scene()
        scene.change(5, 1)
        scene.change(2, 2)
        scene.change(5, 3)
        scene.loop.turn()
        assert scene.written == [["(0, 2] 2 as of 2 by bob", "(2, 3]"]]

    def test_memory_has_the_message_as_it_is(self) -> None:
        scene = Scene()
        scene.change(2, 1)
        assert scene.room.opened.recent.after(1) == [text_frame(message(2, 1)), text_frame(message(3))]


class TestFlood:
    MEMBERS = 1000

    @pytest.fixture
    def scene(self) -> Scene:
        """A large room that was just written a change."""
        scene = Scene(self.MEMBERS)
        scene.change(1, 1)
        scene.loop.turn()
        return scene

    def test_of_changes_of_one_message_only_the_last_is_written_and_revs_join(self, scene: Scene) -> None:
        for rev in range(2, 100):
            scene.change(1 + rev % 2, rev)
            scene.loop.turn(0.001)
        scene.loop.turn(0.25)
        assert scene.written[1:] == [["(1, 98] 1 as of 98 by bob", "(98, 99] 2 as of 99 by bob"]]

    def test_room_of_a_thousand_is_written_changes_four_times_a_second(self, scene: Scene) -> None:
        for rev in range(2, 1001):
            scene.change(1, rev)
            scene.loop.turn(0.001)
        assert len(scene.written) == 4

    def test_change_that_follows_a_large_write_in_the_same_turn_is_written_later(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What was planned for the end of the turn finds that the next changes are not due yet."""
        scene = Scene()
        scene.change(1, 1)
        monkeypatch.setattr(room_changes, "KEPT_CHANGES", 1)
        scene.change(2, 2)
        scene.change(3, 3)
        scene.loop.turn()
        scene.loop.turn(change_pause_s(1, 500))
        assert [rev for write in scene.written for rev in write][-1] == "(2, 3] 3 as of 3 by bob"

    def test_messages_leave_without_the_changes_that_wait(self, scene: Scene) -> None:
        scene.change(1, 2)
        scene.send(4)
        scene.loop.turn()
        assert scene.written[1:] == [["message 4 as of 0"]]
        scene.loop.turn(0.25)
        assert scene.written[2:] == [["(1, 2] 1 as of 2 by bob"]]

    def test_large_changes_wait_longer(self) -> None:
        assert change_pause_s(1000, 16_000) == pytest.approx(2)

    def test_more_changes_than_memory_keeps_are_written_at_once(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("services.gateway.core.room_changes.KEPT_CHANGES", 2)
        for offset in (1, 2, 3):
            scene.change(offset, offset + 1)
        assert scene.written[1:] == [["(1, 2] 1 as of 2 by bob", "(2, 3] 2 as of 3 by bob", "(3, 4] 3 as of 4 by bob"]]


class TestConnections:
    def test_connection_that_falls_behind_is_noted_at_the_last_written_rev(self) -> None:
        scene = Scene(2)
        scene.change(1, 1)
        scene.loop.turn()
        scene.change(1, 2)
        slow = cast("Connection", scene.connections[0])
        scene.room.fall_behind(slow)
        assert (scene.room.behind, scene.room.held_by(slow)) == ({slow: 3}, HeldChanges(1))

    def test_connection_that_fell_behind_before_the_first_change_lacks_it(self) -> None:
        scene = Scene(2)
        slow = cast("Connection", scene.connections[0])
        scene.room.fall_behind(slow)
        scene.change(1, 1)
        assert scene.room.held_by(slow) == HeldChanges(0)

    def test_connection_that_falls_behind_is_told_changes_of_pages_that_it_read_while_live(self) -> None:
        scene = Scene()
        scene.change(3, 1)
        scene.loop.turn()
        back = cast("Connection", FakeConnection())
        scene.room.attach(back, 3, HeldChanges(1, first=3))
        scene.room.note_page(back)
        scene.room.fall_behind(back)
        assert scene.room.held_by(back) == HeldChanges(1, first=1)

    def test_connection_that_lacks_changes_starts_behind(self) -> None:
        scene = Scene()
        scene.change(1, 1)
        back = cast("Connection", FakeConnection())
        scene.loop.turn()
        scene.room.attach(back, 3, HeldChanges(0, 2))
        assert scene.room.held_by(back) == HeldChanges(0, 2)
        assert back in scene.room.behind

    def test_connection_that_holds_no_changes_is_told_those_from_now_on(self) -> None:
        scene = Scene()
        scene.change(1, 1)
        scene.loop.turn()
        new = FakeConnection()
        scene.room.attach(cast("Connection", new), 3)
        scene.change(1, 2)
        scene.loop.turn(1)
        assert [summary(frame) for frame in decoded(b"".join(new.written))] == ["(1, 2] 1 as of 2 by bob"]

    def test_detached_connection_is_forgotten(self) -> None:
        scene = Scene(2)
        scene.change(1, 1)
        slow = cast("Connection", scene.connections[0])
        scene.room.fall_behind(slow)
        scene.room.detach(slow)
        assert not scene.room.held_changes

    @pytest.mark.parametrize(("rev", "covers"), [(None, True), (0, True), (1, True), (2, False)])
    def test_room_covers_a_position_up_to_the_rev_that_was_told(self, rev: int | None, covers: bool) -> None:
        scene = Scene()
        scene.change(1, 1)
        assert scene.room.covers(ResumePoint("e", 3, rev)) is covers


def test_room_without_changes_has_none() -> None:
    scene = Scene()
    scene.send(4)
    scene.loop.turn()
    assert (scene.room.changes, scene.room.rev) == (None, 0)
