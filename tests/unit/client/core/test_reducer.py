"""The connection's life cycle: connect, disconnect, move, renew, end."""

import pytest

from chatterbox.wire import frames
from chatterbox.wire.close_codes import CloseCode
from chatterbox.wire.position import Position, ResumePoint
from client.core import events, notes
from client.core.client_state import ClientState, ConnectionPhase
from client.core.message_stream import MessageStream
from client.core.reducer import STABLE_S
from tests.unit.client.world import ME, Core, message, room_state, said, shown, transmitted, welcome


def dials(effects: list[events.Effect]) -> list[float]:
    return [effect.after_s for effect in effects if isinstance(effect, events.Dial)]


class TestConnecting:
    def test_start_dials_at_once(self) -> None:
        assert dials(Core().feed(events.Started())) == [0.0]

    def test_connect_frame_contains_the_held_positions(self) -> None:
        core = Core()
        core.live(room_state(4))
        core.feed(events.ConnectionLost("cut", 0.5))
        assert core.feed(events.HandshakeDone()) == [events.SendConnect({"general": ResumePoint("e1", 4)})]

    def test_welcome_note_contains_the_username(self) -> None:
        effects = Core().live(room_state(4))
        assert notes.WelcomeReceived(ME, (room_state(4),), 0, again=False, server="g") in shown(effects)

    def test_command_before_the_welcome_is_refused_as_offline(self) -> None:
        core = Core()
        (note,) = shown(core.feed(events.CommandRequested(frames.ListRooms(id=0))))
        assert isinstance(note, notes.CommandRefused)


class TestDisconnect:
    def test_reconnect_delay_grows_up_to_the_cap(self) -> None:
        core = Core()
        core.feed(events.Started())
        waits = [dials(core.feed(events.ConnectionLost("refused", 1.0)))[0] for _ in range(20)]
        assert waits[:4] == [0.2, 0.4, 0.8, 1.6]
        assert waits[-1] == 30.0

    def test_waits_during_the_first_minute_are_at_most_5_s(self) -> None:
        core = Core()
        core.feed(events.Started())
        waited_s, waits = 0.0, []
        while waited_s < 60:
            waits += dials(core.feed(events.ConnectionLost("refused", 1.0)))
            waited_s += waits[-1]
        assert max(waits) == 5.0
        assert dials(core.feed(events.ConnectionLost("refused", 1.0))) == [30.0]

    def test_stable_connection_begins_another_first_minute(self) -> None:
        core = Core()
        core.feed(events.Started(), *[events.ConnectionLost("refused", 1.0)] * 30)
        core.live()
        core.feed(events.ConnectionStable(core.state.connection))
        waits = [dials(core.feed(events.ConnectionLost("refused", 1.0)))[0] for _ in range(8)]
        assert max(waits) == 5.0

    def test_reconnect_waits_as_long_as_the_server_asks(self) -> None:
        assert dials(Core().feed(events.ConnectionLost("full", 0.5, after_s=7.0))) == [7.0]

    def test_backoff_is_reset_only_by_a_stable_connection(self) -> None:
        core = Core()
        core.feed(*[events.ConnectionLost("refused", 1.0)] * 5)
        effects = core.live()
        assert events.StartTimer(STABLE_S, events.ConnectionStable(1)) in effects
        assert core.state.attempt == 5
        core.feed(events.ConnectionStable(1))
        assert core.state.attempt == 0

    def test_stable_timer_of_an_earlier_connection_is_ignored(self) -> None:
        core = Core()
        core.live()
        core.again()
        core.feed(events.ConnectionStable(1))
        assert core.state.attempt == 1

    @pytest.mark.parametrize("code", [1001, 1006, 1012, *range(4000, 4005), 4029])
    def test_close_code_that_allows_it_is_followed_by_a_reconnect(self, code: int) -> None:
        assert dials(Core().feed(events.ConnectionLost("closed", 0.5, code)))

    @pytest.mark.parametrize("code", [1000, CloseCode.TOKEN_REFUSED, CloseCode.SESSION_ENDED, 4999])
    def test_close_code_that_forbids_a_reconnect_ends_the_run(self, code: int) -> None:
        core = Core()
        core.live()
        effects = core.feed(events.ConnectionLost("The session has ended.", 0.5, code))
        assert effects[-1] == events.Stop(notes.SessionOver(code, "The session has ended."))
        assert core.feed(events.HandshakeDone()) == []

    def test_connect_frame_that_is_too_large_for_the_server_is_sent_again_without_rooms(self) -> None:
        core = Core(ClientState(streams={"general": MessageStream(Position("e1", 4))}))
        core.feed(events.Started(), events.HandshakeDone())
        assert dials(core.feed(events.ConnectionLost("too big", 0.5, CloseCode.TOO_BIG)))
        assert core.feed(events.HandshakeDone()) == [events.SendConnect({})]
        core.came(welcome(room_state(6)))
        core.feed(events.ConnectionLost("cut", 0.5))
        assert core.feed(events.HandshakeDone()) == [events.SendConnect({"general": ResumePoint("e1", 4)})]

    def test_frame_that_is_too_large_ends_the_run_otherwise(self) -> None:
        core = Core(ClientState(streams={"general": MessageStream(Position("e1", 4))}))
        core.feed(events.Started(), events.HandshakeDone(), events.ConnectionLost("big", 0.5, CloseCode.TOO_BIG))
        core.feed(events.HandshakeDone())
        effects = core.feed(events.ConnectionLost("too big", 0.5, CloseCode.TOO_BIG))
        assert effects[-1] == events.Stop(notes.SessionOver(CloseCode.TOO_BIG, "too big"))

    def test_disconnect_is_shown_at_once_and_then_only_for_long_waits(self) -> None:
        core = Core()
        core.live()
        cuts = [note for _ in range(25) for note in shown(core.feed(events.ConnectionLost("cut", 1.0)))]
        lost = [note for note in cuts if isinstance(note, notes.Disconnected)]
        assert not lost[0].repeated
        assert [note.retry_s for note in lost[1:] if not note.repeated] == [
            note.retry_s for note in lost if note.retry_s > 5
        ]

    def test_command_without_a_reply_is_refused_on_disconnect(self) -> None:
        core = Core()
        core.live()
        core.feed(events.CommandRequested(frames.ListRooms(id=0)))
        assert any(
            isinstance(note, notes.CommandRefused) for note in shown(core.feed(events.ConnectionLost("cut", 0.5)))
        )

    def test_overdue_reply_closes_the_connection(self) -> None:
        core = Core()
        core.live()
        (command,) = transmitted(core.feed(events.CommandRequested(frames.ListRooms(id=0))))
        assert command.id is not None
        assert core.feed(events.ReplyOverdue(command.id)) == [events.CloseConnection()]

    def test_answered_command_does_not_close_the_connection(self) -> None:
        core = Core()
        core.live()
        core.feed(events.CommandRequested(frames.ListRooms(id=0)))
        core.came(frames.RoomList(id=1, rooms=[]))
        assert core.feed(events.ReplyOverdue(1)) == []


class TestMoving:
    def test_move_closes_the_connection_and_reconnects_at_once(self) -> None:
        core = Core()
        core.live()
        assert core.came(frames.Move(after_ms=1500)) == [events.StartTimer(1.5, events.MoveDue(1))]
        assert core.feed(events.MoveDue(1)) == [events.CloseConnection()]
        effects = core.feed(events.ConnectionLost("we hung up", 0.9))
        assert dials(effects) == [0.0]
        assert shown(effects) == [notes.Reconnecting()]
        (cut,) = shown(core.feed(events.ConnectionLost("refused", 0.5)))
        assert isinstance(cut, notes.Disconnected)
        assert not cut.repeated

    def test_move_timer_of_an_earlier_connection_is_ignored(self) -> None:
        core = Core()
        core.live()
        core.came(frames.Move(after_ms=1500))
        core.again()
        assert core.feed(events.MoveDue(1)) == []


class TestRenewal:
    def test_renewed_token_is_sent_on_the_open_connection(self) -> None:
        core = Core()
        core.live()
        assert core.feed(events.TokenRenewed()) == [events.SendConnect({}, 1)]
        assert core.came(frames.Reconnected(id=1, expires="2026-11-24T00:00:00.000Z")) == []

    def test_renewed_token_is_not_sent_while_offline(self) -> None:
        assert Core().feed(events.TokenRenewed()) == []


class TestReplies:
    def test_reply_to_a_requested_command_is_shown(self) -> None:
        core = Core()
        core.live()
        core.feed(events.CommandRequested(frames.Invite(id=0, room="ops", username="bob")))
        (note,) = shown(core.came(frames.Invited(id=1, room="ops", username="bob")))
        assert isinstance(note, notes.CommandAnswered)

    def test_refusal_of_a_requested_command_is_shown(self) -> None:
        core = Core()
        core.live()
        core.feed(events.CommandRequested(frames.CreateRoom(id=0, room="ops")))
        (note,) = shown(core.came(frames.ErrorFrame(id=1, code="room_exists", detail="A room of this name exists.")))
        assert isinstance(note, notes.CommandRefused)

    def test_created_room_is_followed(self) -> None:
        core = Core()
        core.live()
        core.feed(events.CommandRequested(frames.CreateRoom(id=0, room="ops")))
        core.came(frames.Created(id=1, room="ops", private=False, at=Position("e1", 0)))
        assert said(core.came(message(1, room="ops"))) == [1]

    def test_error_that_answers_no_command_is_shown(self) -> None:
        core = Core()
        core.live()
        assert shown(core.came(frames.ErrorFrame(code="bad_frame", detail="What?"))) == [notes.ServerError("What?")]


def test_end_of_the_session_is_shown_once() -> None:
    core = Core()
    core.live()
    assert shown(core.came(frames.ErrorFrame(code="session_ended", detail="The session has ended."))) == []
    assert len(shown(core.feed(events.ConnectionLost("The session has ended.", 0.5, CloseCode.SESSION_ENDED)))) == 1


def test_quit_ends_the_run() -> None:
    core = Core()
    core.live()
    assert core.feed(events.QuitRequested())[-1] == events.Stop(notes.SessionOver(None, "You left."))
    assert core.state.phase is ConnectionPhase.ENDED
    assert core.came(welcome()) == []
