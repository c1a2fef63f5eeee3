"""Encrypted conversations in the core: what is sent is encrypted, whatever happens in whatever order."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire import frames
from chatterbox.wire.encryption.policy import EncryptionPolicy
from chatterbox.wire.errors import Code
from chatterbox.wire.position import Position
from client.core import events, notes
from client.core.client_state import ClientState
from client.core.encryption.encrypted_sends import CHANGING, UnencryptedSendError
from client.core.outbox_entry import OutboxEntry
from client.encryption.core.trust import DecryptedMessage
from client.encryption.message_encryption import EncryptedContent, EncryptedRoom, EncryptionWaits, WaitReason
from tests.unit.client.core.encryption.test_signed_commands import ENTRY
from tests.unit.client.world import ME, Core, shown, transmitted, welcome

BOB, WIRE, UID = "@bob", "@alice~bob", "uid-of-bob-1234567890A"
AT = Position("e1", 0)
SECRET = "a secret text"


def state_of(room: str = WIRE, head: int = 0) -> frames.RoomState:
    return frames.RoomState(
        room=room,
        at=Position("e1", head),
        head=head,
        private=True,
        encrypted="~" in room,
        uid=UID if "~" in room else "",
    )


def encrypting_welcome(*rooms: frames.RoomState) -> frames.Welcome:
    return msgspec.structs.replace(welcome(*rooms), encryption=EncryptionPolicy.DIRECT)


def envelope(body: str = "Zm9v") -> EncryptedContent:
    return EncryptedContent(f"e1.ABCDEFGHIJ.{'s' * 43}.{body}", 4)


def live(*rooms: frames.RoomState) -> Core:
    core = Core()
    core.feed(events.Started((), ME), events.HandshakeDone(), events.FrameReceived(encrypting_welcome(*rooms)))
    return core


def again(core: Core, *rooms: frames.RoomState) -> list[events.Effect]:
    lost = events.ConnectionLost("cut", 0.5)
    return core.feed(lost, events.HandshakeDone(), events.FrameReceived(encrypting_welcome(*rooms)))


def wanted(effects: list[events.Effect]) -> list[events.EncryptContent]:
    return [effect for effect in effects if isinstance(effect, events.EncryptContent)]


def write(core: Core, key: str = "k1", text: str = SECRET, room: str = BOB) -> list[events.Effect]:
    return core.feed(events.MessageQueued(OutboxEntry(key, room, text)))


def stored(send: frames.Send, offset: int = 1) -> frames.Sent:
    return frames.Sent(id=send.id, room=send.room, at=Position("e1", offset), message_id=offset, timestamp="2026")


def sent_encrypted(core: Core, effects: list[events.Effect], body: str = "Zm9v") -> frames.Send:
    [job] = wanted(effects)
    [send] = transmitted(core.feed(events.ContentEncrypted(job.job, envelope(body))))
    assert isinstance(send, frames.Send)
    return send


class TestSending:
    def test_message_is_encrypted_and_then_sent_under_its_key(self) -> None:
        core = live(state_of())
        effects = write(core)
        assert transmitted(effects) == []
        [job] = wanted(effects)
        assert (job.key, job.room, job.content.text, job.again) == ("k1", EncryptedRoom(WIRE, UID), SECRET, False)
        send = sent_encrypted(core, effects)
        assert (send.room, send.content, send.recipients, send.key) == (WIRE, envelope().envelope, 4, "k1")

    def test_own_message_is_shown_in_clear_after_its_ack(self) -> None:
        core = live(state_of())
        send = sent_encrypted(core, write(core))
        [note] = [note for note in shown(core.came(stored(send))) if isinstance(note, notes.MessageShown)]
        assert (note.message.room, note.message.content) == (BOB, SECRET)
        assert isinstance(note.message, DecryptedMessage)
        assert core.state.unsent_count == 0

    def test_conversation_that_does_not_exist_is_opened_first_as_an_encrypted_one(self) -> None:
        core = live()
        assert transmitted(write(core)) == [frames.Direct(id=1, username="bob", encrypted=True)]
        opened = frames.DirectOpened(id=1, room=WIRE, with_=("alice", "bob"), at=AT, encrypted=True, uid=UID)
        assert [job.content.text for job in wanted(core.came(opened))] == [SECRET]

    def test_messages_of_a_room_are_encrypted_one_after_the_other(self) -> None:
        core = live(state_of())
        first = write(core, "k1", "one")
        assert wanted(write(core, "k2", "two")) == []
        send = sent_encrypted(core, first)
        [second] = wanted(core.came(stored(send)))
        assert second.content.text == "two"

    def test_unanswered_message_is_sent_again_as_the_same_bytes(self) -> None:
        core = live(state_of())
        sent_encrypted(core, write(core))
        [job] = wanted(again(core, state_of()))
        assert (job.key, job.again) == ("k1", False)

    def test_text_that_changes_while_it_is_encrypted_is_encrypted_once_more(self) -> None:
        core = live(state_of())
        [job] = wanted(write(core))
        core.feed(events.EntryEdited("k1", "another text"))
        effects = core.feed(events.ContentEncrypted(job.job, envelope()))
        assert transmitted(effects) == []
        assert [(each.content.text, each.again) for each in wanted(effects)] == [("another text", True)]

    def test_message_that_is_taken_back_while_it_is_encrypted_is_not_sent(self) -> None:
        core = live(state_of())
        [job] = wanted(write(core))
        core.feed(events.EntryTakenBack("k1"))
        assert transmitted(core.feed(events.ContentEncrypted(job.job, envelope()))) == []

    def test_late_answer_of_an_earlier_connection_sends_nothing(self) -> None:
        core = live(state_of())
        [job] = wanted(write(core))
        core.feed(events.ConnectionLost("cut", 0.5))
        assert core.feed(events.ContentEncrypted(job.job, envelope())) == []

    def test_file_that_was_uploaded_in_clear_is_not_sent(self) -> None:
        core = live(state_of())
        file = frames.AttachedFile(id="f1", name="plan.pdf", type="", size=3)
        effects = core.feed(events.MessageQueued(OutboxEntry("k1", BOB, SECRET, files=(file,))))
        [note] = shown(effects)
        assert isinstance(note, notes.SendFailed)
        assert not transmitted(effects)
        assert not wanted(effects)


class TestStaleRecipients:
    def stale(self, send: frames.Send) -> frames.ErrorFrame:
        return frames.ErrorFrame(id=send.id, code=Code.RECIPIENTS_STALE, detail="Changed.")

    def test_message_is_encrypted_once_more_under_the_same_key(self) -> None:
        core = live(state_of())
        send = sent_encrypted(core, write(core))
        effects = core.came(self.stale(send))
        assert [(job.key, job.again) for job in wanted(effects)] == [("k1", True)]
        second = sent_encrypted(core, effects, "YmFy")
        assert (second.key, second.content) == ("k1", envelope("YmFy").envelope)

    def test_bytes_that_were_encrypted_once_more_are_kept_after_a_lost_connection(self) -> None:
        core = live(state_of())
        send = sent_encrypted(core, write(core))
        sent_encrypted(core, core.came(self.stale(send)), "YmFy")
        assert [job.again for job in wanted(again(core, state_of()))] == [False]

    def test_after_five_refusals_in_a_row_it_waits_and_says_why(self) -> None:
        core = live(state_of())
        send = sent_encrypted(core, write(core))
        for _ in range(4):
            send = sent_encrypted(core, core.came(self.stale(send)))
        effects = core.came(self.stale(send))
        assert wanted(effects) == []
        [note] = shown(effects)
        assert isinstance(note, notes.SendDelayed)
        assert (note.detail, note.retry_s) == (CHANGING, 1.0)
        [timer] = [effect.timer for effect in effects if isinstance(effect, events.StartTimer)]
        assert [job.again for job in wanted(core.feed(timer))] == [True]

    def test_count_of_refusals_begins_anew_with_each_stored_message(self) -> None:
        core = live(state_of())
        send = sent_encrypted(core, write(core))
        for _ in range(4):
            send = sent_encrypted(core, core.came(self.stale(send)))
        core.came(stored(send))
        send = sent_encrypted(core, write(core, "k2"))
        assert len(wanted(core.came(self.stale(send)))) == 1


class TestWaiting:
    def refused(self, core: Core, reason: WaitReason) -> list[events.Effect]:
        [job] = wanted(write(core))
        return core.feed(events.EncryptionRefused(job.job, EncryptionWaits(reason, ("bob",)), "Why, and what to do."))

    @pytest.mark.parametrize("reason", [WaitReason.NO_KEYS, WaitReason.KEYS_CHANGED, WaitReason.NO_RECOVERY_KEY])
    def test_message_stays_in_the_outbox_and_says_why(self, reason: WaitReason) -> None:
        core = live(state_of())
        [note] = shown(self.refused(core, reason))
        assert note == notes.SendWaits(core.state.unsent[BOB][0], reason, ("bob",), "Why, and what to do.")
        assert core.state.unsent_count == 1
        assert wanted(write(core, "k2")) == []

    def test_it_goes_when_keys_come(self) -> None:
        core = live(state_of())
        self.refused(core, WaitReason.NO_KEYS)
        effects = core.feed(events.EncryptionReady())
        assert sent_encrypted(core, effects).key == "k1"

    def test_the_same_reason_is_told_once(self) -> None:
        core = live(state_of())
        self.refused(core, WaitReason.NO_KEYS)
        [job] = wanted(core.feed(events.EncryptionReady()))
        waits = EncryptionWaits(WaitReason.NO_KEYS, ("bob",))
        assert shown(core.feed(events.EncryptionRefused(job.job, waits, "Why."))) == []

    def test_changed_keys_are_accepted_before_the_message_is_encrypted(self) -> None:
        core = live(state_of())
        self.refused(core, WaitReason.KEYS_CHANGED)
        effects = core.feed(events.KeysAccepted(BOB))
        accepted, encrypted = [effect for effect in effects if not isinstance(effect, events.StartTimer)]
        assert accepted == events.AcceptKeys(EncryptedRoom(WIRE, UID))
        assert isinstance(encrypted, events.EncryptContent)

    def test_it_is_tried_again_after_a_while_should_the_news_be_lost(self) -> None:
        core = live(state_of())
        effects = self.refused(core, WaitReason.NO_KEYS)
        [timer] = [effect.timer for effect in effects if isinstance(effect, events.StartTimer)]
        assert len(wanted(core.feed(timer))) == 1

    def test_other_rooms_go_on(self) -> None:
        core = live(state_of(), frames.RoomState(room="ops", at=AT, head=0))
        self.refused(core, WaitReason.NO_KEYS)
        [send] = transmitted(write(core, "k2", "hello", "ops"))
        assert isinstance(send, frames.Send)


class TestEditsAndReactions:
    def test_edit_that_a_person_asks_for_is_encrypted_and_answered_in_clear(self) -> None:
        core = live(state_of(head=3))
        command = frames.Edit(id=0, room=BOB, offset=2, content=SECRET)
        effects = core.feed(events.CommandRequested(command))
        [job] = wanted(effects)
        assert (transmitted(effects), job.content.text, job.content.offset) == ([], SECRET, 2)
        [edit] = transmitted(core.feed(events.ContentEncrypted(job.job, envelope())))
        assert isinstance(edit, frames.Edit)
        assert (edit.room, edit.content, edit.recipients) == (WIRE, envelope().envelope, 4)
        [note] = shown(core.came(frames.Changed(id=edit.id, room=WIRE, offset=2, rev=1)))
        assert isinstance(note, notes.CommandAnswered)
        assert note.command == msgspec.structs.replace(command, id=edit.id)

    def test_reaction_is_sent_as_an_envelope_without_its_emoji(self) -> None:
        core = live(state_of(head=3))
        effects = core.feed(events.CommandRequested(frames.React(id=0, room=BOB, offset=2, emoji="+1")))
        [job] = wanted(effects)
        assert (job.content.reactions, job.adds_reaction) == (("+1",), True)
        [react] = transmitted(core.feed(events.ContentEncrypted(job.job, envelope())))
        assert isinstance(react, frames.React)
        assert (react.room, react.offset, react.emoji) == (WIRE, 2, "")
        assert (react.envelope, react.recipients) == (envelope().envelope, 4)

    def test_stale_edit_is_encrypted_five_times_at_most(self) -> None:
        core = live(state_of(head=3))
        effects = core.feed(events.CommandRequested(frames.Edit(id=0, room=BOB, offset=2, content=SECRET)))
        for _ in range(5):
            [job] = wanted(effects)
            [edit] = transmitted(core.feed(events.ContentEncrypted(job.job, envelope())))
            assert isinstance(edit, frames.Edit)
            effects = core.came(frames.ErrorFrame(id=edit.id, code=Code.RECIPIENTS_STALE, detail="Changed."))
        assert wanted(effects) == []
        [note] = shown(effects)
        assert isinstance(note, notes.CommandRefused)

    def test_text_of_a_message_that_was_edited_before_its_ack_is_encrypted_too(self) -> None:
        core = live(state_of())
        send = sent_encrypted(core, write(core))
        core.feed(events.EntryEdited("k1", "a later text"))
        [job] = wanted(core.came(stored(send)))
        assert (job.content.text, core.state.unsent_count) == ("a later text", 1)
        [edit] = transmitted(core.feed(events.ContentEncrypted(job.job, envelope("YmFy"))))
        assert isinstance(edit, frames.Edit)
        assert edit.content == envelope("YmFy").envelope
        effects = core.came(frames.Changed(id=edit.id, room=WIRE, offset=1, rev=1))
        assert events.DropEntry("k1") in effects
        assert core.state.unsent_count == 0

    def test_edit_after_the_ack_survives_a_lost_connection(self) -> None:
        core = live(state_of())
        send = sent_encrypted(core, write(core))
        core.feed(events.EntryEdited("k1", "a later text"))
        core.came(stored(send))
        [job] = wanted(again(core, state_of(head=1)))
        assert (job.key, job.again, core.state.unsent_count) == ("k1", False, 1)


class TestNames:
    def test_name_is_the_encrypted_conversation_once_the_server_encrypts(self) -> None:
        core = live(state_of("@alice+bob", 3), state_of("@alice~bob", 4))
        assert set(core.state.streams) == {"@bob+", "@bob"}
        assert core.state.is_encrypted("@bob")
        assert not core.state.is_encrypted("@bob+")
        [kept] = [effect for effect in core.effects if isinstance(effect, events.KeepEncryptedDirects)]
        assert kept.encrypted.always

    def test_server_that_stops_encrypting_gets_nothing_in_clear(self) -> None:
        core = Core()
        core.feed(events.Started((), ME, live().state.encryption.directs), events.HandshakeDone())
        core.came(welcome(state_of("@alice+bob", 3)))
        assert set(core.state.streams) == {"@bob+"}
        assert transmitted(write(core)) == [frames.Direct(id=1, username="bob", encrypted=True)]
        plain = frames.DirectOpened(id=1, room="@alice+bob", with_=("alice", "bob"), at=AT)
        effects = core.came(plain)
        assert transmitted(effects) == []
        [note] = shown(effects)
        assert isinstance(note, notes.SendFailed)
        assert "does not carry encrypted messages any more. Nothing was sent in clear." in note.detail

    def test_conversation_that_becomes_encrypted_while_connected_keeps_its_earlier_messages_apart(self) -> None:
        core = Core()
        core.live(frames.RoomState(room="@alice+bob", at=Position("e1", 3), head=3))
        assert set(core.state.streams) == {"@bob"}
        opened = frames.Membership(
            room=WIRE, username=ME, member=True, by="bob", at=AT, private=True, encrypted=True, uid=UID
        )
        effects = core.came(opened)
        assert notes.DirectRenamed("@bob", "@bob+") in shown(effects)
        assert events.CloseConnection() in effects
        assert core.state.streams["@bob+"].at.offset == 3
        assert core.state.streams["@bob"].at.offset == 0

    def test_message_that_may_be_stored_in_clear_is_tried_there_and_others_are_encrypted(self) -> None:
        core = Core()
        core.live(frames.RoomState(room="@alice+bob", at=Position("e1", 3), head=3))
        [send] = transmitted(write(core, "k1", "before"))
        assert isinstance(send, frames.Send)
        write(core, "k2", "after")
        effects = again(core, state_of("@alice+bob", 3), state_of())
        sends = [command for command in transmitted(effects) if isinstance(command, frames.Send)]
        assert [(each.key, each.room, each.content) for each in sends] == [("k1", "@alice+bob", "before")]
        assert [(job.key, job.content.text) for job in wanted(effects)] == [("k2", "after")]

    def test_mark_behind_a_name_begins_an_encrypted_conversation(self) -> None:
        core = Core()
        core.live()
        effects = core.feed(events.RoomRequested("@bob~"))
        assert transmitted(effects) == [frames.Direct(id=1, username="bob", encrypted=True)]
        assert core.state.joining == frozenset({"@bob"})


class TestReading:
    def test_message_that_becomes_readable_later_is_shown_as_changed(self) -> None:
        core = live(state_of(head=5))
        late = DecryptedMessage(
            room=WIRE, at=Position("e1", 4), message_id=4, username="bob", content=SECRET, timestamp="2026"
        )
        [note] = shown(core.feed(events.MessagesDecrypted(WIRE, (late,))))
        assert note == notes.MessageChanged(msgspec.structs.replace(late, room=BOB), mine=False)


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from([BOB, "@carol", "@bob+", "general", "plans~"])),
        st.tuples(st.sampled_from(["edit", "react", "change", "topic"]), st.sampled_from([BOB, "general", "plans~"])),
        st.tuples(st.sampled_from(["create", "invite", "join"]), st.just("plans~")),
        st.tuples(st.sampled_from(["encrypt", "refuse", "cut", "connect", "downgrade", "ready"]), st.just("")),
        st.tuples(st.sampled_from(["wake", "open", "ack", "stale", "error"]), st.just("")),
    ),
    max_size=40,
)


@given(ACTIONS)
def test_no_order_of_events_sends_text_to_an_encrypted_room(actions: list[tuple[str, str]]) -> None:
    core = live(state_of(head=3), frames.RoomState(room="general", at=AT, head=0))
    for number, (action, room) in enumerate(actions):
        jobs = list(core.state.encryption.jobs)
        pending = list(core.state.pending.values())
        match action:
            case "write":
                write(core, f"key{number}", SECRET, room)
            case "edit":
                core.feed(events.CommandRequested(frames.Edit(id=0, room=room, offset=1, content=SECRET)))
            case "react":
                core.feed(events.CommandRequested(frames.React(id=0, room=room, offset=1, emoji="+1")))
            case "topic":
                core.feed(events.CommandRequested(frames.SetTopic(id=0, room=room, topic=SECRET)))
            case "create":
                core.feed(events.CommandRequested(frames.CreateRoom(id=0, room=room)))
            case "invite":
                core.feed(events.CommandRequested(frames.Invite(id=0, room=room, username="bob")))
            case "join":
                core.came(frames.Membership(room=room, username=ME, member=True, at=AT, private=True))
            case "change":
                core.feed(*[events.EntryEdited(one.key, SECRET * 2) for one in core.state.unsent.get(room, ())])
            case "encrypt" if jobs:
                core.feed(*_done(core, jobs[0]))
            case "refuse" if jobs:
                core.feed(events.EncryptionRefused(jobs[0], EncryptionWaits(WaitReason.KEYS_CHANGED), "Why."))
            case "cut":
                core.feed(events.ConnectionLost("cut", 0.5), events.HandshakeDone())
            case "connect":
                core.came(encrypting_welcome(state_of(head=3), state_of("plans~")))
            case "downgrade":
                plain = msgspec.structs.replace(state_of("plans~"), encrypted=False, uid="")
                core.came(welcome(state_of("@alice+bob", 3), plain))
            case "ready":
                core.feed(events.EncryptionReady(), events.KeysAccepted(BOB))
            case "wake":
                core.feed(*[each.timer for each in core.effects[-5:] if isinstance(each, events.StartTimer)])
            case "open":
                for each in pending:
                    if isinstance(each.command, frames.Direct):
                        core.came(frames.DirectOpened(id=each.command.id, room="@alice+bob", with_=(), at=AT))
            case "ack" | "stale" | "error" if pending:
                _answer(core, pending[0].command, action)
            case _:
                pass
    for command in transmitted(core.effects):
        if "~" in getattr(command, "room", ""):
            assert SECRET not in str(command)
            assert "+1" not in str(command)
            assert getattr(command, "entry", None) is not msgspec.UNSET or isinstance(command, frames.Leave)


def _done(core: Core, number: int) -> list[events.Event]:
    """What the shell feeds for a job: something encrypted or signed."""
    command = core.state.encryption.jobs[number].command
    match command:
        case frames.Send() | frames.Edit() | frames.React():
            return [events.ContentEncrypted(number, envelope())]
        case frames.SetTopic():
            encrypted = msgspec.structs.replace(command, topic=envelope().envelope, recipients=4)
            return [events.CommandSigned(number, encrypted)]
        case _:
            return [events.CommandSigned(number, msgspec.structs.replace(command, entry=ENTRY))]


def _answer(core: Core, command: frames.Command, how: str) -> None:
    command_id = getattr(command, "id", 0)
    if how == "ack" and isinstance(command, frames.Send):
        core.came(stored(replace_room(core, command)))
    elif how == "ack" and isinstance(command, frames.Edit | frames.React):
        core.came(frames.Changed(id=command_id, room=core.state.wire_name(command.room), offset=1, rev=1))
    elif how == "stale":
        core.came(frames.ErrorFrame(id=command_id, code=Code.RECIPIENTS_STALE, detail="Changed."))
    else:
        core.came(frames.ErrorFrame(id=command_id, code=Code.UNAVAILABLE, detail="Away.", retry_after_s=1))


def replace_room(core: Core, command: frames.Send) -> frames.Send:
    return msgspec.structs.replace(command, room=core.state.wire_name(command.room))


def test_a_rule_that_would_send_text_to_an_encrypted_room_fails_loudly() -> None:
    core = live(state_of(head=3))
    [job] = wanted(write(core))
    with pytest.raises(UnencryptedSendError):
        core.feed(events.ContentEncrypted(job.job, EncryptedContent(SECRET, 4)))


def test_a_client_that_takes_no_room_for_an_encrypted_one_fails_loudly(monkeypatch: pytest.MonkeyPatch) -> None:
    core = live(state_of(head=3))
    monkeypatch.setattr(ClientState, "is_encrypted", lambda _self, _room: False)
    with pytest.raises(UnencryptedSendError):
        write(core)
