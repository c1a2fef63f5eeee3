"""A connection's life: dialling, welcome, loss, moving, renewal, end."""

import pytest

from chatterbox.wire import frames
from chatterbox.wire.close_codes import CloseCode
from chatterbox.wire.position import Position
from client.core import events, notes
from client.core.client_state import ConnectionPhase
from client.core.reducer import STABLE_S
from tests.unit.client.world import ME, Core, message, room_state, said, shown, transmitted, welcome


def dials(effects: list[events.Effect]) -> list[float]:
    return [effect.after_s for effect in effects if isinstance(effect, events.Dial)]


class TestConnecting:
    def test_dials_at_once(self) -> None:
        assert dials(Core().feed(events.Started())) == [0.0]

    def test_introduces_itself_with_the_positions_it_holds(self) -> None:
        core = Core()
        core.live(room_state(4))
        core.feed(events.ConnectionLost("cut", 0.5))
        assert core.feed(events.HandshakeDone()) == [events.SendConnect({"general": Position("e1", 4)})]

    def test_says_who_we_are(self) -> None:
        effects = Core().live(room_state(4))
        assert notes.WelcomeReceived(ME, (room_state(4),), 0, again=False, server="g") in shown(effects)

    def test_a_command_before_the_welcome_is_refused_kindly(self) -> None:
        core = Core()
        (note,) = shown(core.feed(events.CommandRequested(frames.ListRooms(id=0))))
        assert isinstance(note, notes.CommandRefused)


class TestLosingTheConnection:
    def test_waits_longer_after_each_failure_and_never_more_than_the_cap(self) -> None:
        core = Core()
        core.feed(events.Started())
        waits = [dials(core.feed(events.ConnectionLost("refused", 1.0)))[0] for _ in range(20)]
        assert waits[:4] == [0.2, 0.4, 0.8, 1.6]
        assert waits[-1] == 30.0

    def test_waits_as_long_as_the_server_says(self) -> None:
        assert dials(Core().feed(events.ConnectionLost("full", 0.5, after_s=7.0))) == [7.0]

    def test_waits_little_again_only_once_a_connection_has_held(self) -> None:
        core = Core()
        core.feed(*[events.ConnectionLost("refused", 1.0)] * 5)
        effects = core.live()
        assert events.StartTimer(STABLE_S, events.ConnectionStable(1)) in effects
        assert core.state.attempt == 5
        core.feed(events.ConnectionStable(1))
        assert core.state.attempt == 0

    def test_a_timer_of_an_earlier_connection_settles_nothing(self) -> None:
        core = Core()
        core.live()
        core.again()
        core.feed(events.ConnectionStable(1))
        assert core.state.attempt == 1

    @pytest.mark.parametrize("code", [1001, 1006, 1012, *range(4000, 4005), 4029])
    def test_comes_back_after_a_code_that_allows_it(self, code: int) -> None:
        assert dials(Core().feed(events.ConnectionLost("closed", 0.5, code)))

    @pytest.mark.parametrize("code", [1000, CloseCode.TOKEN_REFUSED, CloseCode.SESSION_ENDED, 4999])
    def test_ends_after_one_that_forbids_it(self, code: int) -> None:
        core = Core()
        core.live()
        effects = core.feed(events.ConnectionLost("The session has ended.", 0.5, code))
        assert effects[-1] == events.Stop(notes.SessionOver(code, "The session has ended."))
        assert core.feed(events.HandshakeDone()) == []

    def test_is_told_at_once_and_then_only_when_the_wait_is_long(self) -> None:
        core = Core()
        core.live()
        cuts = [note for _ in range(6) for note in shown(core.feed(events.ConnectionLost("cut", 1.0)))]
        assert [note.known for note in cuts if isinstance(note, notes.Disconnected)] == [
            False,
            True,
            True,
            True,
            False,
            False,
        ]

    def test_a_question_without_its_answer_is_said(self) -> None:
        core = Core()
        core.live()
        core.feed(events.CommandRequested(frames.ListRooms(id=0)))
        assert any(
            isinstance(note, notes.CommandRefused) for note in shown(core.feed(events.ConnectionLost("cut", 0.5)))
        )

    def test_a_command_that_is_never_answered_ends_the_connection(self) -> None:
        core = Core()
        core.live()
        (command,) = transmitted(core.feed(events.CommandRequested(frames.ListRooms(id=0))))
        assert command.id is not None
        assert core.feed(events.ReplyOverdue(command.id)) == [events.CloseConnection()]

    def test_one_that_was_answered_does_not(self) -> None:
        core = Core()
        core.live()
        core.feed(events.CommandRequested(frames.ListRooms(id=0)))
        core.came(frames.RoomList(id=1, rooms=[]))
        assert core.feed(events.ReplyOverdue(1)) == []


class TestMoving:
    def test_hangs_up_when_asked_to_and_is_back_at_once(self) -> None:
        core = Core()
        core.live()
        assert core.came(frames.Move(after_ms=1500)) == [events.StartTimer(1.5, events.MoveDue(1))]
        assert core.feed(events.MoveDue(1)) == [events.CloseConnection()]
        effects = core.feed(events.ConnectionLost("we hung up", 0.9))
        assert dials(effects) == [0.0]
        assert shown(effects) == [notes.Reconnecting()]
        (cut,) = shown(core.feed(events.ConnectionLost("refused", 0.5)))
        assert isinstance(cut, notes.Disconnected)
        assert not cut.known

    def test_is_not_moved_twice(self) -> None:
        core = Core()
        core.live()
        core.came(frames.Move(after_ms=1500))
        core.again()
        assert core.feed(events.MoveDue(1)) == []


class TestRenewal:
    def test_shows_the_new_token_on_the_open_connection(self) -> None:
        core = Core()
        core.live()
        assert core.feed(events.TokenRenewed()) == [events.SendConnect({}, 1)]
        assert core.came(frames.Reconnected(id=1, expires="2026-11-24T00:00:00.000Z")) == []

    def test_off_line_there_is_nothing_to_show_it_to(self) -> None:
        assert Core().feed(events.TokenRenewed()) == []


class TestAnswers:
    def test_reach_the_person_who_asked(self) -> None:
        core = Core()
        core.live()
        core.feed(events.CommandRequested(frames.Invite(id=0, room="ops", username="bob")))
        (note,) = shown(core.came(frames.Invited(id=1, room="ops", username="bob")))
        assert isinstance(note, notes.CommandAnswered)

    def test_a_refusal_too(self) -> None:
        core = Core()
        core.live()
        core.feed(events.CommandRequested(frames.CreateRoom(id=0, room="ops")))
        (note,) = shown(core.came(frames.ErrorFrame(id=1, code="room_exists", detail="A room of this name exists.")))
        assert isinstance(note, notes.CommandRefused)

    def test_a_made_room_is_followed(self) -> None:
        core = Core()
        core.live()
        core.feed(events.CommandRequested(frames.CreateRoom(id=0, room="ops")))
        core.came(frames.Created(id=1, room="ops", private=False, at=Position("e1", 0)))
        assert said(core.came(message(1, room="ops"))) == [1]

    def test_a_word_that_answers_nothing_is_shown(self) -> None:
        core = Core()
        core.live()
        assert shown(core.came(frames.ErrorFrame(code="bad_frame", detail="What?"))) == [notes.ServerError("What?")]


def test_the_end_of_the_session_is_said_once() -> None:
    core = Core()
    core.live()
    assert shown(core.came(frames.ErrorFrame(code="session_ended", detail="The session has ended."))) == []
    assert len(shown(core.feed(events.ConnectionLost("The session has ended.", 0.5, CloseCode.SESSION_ENDED)))) == 1


def test_leaving_ends_it() -> None:
    core = Core()
    core.live()
    assert core.feed(events.QuitRequested())[-1] == events.Stop(notes.SessionOver(None, "You left."))
    assert core.state.phase is ConnectionPhase.ENDED
    assert core.came(welcome()) == []
