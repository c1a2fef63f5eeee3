"""Direct conversations in the core: `@bob` to the client, `@alice+bob` on the wire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire import direct_names, frames, text_rules
from chatterbox.wire.errors import Code
from chatterbox.wire.position import Position
from client.core import direct_rooms, events, notes
from client.core.client_state import ClientState
from client.core.message_stream import MessageStream
from client.core.outbox_entry import OutboxEntry
from tests.unit.client.world import ME, Core, message, room_state, said, shown, transmitted, welcome

BOB, WIRE = "@bob", "@alice+Bob"
AT = Position("e1", 0)
names = st.text(st.sampled_from("abcABC019_.-äÖßσ"), min_size=3, max_size=12)


def opened(command_id: int, room: str = WIRE) -> frames.DirectOpened:
    return frames.DirectOpened(id=command_id, room=room, with_=direct_names.people(room), at=AT)


def joined(command_id: int, *offsets: int) -> frames.Joined:
    messages = [message(offset, room=WIRE, username="Bob") for offset in offsets]
    at = Position("e1", max(offsets, default=0))
    return frames.Joined(id=command_id, room=WIRE, at=at, messages=messages, complete=True)


class TestNames:
    @given(names, names)
    def test_a_name_survives_the_way_out_and_back(self, me: str, other: str) -> None:
        local = direct_rooms.room_with(other)
        on_the_wire = direct_rooms.wire_name(local, me)
        assert direct_rooms.local_name(on_the_wire, me) == local
        assert text_rules.folded(on_the_wire) == text_rules.folded(direct_names.direct_name(me, other))

    @given(names, names)
    def test_the_servers_spelling_makes_no_difference(self, me: str, other: str) -> None:
        local = direct_rooms.local_name(direct_names.direct_name(me, other), me)
        assert local == direct_rooms.local_name(direct_names.direct_name(other.upper(), me), me)

    @pytest.mark.parametrize("room", ["general", "@eve+dave", "@eve+alicea", "@", "@x", ""])
    def test_other_names_are_left_as_they_are(self, room: str) -> None:
        assert direct_rooms.local_name(room, ME) == room

    def test_notes_are_named_after_oneself(self) -> None:
        assert direct_rooms.local_name("@alice+alice", ME) == "@alice"
        assert direct_rooms.wire_name("@alice", ME) == "@alice+alice"


class TestFrames:
    def test_every_message_and_room_in_a_frame_is_renamed(self) -> None:
        core = Core()
        core.live(room_state(3, room=WIRE), room_state(0))
        assert set(core.state.streams) == {BOB, "general"}
        assert said(core.came(message(4, room=WIRE))) == [4]
        [note] = shown(core.came(message(5, room=WIRE)))
        assert isinstance(note, notes.MessageShown)
        assert note.message.room == BOB
        core.feed(events.CommandRequested(frames.ListRooms(id=0)))
        summary = frames.RoomSummary(room=WIRE, private=True, member=True, members=2, at=AT)
        [answer] = shown(core.came(frames.RoomList(id=1, rooms=[summary])))
        assert isinstance(answer, notes.CommandAnswered)
        assert isinstance(answer.reply, frames.RoomList)
        assert [room.room for room in answer.reply.rooms] == [BOB]

    def test_a_gap_is_filled_under_the_servers_name(self) -> None:
        core = Core()
        core.live(room_state(0, room=WIRE))
        [history] = transmitted(core.came(message(3, room=WIRE)))
        assert isinstance(history, frames.ReadHistory)
        assert history.room == "@alice+bob"
        page = frames.Page(
            id=history.id, room=WIRE, messages=[message(n, room=WIRE) for n in (1, 2)], more=False
        )  # fmt: skip
        assert said(core.came(page)) == [1, 2, 3]

    def test_changed_message_is_renamed_too(self) -> None:
        core = Core()
        core.live(room_state(4, room=WIRE))
        change = frames.Change(room=WIRE, rev=1, after=0, message=message(4, room=WIRE), by="Bob", did="edit")
        renamed = direct_rooms.from_server(change, ME)
        assert isinstance(renamed, frames.Change)
        assert (renamed.room, renamed.message and renamed.message.room) == (BOB, BOB)

    def test_positions_are_resumed_under_the_servers_name_from_the_first_connection_on(self) -> None:
        core = Core(ClientState(streams={BOB: MessageStream(Position("e1", 7))}))
        effects = core.feed(events.Started((), ME), events.HandshakeDone())
        [connect] = [effect for effect in effects if isinstance(effect, events.SendConnect)]
        assert set(connect.resume) == {"@alice+bob"}


class TestOpening:
    def test_room_that_may_not_exist_is_opened_before_it_is_joined(self) -> None:
        core = Core()
        core.live()
        assert transmitted(core.feed(events.RoomRequested(BOB))) == [frames.Direct(id=1, username="bob")]
        assert transmitted(core.came(opened(1))) == [frames.Join(id=2, room="@alice+bob")]
        [note] = [note for note in shown(core.came(joined(2, 1))) if isinstance(note, notes.RoomEntered)]
        assert (note.room, [one.room for one in note.messages]) == (BOB, [BOB])
        assert said(core.came(message(2, room=WIRE, username="Bob"))) == [2]

    def test_known_room_is_joined_at_once(self) -> None:
        core = Core()
        core.live(room_state(3, room=WIRE))
        assert transmitted(core.feed(events.RoomRequested(BOB))) == [frames.Join(id=1, room="@alice+bob")]

    def test_request_while_offline_is_carried_out_after_the_welcome(self) -> None:
        core = Core()
        core.feed(events.Started((), ME), events.RoomRequested(BOB), events.HandshakeDone())
        assert transmitted(core.came(welcome())) == [frames.Direct(id=1, username="bob")]

    def test_request_that_a_lost_connection_cut_off_is_repeated(self) -> None:
        core = Core()
        core.live()
        core.feed(events.RoomRequested(BOB))
        effects = core.again()
        assert transmitted(effects) == [frames.Direct(id=2, username="bob")]
        assert not any(isinstance(note, notes.CommandRefused) for note in shown(effects))

    def test_refusal_reads_as_that_of_a_join(self) -> None:
        core = Core()
        core.live()
        core.feed(events.RoomRequested(BOB))
        effects = core.came(frames.ErrorFrame(id=1, code=Code.DIRECT_REFUSED, detail="No."))
        assert shown(effects) == [notes.CommandRefused(frames.Join(id=1, room=BOB), Code.DIRECT_REFUSED, "No.")]
        assert core.state.joining == frozenset()

    def test_temporary_refusal_is_tried_again(self) -> None:
        core = Core()
        core.live()
        core.feed(events.RoomRequested(BOB))
        effects = core.came(frames.ErrorFrame(id=1, code=Code.UNAVAILABLE, detail="Away.", retry_after_s=2))
        assert events.StartTimer(2, events.RetryDue(BOB, 1)) in effects
        assert transmitted(core.feed(events.RetryDue(BOB, 1))) == [frames.Direct(id=2, username="bob")]
        assert transmitted(core.feed(events.RetryDue(BOB, 1))) == []

    def test_message_to_a_new_conversation_is_acknowledged_and_shown_once(self) -> None:
        core = Core()
        core.live()
        [send] = transmitted(core.feed(events.MessageQueued(OutboxEntry("k1", BOB, "hello"))))
        assert isinstance(send, frames.Send)
        assert send.room == "@alice+bob"
        core.came(frames.Membership(room=WIRE, username=ME, member=True, by=ME, at=AT, private=True))
        sent = frames.Sent(
            id=send.id, room=WIRE, at=Position("e1", 1), message_id=1, timestamp="2026-11-23T10:00:00.000Z"
        )  # fmt: skip
        own = message(1, room=WIRE, username=ME)
        assert said(core.came(sent)) + said(core.came(own)) == [1]
        assert core.state.unsent_count == 0

    def test_conversation_that_another_user_opens_is_followed(self) -> None:
        core = Core()
        core.live()
        core.came(frames.Membership(room=WIRE, username=ME, member=True, by="Bob", at=AT, private=True))
        assert said(core.came(message(1, room=WIRE, username="Bob"))) == [1]
