"""The outbox's rules: order, retries, acks and refusals."""

import pytest

from chatterbox.wire import frames
from chatterbox.wire.errors import Code
from chatterbox.wire.limits import Limits
from chatterbox.wire.position import Position
from client.core import events, notes
from client.core.outbox_entry import OutboxEntry
from tests.unit.client.world import ME, Core, message, room_state, said, shown, transmitted

ONE, TWO = OutboxEntry("k1", "general", "one"), OutboxEntry("k2", "general", "two")
ELSEWHERE = OutboxEntry("k3", "ops", "three")


def sends(effects: list[events.Effect]) -> list[tuple[str, str | None]]:
    return [(sent.content, sent.key) for sent in transmitted(effects) if isinstance(sent, frames.Send)]


def ack(command_id: int, offset: int, room: str = "general") -> frames.Sent:
    at = Position("e1", offset)
    return frames.Sent(id=command_id, room=room, at=at, message_id=offset, timestamp="2026-11-23T10:00:00.000Z")


def refusal(command_id: int, code: str, retry_after_s: float | None = None) -> frames.ErrorFrame:
    return frames.ErrorFrame(id=command_id, code=code, detail="No.", retry_after_s=retry_after_s)


@pytest.fixture
def core() -> Core:
    core = Core()
    core.live(room_state(0), room_state(0, room="ops"))
    return core


class TestOrder:
    def test_second_message_waits_for_the_ack_of_the_first(self, core: Core) -> None:
        assert sends(core.feed(events.MessageQueued(ONE), events.MessageQueued(TWO))) == [("one", "k1")]
        assert sends(core.came(ack(1, 1))) == [("two", "k2")]

    def test_message_in_another_room_does_not_wait(self, core: Core) -> None:
        assert sends(core.feed(events.MessageQueued(ONE), events.MessageQueued(ELSEWHERE))) == [
            ("one", "k1"),
            ("three", "k3"),
        ]

    def test_message_taken_back_is_never_sent(self, core: Core) -> None:
        three = OutboxEntry("k9", "general", "third")
        core.feed(*map(events.MessageQueued, (ONE, TWO, three)), events.EntryTakenBack("k2"))
        assert sends(core.came(ack(1, 1))) == [("third", "k9")]

    def test_message_in_flight_is_not_taken_back(self, core: Core) -> None:
        core.feed(events.MessageQueued(ONE), events.EntryTakenBack("k1"))
        assert core.state.unsent == {"general": (ONE,)}
        assert notes.SendStored(ONE, Position("e1", 1)) in shown(core.came(ack(1, 1)))

    def test_message_taken_back_while_it_waits_to_be_sent_again_is_not_sent(self, core: Core) -> None:
        core.feed(events.MessageQueued(ONE), events.MessageQueued(TWO))
        core.came(refusal(1, "rate_limited", 1.0))
        core.feed(events.EntryTakenBack("k1"))
        assert sends(core.feed(events.RetryDue("general", 1))) == [("two", "k2")]

    def test_entries_of_an_earlier_run_are_sent_first(self) -> None:
        core = Core()
        core.feed(events.Started((ONE,)), events.MessageQueued(TWO), events.HandshakeDone())
        core.live(room_state(0))
        assert core.state.unsent["general"] == (ONE, TWO)
        assert sends(core.effects) == [("one", "k1")]

    def test_message_queued_before_the_start_is_in_the_outbox_once(self) -> None:
        core = Core()
        core.feed(events.MessageQueued(TWO), events.Started((ONE, TWO)))
        assert core.state.unsent["general"] == (ONE, TWO)


class TestMoving:
    def test_move_waits_for_the_ack_in_flight_and_sends_nothing_more(self, core: Core) -> None:
        core.feed(events.MessageQueued(ONE), events.MessageQueued(TWO))
        assert core.feed(events.MoveDue(1)) == []
        effects = core.came(ack(1, 1))
        assert sends(effects) == []
        assert events.CloseConnection() in effects
        core.again(room_state(1), room_state(0, room="ops"))
        assert sends(core.effects) == [("one", "k1"), ("two", "k2")]


class TestAcks:
    def test_acknowledged_message_is_dropped_and_shown_once(self, core: Core) -> None:
        core.feed(events.MessageQueued(ONE))
        effects = core.came(ack(1, 1))
        assert events.DropEntry("k1") in effects
        assert said(effects) == [1]
        assert said(core.came(message(1, username=ME))) == []

    def test_own_message_whose_ack_overtook_pushes_is_shown_in_order(self, core: Core) -> None:
        core.feed(events.MessageQueued(ONE))
        assert said(core.came(ack(1, 3))) == []
        assert said(core.came(message(1), message(2))) == [1, 2, 3]

    def test_message_is_not_shown_before_it_is_stored(self, core: Core) -> None:
        assert said(core.feed(events.MessageQueued(ONE))) == []


class TestOffline:
    def test_message_queued_offline_is_kept_and_reported(self) -> None:
        assert shown(Core().feed(events.MessageQueued(ONE))) == [notes.QueuedOffline(ONE)]

    def test_message_in_flight_is_sent_again_with_the_same_key(self, core: Core) -> None:
        core.feed(events.MessageQueued(ONE))
        assert sends(core.again(room_state(0))) == [("one", "k1")]

    def test_late_ack_of_an_earlier_connection_drops_nothing(self, core: Core) -> None:
        core.feed(events.MessageQueued(ONE), events.MessageQueued(TWO))
        core.again(room_state(0))
        core.came(ack(1, 1))
        assert core.state.unsent["general"] == (ONE, TWO)


class TestRefusals:
    @pytest.mark.parametrize("code", [Code.UNAVAILABLE, Code.RATE_LIMITED, Code.INTERNAL, Code.TOO_MANY_COMMANDS])
    def test_temporary_refusal_is_retried_after_the_wait_with_the_same_key(self, core: Core, code: Code) -> None:
        core.feed(events.MessageQueued(ONE), events.MessageQueued(TWO))
        effects = core.came(refusal(1, code, 2.5))
        assert events.StartTimer(2.5, events.RetryDue("general", 1)) in effects
        assert not sends(effects)
        assert sends(core.feed(events.RetryDue("general", 1))) == [("one", "k1")]

    def test_delayed_message_is_not_overtaken(self, core: Core) -> None:
        core.feed(events.MessageQueued(ONE))
        core.came(refusal(1, Code.RATE_LIMITED))
        assert not sends(core.feed(events.MessageQueued(TWO)))

    def test_final_refusal_is_shown_with_the_text_before_the_entry_is_dropped(self, core: Core) -> None:
        core.feed(events.MessageQueued(ONE), events.MessageQueued(TWO))
        effects = core.came(refusal(1, Code.NOT_A_MEMBER))
        undelivered = events.ShowNote(notes.SendFailed(ONE, Code.NOT_A_MEMBER, "No."))
        assert effects.index(undelivered) < effects.index(events.DropEntry("k1", stored=False))
        assert sends(effects) == [("two", "k2")]

    @pytest.mark.parametrize("code", [Code.SESSION_ENDED, Code.TOKEN_EXPIRED, Code.TOKEN_INVALID])
    def test_message_survives_the_end_of_the_session(self, core: Core, code: Code) -> None:
        core.feed(events.MessageQueued(ONE))
        core.came(refusal(1, code))
        assert core.state.unsent["general"] == (ONE,)

    def test_unknown_error_code_is_final_unless_it_says_when_to_retry(self, core: Core) -> None:
        core.feed(events.MessageQueued(ONE))
        core.came(refusal(1, "moon_phase", 3.0))
        assert core.state.unsent_count == 1
        core.feed(events.RetryDue("general", 1))
        core.came(refusal(2, "moon_phase"))
        assert core.state.unsent_count == 0

    def test_message_too_large_for_a_frame_is_refused_without_being_sent(self) -> None:
        core = Core()
        core.live(room_state(0), limits=Limits(frame_bytes=200))
        effects = core.feed(events.MessageQueued(OutboxEntry("k0", "general", "x" * 300)), events.MessageQueued(ONE))
        assert any(isinstance(note, notes.SendFailed) for note in shown(effects))
        assert sends(effects) == [("one", "k1")]


class TestEdits:
    """A message that is not acknowledged yet is edited."""

    ENTRY = OutboxEntry("k", "general", "helo")

    def queued(self, *, live: bool) -> Core:
        core = Core()
        if live:
            core.live(room_state(0))
        core.feed(events.MessageQueued(self.ENTRY), events.EntryEdited("k", "hello"))
        return core

    def test_message_that_was_never_sent_is_sent_as_edited_only(self) -> None:
        core = self.queued(live=False)
        (sent,) = transmitted(core.live(room_state(0)))
        assert isinstance(sent, frames.Send)
        assert (sent.content, sent.key) == ("hello", "k")

    def test_message_that_was_sent_is_edited_after_its_ack(self) -> None:
        core = self.queued(live=True)
        effects = core.came(ack(1, 1))
        assert transmitted(effects) == [frames.Edit(id=2, room="general", offset=1, content="hello")]
        assert events.DropEntry("k") not in effects
        assert core.state.unsent_count == 1
        assert events.DropEntry("k") in core.came(frames.Changed(id=2, room="general", offset=1, rev=1))
        assert core.state.unsent_count == 0

    def test_next_message_waits_for_the_edit(self) -> None:
        core = self.queued(live=True)
        core.feed(events.MessageQueued(OutboxEntry("k2", "general", "two")))
        core.came(ack(1, 1))
        effects = core.came(frames.Changed(id=2, room="general", offset=1, rev=1))
        (sent,) = transmitted(effects)
        assert isinstance(sent, frames.Send)
        assert sent.key == "k2"

    def test_edit_without_a_reply_is_made_again_after_the_same_ack(self) -> None:
        core = self.queued(live=True)
        core.came(ack(1, 1))
        (sent,) = transmitted(core.again(room_state(1)))
        assert isinstance(sent, frames.Send)
        assert (sent.content, sent.key) == ("helo", "k")
        assert transmitted(core.came(ack(3, 1))) == [frames.Edit(id=4, room="general", offset=1, content="hello")]

    def test_temporarily_refused_edit_is_made_again(self) -> None:
        core = self.queued(live=True)
        core.came(ack(1, 1))
        refusal = frames.ErrorFrame(id=2, code=Code.RATE_LIMITED, detail="Slow.", retry_after_s=1)
        assert core.came(refusal) == [events.StartTimer(1, events.RetryDue("general", 2))]
        (sent,) = transmitted(core.feed(events.RetryDue("general", 2)))
        assert isinstance(sent, frames.Send)

    def test_finally_refused_edit_is_shown(self) -> None:
        core = self.queued(live=True)
        core.came(ack(1, 1))
        effects = core.came(frames.ErrorFrame(id=2, code=Code.CONTENT_TOO_LONG, detail="Long."))
        (refused,) = [note for note in shown(effects) if isinstance(note, notes.CommandRefused)]
        assert isinstance(refused.command, frames.Edit)
        assert refused.command.content == "hello"
        assert events.DropEntry("k") in effects

    def test_messages_are_noted_as_tried_before_they_are_sent(self) -> None:
        core = Core()
        core.feed(events.MessageQueued(self.ENTRY))
        effects = core.live(room_state(0))
        kinds = [type(effect) for effect in effects]
        assert kinds.index(events.MarkTried) < kinds.index(events.SendCommand)
