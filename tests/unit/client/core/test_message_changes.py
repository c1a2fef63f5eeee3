"""Changes of messages: none is missed, whatever is lost, and however often and late frames come."""

from collections import deque
from dataclasses import dataclass, field

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from chatterbox.wire import frames
from chatterbox.wire.errors import Code
from chatterbox.wire.position import Position, ResumePoint
from client.core import events, notes
from client.core.client_state import ClientState
from client.core.message_changes import ChangeProgress, HeldMessages
from client.core.message_stream import MessageStream
from client.core.outbox_entry import OutboxEntry
from tests.unit.client.world import ME, ROOM, Core, message, room_state, said, shown, transmitted, welcome


def edited(offset: int, rev: int, *, epoch: str = "e1", username: str = "bob") -> frames.Message:
    return msgspec.structs.replace(
        message(offset, epoch=epoch, username=username), content=f"as of {rev}", rev=rev, edited="x"
    )


def change(offset: int, rev: int, after: int | None = None, *, epoch: str = "e1") -> frames.Change:
    after = rev - 1 if after is None else after
    return frames.Change(room=ROOM, rev=rev, after=after, message=edited(offset, rev, epoch=epoch))


def state(at: int, rev: int, head: int | None = None, *, epoch: str = "e1") -> frames.RoomState:
    return msgspec.structs.replace(room_state(at, head, epoch=epoch), rev=rev)


def changed(effects: list[events.Effect]) -> list[tuple[int, int]]:
    """The offset and the rev of each changed message that the face was told of."""
    found = [note.message for note in shown(effects) if isinstance(note, notes.MessageChanged)]
    return [(said.at.offset, said.rev) for said in found]


def holding(at: int, rev: int, first: int = 1) -> Core:
    """A core whose face holds the messages from `first` to `at`, with all changes up to `rev`."""
    streams = {ROOM: MessageStream(Position("e1", at), changes=ChangeProgress(rev, first))}
    core = Core(ClientState(streams=streams))
    core.feed(events.Started(), events.HandshakeDone({ROOM: HeldMessages(first)}))
    core.came(welcome(state(at, rev)))
    return core


def rev_of(core: Core) -> int | None:
    return core.state.streams[ROOM].rev


class TestPushes:
    def test_change_of_a_shown_message_is_passed_on(self) -> None:
        core = holding(4, rev=2)
        assert changed(core.came(change(3, 3))) == [(3, 3)]
        assert rev_of(core) == 3

    def test_change_without_a_message_moves_the_position_on(self) -> None:
        core = holding(4, rev=2)
        assert core.came(frames.Change(room=ROOM, rev=7, after=2)) == []
        assert rev_of(core) == 7

    def test_change_that_begins_after_the_position_proves_a_loss(self) -> None:
        core = holding(4, rev=2, first=3)
        effects = core.came(change(4, 6, after=5))
        assert changed(effects) == [(4, 6)]
        assert transmitted(effects) == [frames.ReadChanges(id=1, room=ROOM, after=2, first=3)]
        assert rev_of(core) == 2
        page = frames.ChangesPage(id=1, room=ROOM, changes=[change(3, 5)], through=6, more=False)
        assert changed(core.came(page)) == [(3, 5)]
        assert rev_of(core) == 6

    def test_lost_changes_are_requested_once(self) -> None:
        core = holding(4, rev=2)
        core.came(change(4, 6, after=5))
        assert transmitted(core.came(change(4, 9, after=8))) == []

    def test_lost_changes_are_requested_page_by_page(self) -> None:
        core = holding(4, rev=0)
        core.came(change(4, 9, after=8))
        page = frames.ChangesPage(id=1, room=ROOM, changes=[change(1, 4)], through=4, more=True)
        assert transmitted(core.came(page)) == [frames.ReadChanges(id=2, room=ROOM, after=4, first=1)]

    def test_page_of_changes_that_leads_nowhere_is_not_requested_for_ever(self) -> None:
        core = holding(4, rev=2)
        core.came(change(4, 9, after=8))
        assert transmitted(core.came(frames.ChangesPage(id=1, room=ROOM, changes=[], through=2, more=False))) == []
        assert rev_of(core) == 9

    def test_temporarily_refused_page_of_changes_is_requested_again(self) -> None:
        core = holding(4, rev=2)
        core.came(change(4, 9, after=8))
        refusal = frames.ErrorFrame(id=1, code=Code.UNAVAILABLE, detail="Away.", retry_after_s=2)
        assert core.came(refusal) == [events.StartTimer(2, events.RetryDue(ROOM, 1))]
        assert transmitted(core.feed(events.RetryDue(ROOM, 1))) == [
            frames.ReadChanges(id=2, room=ROOM, after=2, first=1)
        ]

    def test_finally_refused_page_of_changes_is_passed_over(self) -> None:
        core = holding(4, rev=2)
        core.came(change(4, 9, after=8))
        assert core.came(frames.ErrorFrame(id=1, code=Code.BAD_FRAME, detail="Unknown frame type.")) == []
        assert rev_of(core) == 9

    def test_change_of_another_epoch_is_passed_over(self) -> None:
        assert changed(holding(4, rev=0).came(change(3, 1, epoch="e2"))) == []

    def test_face_that_holds_nothing_never_requests_changes(self) -> None:
        core = Core()
        core.live(state(4, rev=2))
        assert transmitted(core.came(change(4, 9, after=8))) == []
        assert rev_of(core) == 9


class TestBeforeTheirTurn:
    def test_changed_message_behind_a_gap_is_shown_as_it_is_now(self) -> None:
        core = holding(4, rev=0)
        core.came(message(7), change(7, 1))
        effects = core.came(frames.Page(id=1, room=ROOM, messages=[message(5), message(6)], more=False, rev=1))
        assert said(effects) == [5, 6, 7]
        assert shown(effects)[-1] == notes.MessageShown(edited(7, 1), mine=False)

    def test_early_push_does_not_take_a_change_back(self) -> None:
        core = holding(4, rev=0)
        core.came(change(6, 1), message(6))
        effects = core.came(frames.Page(id=1, room=ROOM, messages=[message(5)], more=False, rev=1))
        assert shown(effects)[-1] == notes.MessageShown(edited(6, 1), mine=False)

    def test_own_message_shown_from_its_ack_becomes_what_its_push_says(self) -> None:
        core = holding(4, rev=0)
        core.feed(events.MessageQueued(OutboxEntry("k", ROOM, "hello")))
        core.came(frames.Sent(id=1, room=ROOM, at=Position("e1", 5), message_id=5, timestamp="x"))
        assert changed(core.came(edited(5, 3, username=ME))) == [(5, 3)]

    def test_own_message_is_whole_before_its_push(self) -> None:
        core = holding(4, rev=0)
        core.feed(events.MessageQueued(OutboxEntry("k", ROOM, "yes, @bob", reply_to=3)))
        (sent,) = transmitted(core.effects[-2:])
        assert isinstance(sent, frames.Send)
        assert sent.reply_to == 3
        ack = frames.Sent(
            id=1, room=ROOM, at=Position("e1", 5), message_id=5, timestamp="x", thread=2, mentions=("bob",)
        )
        (own,) = [note.message for note in shown(core.came(ack)) if isinstance(note, notes.MessageShown)]
        assert (own.reply_to, own.thread, own.mentions) == (3, 2, ("bob",))


class TestResume:
    def test_connect_says_which_changes_and_which_messages_are_held(self) -> None:
        core = holding(4, rev=2)
        effects = core.feed(events.ConnectionLost("cut", 0.5), events.HandshakeDone({ROOM: HeldMessages(3)}))
        assert events.SendConnect({ROOM: ResumePoint("e1", 4, 2, 3)}) in effects

    def test_room_of_which_nothing_is_held_resumes_with_the_messages_to_come(self) -> None:
        core = holding(4, rev=2)
        effects = core.feed(events.ConnectionLost("cut", 0.5), events.HandshakeDone({}))
        assert events.SendConnect({ROOM: ResumePoint("e1", 4, 2, 5)}) in effects

    def test_face_that_holds_nothing_resumes_without_changes(self) -> None:
        core = holding(4, rev=2)
        effects = core.feed(events.ConnectionLost("cut", 0.5), events.HandshakeDone())
        assert events.SendConnect({ROOM: ResumePoint("e1", 4)}) in effects
        core.came(welcome(state(4, rev=9)))
        assert rev_of(core) == 9

    def test_changes_that_the_server_does_not_push_are_requested(self) -> None:
        core = holding(4, rev=2)
        core.feed(events.ConnectionLost("cut", 0.5), events.HandshakeDone({ROOM: HeldMessages(3)}))
        assert frames.ReadChanges(id=1, room=ROOM, after=2, first=3) in transmitted(core.came(welcome(state(4, rev=9))))

    def test_messages_saved_by_an_earlier_run_are_brought_up_to_date(self) -> None:
        core = Core()
        core.feed(events.Started(), events.HandshakeDone({ROOM: HeldMessages(3, "e1", 2)}))
        effects = core.came(welcome(state(40, rev=9)))
        assert transmitted(effects) == [frames.ReadChanges(id=1, room=ROOM, after=2, first=3)]
        page = frames.ChangesPage(id=1, room=ROOM, changes=[change(3, 7)], through=9, more=False)
        assert changed(core.came(page)) == [(3, 7)]

    def test_messages_saved_from_another_epoch_are_not_brought_up_to_date(self) -> None:
        core = Core()
        core.feed(events.Started(), events.HandshakeDone({ROOM: HeldMessages(3, "e0", 2)}))
        assert transmitted(core.came(welcome(state(40, rev=9)))) == []
        assert rev_of(core) == 9

    def test_request_of_a_lost_connection_is_made_again(self) -> None:
        core = holding(4, rev=2)
        core.came(change(4, 9, after=8))
        core.feed(events.ConnectionLost("cut", 0.5), events.HandshakeDone({ROOM: HeldMessages(1)}))
        core.came(welcome(state(4, rev=2)))
        assert transmitted(core.came(change(4, 9, after=8))) == [frames.ReadChanges(id=2, room=ROOM, after=2, first=1)]


class TestPages:
    def test_changes_since_an_older_page_are_requested(self) -> None:
        core = holding(4, rev=5, first=3)
        core.feed(events.CommandRequested(frames.ReadHistory(id=0, room=ROOM, before=3)))
        page = frames.Page(id=1, room=ROOM, messages=[message(1), message(2)], more=False, rev=3)
        assert transmitted(core.came(page)) == [frames.ReadChanges(id=2, room=ROOM, after=3, first=1)]

    def test_joined_room_begins_at_the_rev_of_its_messages(self) -> None:
        core = Core()
        core.feed(events.Started(), events.HandshakeDone({}))
        core.came(welcome())
        core.feed(events.RoomRequested(ROOM))
        joined = frames.Joined(
            id=1, room=ROOM, at=Position("e1", 4), messages=[message(3), message(4)], complete=True, rev=6
        )
        core.came(joined)
        assert core.state.streams[ROOM].changes == ChangeProgress(6, 3)

    def test_room_joined_elsewhere_begins_at_the_rev_of_its_membership(self) -> None:
        core = Core()
        core.feed(events.Started(), events.HandshakeDone({}))
        core.came(welcome())
        core.came(frames.Membership(room=ROOM, username=ME, member=True, at=Position("e1", 4), rev=6))
        assert core.state.streams[ROOM].changes == ChangeProgress(6, 5)

    def test_changes_that_a_face_requests_are_passed_on(self) -> None:
        core = holding(4, rev=5)
        core.feed(events.CommandRequested(frames.ReadChanges(id=0, room=ROOM, after=3)))
        page = frames.ChangesPage(id=1, room=ROOM, changes=[change(2, 4)], through=5, more=False)
        assert changed(core.came(page)) == [(2, 4)]


HEAD, REVS = 6, 6


@dataclass
class Truth:
    """A room's history: which message changed at which rev, and each message as of any of them."""

    order: list[int]

    def as_of(self, offset: int, rev: int) -> frames.Message:
        revs = [number for number, changed in enumerate(self.order[:rev], 1) if changed == offset]
        return edited(offset, revs[-1]) if revs else message(offset)

    def change(self, rev: int, after: int) -> frames.Change:
        """The change at `rev`, joined with earlier ones of the same message, back to `after` at most."""
        first = rev
        while first > after + 1 and self.order[first - 2] == self.order[rev - 1]:
            first -= 1
        after = first - 1
        return frames.Change(room=ROOM, rev=rev, after=after, message=self.as_of(self.order[rev - 1], rev))

    def changes(self, asked: frames.ReadChanges) -> frames.ChangesPage:
        """A page of two."""
        now = [self.as_of(offset, len(self.order)) for offset in range(asked.first, HEAD + 1)]
        later = sorted((said for said in now if said.rev > asked.after), key=lambda said: said.rev)[:2]
        changes = [frames.Change(room=ROOM, rev=said.rev, after=0, message=said) for said in later]
        through = changes[-1].rev if len(changes) == 2 else len(self.order)
        return frames.ChangesPage(id=asked.id, room=ROOM, changes=changes, through=through, more=len(changes) == 2)

    def page(self, asked: frames.ReadHistory, rev: int) -> frames.Page:
        offsets = range((asked.after or 0) + 1, HEAD + 1)
        messages = [self.as_of(offset, rev) for offset in offsets][:3]
        return frames.Page(id=asked.id, room=ROOM, messages=messages, more=True, rev=rev)


@dataclass
class Holder:
    """A client and what its face holds."""

    truth: Truth
    core: Core = field(default_factory=Core)
    held: dict[int, frames.Message] = field(default_factory=dict)

    def take(self, effects: list[events.Effect], rev: int) -> None:
        """Perform effects, and answer requests in order: pages of history as of `rev`."""
        waiting = deque(effects)
        while waiting:
            match waiting.popleft():
                case events.ShowNote(notes.MessageShown(said)):
                    self.held[said.at.offset] = said
                case events.ShowNote(notes.MessageChanged(said)):
                    if said.at.offset in self.held and said.rev > self.held[said.at.offset].rev:
                        self.held[said.at.offset] = said
                case events.ShowNote(notes.CommandAnswered(_, frames.Page(messages=messages))):
                    self.held |= {said.at.offset: said for said in messages if said.at.offset not in self.held}
                case events.SendCommand(frames.ReadChanges() as asked):
                    waiting.extend(self.core.came(self.truth.changes(asked)))
                case events.SendCommand(frames.ReadHistory() as asked):
                    waiting.extend(self.core.came(self.truth.page(asked, rev)))
                case _:
                    pass


REV = st.integers(0, REVS)
FRAMES = st.one_of(
    st.tuples(st.just("message"), st.integers(1, HEAD), REV),
    st.tuples(st.just("change"), st.integers(1, REVS), REV),
    st.tuples(st.just("page"), st.integers(0, HEAD), REV),
)


class TestAnyOrder:
    @settings(max_examples=400)
    @given(
        st.lists(st.integers(1, HEAD), min_size=REVS, max_size=REVS), st.lists(FRAMES, max_size=40), st.integers(0, 4)
    )
    def test_held_messages_are_as_in_the_history_in_any_order_and_repetition_of_frames_and_pages(
        self, order: list[int], came: list[tuple[str, int, int]], begin: int
    ) -> None:
        truth = Truth(order)
        holder = Holder(truth)
        holder.core.feed(events.Started(), events.HandshakeDone({}), events.FrameReceived(welcome(state(begin, rev=0))))
        for kind, number, rev in came:
            match kind:
                case "message":
                    holder.take(holder.core.came(truth.as_of(number, rev)), rev)
                case "change":
                    holder.take(holder.core.came(truth.change(number, after=min(rev, number - 1))), REVS)
                case _:
                    asked = frames.ReadHistory(id=0, room=ROOM, after=number)
                    holder.take(holder.core.feed(events.CommandRequested(asked)), rev)
        # The last message and an empty change prove what is still missing.
        holder.take(holder.core.came(truth.as_of(HEAD, REVS), frames.Change(room=ROOM, rev=REVS, after=REVS)), REVS)
        assert holder.held == {offset: truth.as_of(offset, REVS) for offset in holder.held}
        assert holder.held.keys() >= set(range(begin + 1, HEAD + 1))
        assert rev_of(holder.core) == REVS
        assert holder.core.state.pending == {}
