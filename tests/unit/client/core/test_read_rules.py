"""Read states in the core: what the server tells, what this device knows, and when that is sent."""

import msgspec
import pytest

from chatterbox.wire import frames
from chatterbox.wire.errors import Code
from chatterbox.wire.position import Position
from chatterbox.wire.read_state import NotificationLevel, ReadState
from client.core import events, notes
from client.core.read_state.read_rules import EVERY_S, MAX_IN_FLIGHT
from client.core.read_state.room_read_state import ReadMark, RoomReadState
from tests.unit.client.world import ME, ROOM, Core, message, room_state, shown, told, transmitted


def read_set(
    command: frames.Command, unread: int = 0, *, counted: int = 40, offset: int | None = None
) -> frames.ReadSet:
    assert isinstance(command, frames.MarkRead)
    assert command.id is not None
    assert command.turn is not None
    return frames.ReadSet(
        id=command.id,
        room=command.room,
        offset=command.offset if offset is None else offset,
        turn=command.turn,
        unread=unread,
        mentions=0,
        counted=counted,
    )


def refused(command: frames.Command, code: Code, retry_after_s: float | None = None) -> frames.ErrorFrame:
    return frames.ErrorFrame(id=command.id, code=code, detail="No.", retry_after_s=retry_after_s)


def marks(effects: list[events.Effect]) -> list[ReadMark]:
    commands = transmitted(effects)
    return [ReadMark(one.turn or 0, one.offset) for one in commands if isinstance(one, frames.MarkRead)]


def sent_for(effects: list[events.Effect]) -> list[str]:
    return [one.room for one in transmitted(effects) if isinstance(one, frames.MarkRead)]


def told_notes(effects: list[events.Effect]) -> list[notes.ReadStateTold]:
    return [note for note in shown(effects) if isinstance(note, notes.ReadStateTold)]


def pause(effects: list[events.Effect]) -> events.ReadDue:
    (due,) = [
        one.timer for one in effects if isinstance(one, events.StartTimer) and isinstance(one.timer, events.ReadDue)
    ]
    return due


class TestWhatTheServerTells:
    def test_welcome_tells_the_read_state_of_each_room(self) -> None:
        core = Core()
        effects = core.live(told(40, 30, unread=7, mentions=2), told(5, 5, room="ops"))
        state = core.state.read_states[ROOM]
        assert (state.mark, state.unread, state.mentions) == (ReadMark(0, 30), 7, 2)
        assert [note.room for note in told_notes(effects)] == [ROOM, "ops"]

    def test_welcome_that_tells_nothing_new_shows_no_note(self) -> None:
        core = Core()
        core.live(told(40, 30, unread=7))
        assert told_notes(core.again(told(40, 30, unread=7))) == []

    def test_position_that_waits_is_sent_once_a_push_shows_that_the_server_takes_it(self) -> None:
        """The welcome had no read states: history did not answer in time."""
        core = Core()
        core.live(room_state(40))
        assert marks(core.feed(events.RoomRead(ROOM, 35))) == []
        assert marks(core.came(frames.Own(room=ROOM, read=30, unread=10, counted=40))) == [ReadMark(0, 35)]

    def test_message_after_the_count_is_added_to_it(self) -> None:
        core = Core()
        core.live(told(40, 30, unread=7, mentions=1))
        mention = msgspec.structs.replace(message(42), mentions=(ME,))
        core.came(message(41), mention, message(43, username=ME))
        state = core.state.read_states[ROOM]
        assert (state.unread, state.mentions) == (9, 2)

    def test_message_that_the_count_includes_is_not_added(self) -> None:
        core = Core()
        core.live(told(40, 40))
        core.feed(events.ConnectionLost("cut", 0.5), events.HandshakeDone())
        resumed = msgspec.structs.replace(told(42, 40, unread=2), at=Position("e1", 40))
        core.came(
            frames.Welcome(
                username=ME,
                session="s",
                connection="c",
                server="g",
                limits=core.state.limits,
                ping_s=20,
                rooms=[resumed],
            )
        )
        core.came(message(41), message(42), message(43))
        assert core.state.read_states[ROOM].unread == 3

    def test_deleted_mention_counts_no_longer_as_one(self) -> None:
        core = Core()
        core.live(told(40, 40))
        core.came(msgspec.structs.replace(message(41), mentions=(ME,)))
        gone = msgspec.structs.replace(message(41), content="", deleted=True, rev=1)
        core.came(frames.Change(room=ROOM, rev=1, after=0, message=gone))
        state = core.state.read_states[ROOM]
        assert (state.unread, state.mentions) == (1, 0)

    def test_other_device_that_reads_on_is_told_to_the_face(self) -> None:
        core = Core()
        core.live(told(40, 30, unread=7))
        (note,) = told_notes(core.came(frames.Own(room=ROOM, read=40, counted=40)))
        assert note == notes.ReadStateTold(ROOM, RoomReadState(ReadState(40, counted=40)))

    def test_push_that_is_older_than_what_was_told_changes_nothing(self) -> None:
        core = Core()
        core.live(told(40, 30, turn=2, unread=7))
        assert told_notes(core.came(frames.Own(room=ROOM, read=40, turn=1, counted=40))) == []
        assert core.state.read_states[ROOM].mark == ReadMark(2, 30)

    def test_message_that_came_before_the_first_count_is_added_to_it(self) -> None:
        core = Core()
        core.live(room_state(40))
        core.came(message(41), message(42), frames.Own(room=ROOM, read=40, unread=1, counted=41))
        assert core.state.read_states[ROOM].unread == 2

    def test_notification_level_of_another_device_is_told(self) -> None:
        core = Core()
        core.live(told(40, 40))
        core.came(
            frames.Own(room=ROOM, read=40, counted=40, notify=NotificationLevel.NONE, until="2026-12-01T00:00:00Z")
        )
        state = core.state.read_states[ROOM].told
        assert state is not None
        assert (state.notify, state.until) == (NotificationLevel.NONE, "2026-12-01T00:00:00Z")

    def test_notification_level_that_was_set_here_is_kept(self) -> None:
        core = Core()
        core.live(told(40, 30, unread=7))
        core.feed(events.CommandRequested(frames.Notify(id=0, room=ROOM, level=NotificationLevel.MENTIONS)))
        effects = core.came(frames.NotifySet(id=1, room=ROOM, level=NotificationLevel.MENTIONS))
        assert [type(note) for note in shown(effects)] == [notes.ReadStateTold, notes.CommandAnswered]
        assert core.state.read_states[ROOM].told == ReadState(
            30, unread=7, counted=40, notify=NotificationLevel.MENTIONS
        )

    def test_room_that_the_user_joined_elsewhere_begins_as_read(self) -> None:
        core = Core()
        core.live(told(40, 40))
        core.came(frames.Membership(room="ops", username=ME, member=True, by=ME, at=Position("e1", 7), read=7))
        core.came(message(8, room="ops"))
        assert core.state.read_states["ops"].unread == 1

    @pytest.mark.parametrize("head", [0, 40])
    def test_older_server_does_not_make_a_joined_room_unread(self, head: int) -> None:
        core = Core()
        core.live(room_state(head))
        effects = core.came(frames.Membership(room="ops", username=ME, member=True, by=ME, at=Position("e1", 7)))
        assert told_notes(effects) == []

    def test_new_direct_conversation_begins_as_unread(self) -> None:
        core = Core()
        core.live(told(40, 40))
        core.came(frames.Membership(room="@alice+bob", username=ME, member=True, by="bob", at=Position("e1", 2)))
        state = core.state.read_states["@bob"]
        assert (state.unread, state.mentions) == (2, 2)

    def test_room_that_the_user_left_is_forgotten(self) -> None:
        core = Core()
        core.live(told(40, 30, unread=7))
        core.came(frames.Membership(room=ROOM, username=ME, member=False, by="bob"))
        assert ROOM not in core.state.read_states


class TestSaying:
    def test_read_position_is_sent_with_its_turn(self) -> None:
        core = Core()
        core.live(told(40, 30, turn=3, unread=7))
        effects = core.feed(events.RoomRead(ROOM, 35))
        assert marks(effects) == [ReadMark(3, 35)]
        assert core.state.read_states[ROOM].unread == 5

    def test_position_that_the_server_knows_is_not_sent(self) -> None:
        core = Core()
        core.live(told(40, 30, unread=7))
        assert core.feed(events.RoomRead(ROOM, 30), events.RoomRead(ROOM, 12)) == []

    def test_only_the_greatest_position_follows_the_one_in_flight(self) -> None:
        core = Core()
        core.live(told(40, 30, unread=7))
        first = core.feed(events.RoomRead(ROOM, 31))
        assert marks(core.feed(events.RoomRead(ROOM, 32), events.RoomRead(ROOM, 34), events.RoomRead(ROOM, 33))) == []
        assert marks(core.feed(pause(first))) == []
        assert marks(core.came(read_set(transmitted(first)[0]))) == [ReadMark(0, 34)]

    def test_next_position_of_a_room_waits_for_a_second(self) -> None:
        core = Core()
        core.live(told(40, 30, unread=7))
        first = core.feed(events.RoomRead(ROOM, 31))
        core.came(read_set(transmitted(first)[0]))
        assert core.feed(events.RoomRead(ROOM, 32)) == []
        assert events.StartTimer(EVERY_S, pause(first)) in first
        assert marks(core.feed(pause(first))) == [ReadMark(0, 32)]

    def test_reply_with_a_greater_position_of_another_device_counts(self) -> None:
        core = Core()
        core.live(told(40, 30, unread=7))
        (command,) = transmitted(core.feed(events.RoomRead(ROOM, 31)))
        core.came(read_set(command, offset=40))
        state = core.state.read_states[ROOM]
        assert (state.mark, state.unread, state.unsaid) == (ReadMark(0, 40), 0, None)

    def test_position_beyond_the_last_message_is_sent_once(self) -> None:
        core = Core()
        core.live(told(40, 30, unread=7))
        effects = core.feed(events.RoomRead(ROOM, 99))
        core.came(read_set(transmitted(effects)[0], offset=40))
        assert core.feed(pause(effects)) == []
        assert marks(core.again(told(40, 40))) == []

    def test_marking_unread_begins_a_turn(self) -> None:
        core = Core()
        core.live(told(40, 40, turn=3))
        effects = core.feed(events.RoomMarkedUnread(ROOM, 35))
        assert marks(effects) == [ReadMark(4, 35)]
        assert core.state.read_states[ROOM].unread == 5

    def test_position_of_an_earlier_run_does_not_beat_a_later_turn(self) -> None:
        core = Core()
        core.live(told(40, 20, turn=4, unread=20))
        assert core.feed(events.RoomRead(ROOM, 40, turn=3)) == []
        assert core.state.read_states[ROOM].mark == ReadMark(4, 20)

    def test_what_was_read_offline_is_sent_after_the_welcome(self) -> None:
        core = Core()
        core.live(told(40, 30, unread=7))
        core.feed(events.ConnectionLost("cut", 0.5))
        assert core.feed(events.RoomRead(ROOM, 35)) == []
        core.feed(events.HandshakeDone())
        welcome = core.live(told(40, 30, unread=7), told(5, 5, room="ops"))
        assert sent_for(welcome) == [ROOM]
        assert marks(welcome) == [ReadMark(0, 35)]

    def test_position_whose_reply_was_lost_is_sent_after_the_welcome(self) -> None:
        core = Core()
        core.live(told(40, 30, unread=7))
        core.feed(events.RoomRead(ROOM, 35))
        assert marks(core.again(told(40, 30, unread=7))) == [ReadMark(0, 35)]
        assert marks(core.again(told(40, 35, unread=5))) == []

    def test_position_in_a_history_that_was_replaced_is_never_sent(self) -> None:
        core = Core()
        core.live(told(40, 30, unread=7))
        core.feed(events.ConnectionLost("cut", 0.5), events.RoomRead(ROOM, 35), events.HandshakeDone())
        restored = msgspec.structs.replace(told(33, 20, unread=9), at=Position("e2", 33))
        effects = core.live(restored)
        assert marks(effects) == []
        assert core.state.read_states[ROOM].mark == ReadMark(0, 20)

    def test_position_that_waits_for_another_is_sent_before_the_client_quits(self) -> None:
        core = Core()
        core.live(told(40, 30, unread=7), told(5, 3, room="ops", unread=2))
        core.feed(events.RoomRead(ROOM, 31), events.RoomRead(ROOM, 35))
        effects = core.feed(events.QuitRequested())
        assert marks(effects) == [ReadMark(0, 35)]
        assert isinstance(effects[-1], events.Stop)

    def test_client_that_is_offline_quits_without_sending(self) -> None:
        core = Core()
        core.live(told(40, 30, unread=7))
        core.feed(events.ConnectionLost("cut", 0.5), events.RoomRead(ROOM, 35))
        assert marks(core.feed(events.QuitRequested())) == []

    def test_many_rooms_at_once_stay_within_the_limits_of_the_server(self) -> None:
        core = Core()
        rooms = [f"r{number}" for number in range(1000)]
        core.live(*(told(9, 3, room=room, unread=6) for room in rooms))
        effects = core.feed(*(events.RoomRead(room, 9) for room in rooms))
        sent = sent_for(effects)
        assert len(sent) == MAX_IN_FLIGHT
        seconds = 0.0
        while len(sent) < len(rooms):
            waiting = [command for command in transmitted(effects) if isinstance(command, frames.MarkRead)]
            more = core.came(*(read_set(command, counted=9) for command in waiting))
            if not marks(more):
                seconds += 0.5
                more += core.feed(events.PaceDue(core.state.pace.timer))
            effects = more
            sent += sent_for(effects)
        assert sorted(sent) == sorted(rooms)
        limits = core.state.limits
        assert len(sent) <= limits.commands_burst / 2 + seconds * limits.commands_per_s / 2 + 1


class TestRefusals:
    def test_position_is_sent_again_after_a_temporary_refusal(self) -> None:
        core = Core()
        core.live(told(40, 30, unread=7))
        (command,) = transmitted(core.feed(events.RoomRead(ROOM, 35)))
        effects = core.came(refused(command, Code.UNAVAILABLE, 3))
        assert marks(effects) == []
        assert events.StartTimer(3, pause(effects)) in effects
        assert marks(core.feed(pause(effects))) == [ReadMark(0, 35)]

    def test_refusal_for_the_rate_of_commands_stops_other_rooms_too(self) -> None:
        core = Core()
        core.live(told(40, 30, unread=7), told(5, 3, room="ops", unread=2))
        (command,) = transmitted(core.feed(events.RoomRead(ROOM, 35)))
        core.came(refused(command, Code.RATE_LIMITED, 2))
        assert core.feed(events.RoomRead("ops", 5)) == []
        assert sent_for(core.feed(events.PaceDue(core.state.pace.timer))) == ["ops"]

    def test_older_server_that_begins_to_tell_gets_what_waits(self) -> None:
        core = Core()
        core.live(room_state(40), room_state(5, room="ops"))
        core.feed(events.RoomRead(ROOM, 40))
        assert marks(core.came(frames.Own(room="ops", read=5, counted=5))) == [ReadMark(0, 40)]

    def test_position_that_is_refused_for_good_is_not_sent_again(self) -> None:
        core = Core()
        core.live(told(40, 30, unread=7))
        effects = core.feed(events.RoomRead(ROOM, 35))
        after = core.came(refused(transmitted(effects)[0], Code.NOT_A_MEMBER)) + core.feed(pause(effects))
        assert marks(after) == []
        assert shown(after) == []

    def test_server_that_does_not_know_read_is_asked_once(self) -> None:
        core = Core()
        core.live(room_state(0), room_state(0, room="ops"))
        core.came(message(1), message(1, room="ops"))
        effects = core.feed(events.RoomRead(ROOM, 1), events.RoomRead("ops", 1))
        assert len(marks(effects)) == 1
        after = core.came(refused(transmitted(effects)[0], Code.BAD_FRAME))
        after += core.feed(pause(effects), events.RoomRead(ROOM, 2))
        assert after == []

    def test_older_server_gets_no_read_position(self) -> None:
        core = Core()
        core.live(room_state(40))
        assert core.feed(events.RoomRead(ROOM, 40)) == []
        assert marks(core.again(room_state(40))) == []

    def test_server_that_could_tell_nothing_for_once_gets_positions_all_the_same(self) -> None:
        core = Core()
        core.live(told(40, 30, unread=7))
        core.again(room_state(40))
        assert marks(core.feed(events.RoomRead(ROOM, 40))) == [ReadMark(0, 40)]
