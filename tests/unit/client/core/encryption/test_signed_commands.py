"""Encrypted private rooms in the core: what changes them is signed first, and their names alone make them encrypted."""

import msgspec
import pytest

from chatterbox.wire import frames
from chatterbox.wire.encryption.device_keys import CrossSigningKey
from chatterbox.wire.encryption.member_log import MemberEntry, MemberEntryKind, NewcomerHistory, SignedMember
from chatterbox.wire.encryption.policy import EncryptionPolicy
from chatterbox.wire.errors import Code
from chatterbox.wire.position import Position
from client.core import events, notes
from client.core.encryption.encrypted_sends import MAX_TRIES, UnencryptedSendError, require_encrypted
from client.core.encryption.signed_commands import KEEPS_CHANGING
from client.core.outbox_entry import OutboxEntry
from client.encryption.message_encryption import EncryptedRoom, EncryptionWaits, SignedCommand, WaitReason
from tests.unit.client.world import ME, Core, shown, transmitted, welcome

ROOM, UID = "plans~", "uid-of-plans-1234567890"
ENVELOPE = f"e1.ABCDEFGHIJ.{'s' * 43}.Zm9v"
ENTRY = MemberEntry(
    room=ROOM,
    seq=2,
    kind=MemberEntryKind.INVITE,
    by=SignedMember(user_id=1, username=ME, master="m"),
    self_signing=CrossSigningKey(user_id=ME, usage=("self_signing",), keys={}, signatures={}),
    signatures={},
)


def room_state(head: int = 0, *, encrypted: bool = True, uid: str = UID) -> frames.RoomState:
    at = Position("e1", head)
    return frames.RoomState(room=ROOM, at=at, head=head, private=True, encrypted=encrypted, uid=uid)


def live(*rooms: frames.RoomState, policy: EncryptionPolicy = EncryptionPolicy.DIRECT) -> Core:
    core = Core()
    frame = msgspec.structs.replace(welcome(*rooms), encryption=policy)
    core.feed(events.Started((), ME), events.HandshakeDone(), events.FrameReceived(frame))
    return core


def ask(core: Core, command: frames.Command, history: NewcomerHistory | None = None) -> list[events.Effect]:
    return core.feed(events.CommandRequested(command, history))


def to_sign(effects: list[events.Effect]) -> list[events.SignCommand]:
    return [effect for effect in effects if isinstance(effect, events.SignCommand)]


def signed(command: SignedCommand) -> SignedCommand:
    if isinstance(command, frames.SetTopic):
        return msgspec.structs.replace(command, topic=ENVELOPE, recipients=4)
    return msgspec.structs.replace(command, entry=ENTRY)


def sent(core: Core, effects: list[events.Effect], history: NewcomerHistory | None = None) -> frames.Command:
    [job] = to_sign(effects)
    [command] = transmitted(core.feed(events.CommandSigned(job.job, signed(job.command), history)))
    return command


COMMANDS: list[SignedCommand] = [
    frames.Invite(id=0, room=ROOM, username="bob"),
    frames.Remove(id=0, room=ROOM, username="bob"),
    frames.Leave(id=0, room=ROOM),
    frames.SetTopic(id=0, room=ROOM, topic="engines"),
]


class TestSigning:
    @pytest.mark.parametrize("command", COMMANDS)
    def test_command_about_an_encrypted_room_is_signed_before_it_is_sent(self, command: SignedCommand) -> None:
        core = live(room_state())
        effects = ask(core, command)
        assert transmitted(effects) == []
        assert [(job.command, job.room) for job in to_sign(effects)] == [(command, EncryptedRoom(ROOM, UID))]
        assert sent(core, effects) == msgspec.structs.replace(signed(command), id=1)

    def test_room_is_created_private_and_with_the_history_that_was_asked_for(self) -> None:
        core = live()
        effects = ask(core, frames.CreateRoom(id=0, room=ROOM), NewcomerHistory.ALL)
        [job] = to_sign(effects)
        assert (job.room, job.history) == (None, NewcomerHistory.ALL)
        command = sent(core, effects)
        assert isinstance(command, frames.CreateRoom)
        assert command.private

    def test_created_room_can_be_written_in_at_once(self) -> None:
        core = live()
        sent(core, ask(core, frames.CreateRoom(id=0, room=ROOM)))
        core.came(frames.Created(id=1, room=ROOM, private=True, at=Position("e1", 0), uid=UID))
        effects = core.feed(events.MessageQueued(OutboxEntry("k1", ROOM, "hello")))
        assert [each.room for each in effects if isinstance(each, events.EncryptContent)] == [EncryptedRoom(ROOM, UID)]

    def test_reply_is_shown_as_one_to_the_command_in_clear(self) -> None:
        core = live(room_state())
        sent(core, ask(core, COMMANDS[3]))
        [_, note] = shown(core.came(frames.TopicSet(id=1, room=ROOM, topic="engines")))
        assert isinstance(note, notes.CommandAnswered)
        assert note.command == msgspec.structs.replace(COMMANDS[3], id=1)

    def test_topic_is_cleared_without_an_envelope(self) -> None:
        core = live(room_state())
        cleared = frames.SetTopic(id=0, room=ROOM, topic="")
        assert transmitted(ask(core, cleared)) == [msgspec.structs.replace(cleared, id=1)]

    def test_plain_rooms_need_no_signature(self) -> None:
        core = live()
        plain = frames.Invite(id=0, room="ops", username="bob")
        assert transmitted(ask(core, plain)) == [msgspec.structs.replace(plain, id=1)]

    def test_private_room_is_an_encrypted_one_where_the_server_wants_that(self) -> None:
        core = live(policy=EncryptionPolicy.PRIVATE)
        [job] = to_sign(ask(core, frames.CreateRoom(id=0, room="plans", private=True)))
        assert isinstance(job.command, frames.CreateRoom)
        assert job.command.room == ROOM
        public = frames.CreateRoom(id=0, room="ops")
        assert transmitted(ask(core, public)) == [msgspec.structs.replace(public, id=1)]

    def test_such_a_server_also_encrypts_direct_conversations(self) -> None:
        assert live(policy=EncryptionPolicy.PRIVATE).state.encryption.directs.always


class TestStale:
    @pytest.mark.parametrize("command", COMMANDS)
    @pytest.mark.parametrize("code", [Code.MEMBER_LOG_STALE, Code.RECIPIENTS_STALE])
    def test_command_is_signed_again_at_once_but_not_for_ever(self, command: SignedCommand, code: Code) -> None:
        core = live(room_state())
        effects = ask(core, command)
        for _ in range(MAX_TRIES):
            sending = sent(core, effects)
            effects = core.came(frames.ErrorFrame(id=getattr(sending, "id", 0), code=code, detail="Others changed it."))
        assert to_sign(effects) == []
        [note] = shown(effects)
        assert isinstance(note, notes.CommandRefused)
        assert (note.code, note.detail) == (code, KEEPS_CHANGING)

    def test_other_refusals_are_shown_at_once(self) -> None:
        core = live(room_state())
        sent(core, ask(core, COMMANDS[0]))
        effects = core.came(frames.ErrorFrame(id=1, code=Code.MEMBER_ENTRY_INVALID, detail="It is not signed."))
        assert to_sign(effects) == []
        assert [note.detail for note in shown(effects) if isinstance(note, notes.CommandRefused)] == [
            "It is not signed."
        ]


class TestNotSigned:
    def refuse(self, core: Core, command: SignedCommand, code: str = "") -> list[events.Effect]:
        [job] = to_sign(ask(core, command))
        waits = EncryptionWaits(WaitReason.DEVICE_PENDING)
        return core.feed(events.EncryptionRefused(job.job, waits, "This device has no keys yet.", code))

    @pytest.mark.parametrize("command", [COMMANDS[0], COMMANDS[1], COMMANDS[3]])
    def test_nothing_is_sent_and_the_person_is_told_why(self, command: SignedCommand) -> None:
        effects = self.refuse(live(room_state()), command)
        assert transmitted(effects) == []
        assert shown(effects) == [notes.CommandRefused(command, "device_pending", "This device has no keys yet.")]

    def test_code_of_the_server_is_kept(self) -> None:
        [note] = shown(self.refuse(live(room_state()), COMMANDS[0], Code.USER_UNKNOWN))
        assert isinstance(note, notes.CommandRefused)
        assert note.code == Code.USER_UNKNOWN

    def test_who_has_no_keys_can_leave_all_the_same(self) -> None:
        effects = self.refuse(live(room_state()), COMMANDS[2])
        assert transmitted(effects) == [frames.Leave(id=1, room=ROOM)]

    def test_lost_connection_refuses_what_was_not_signed_yet(self) -> None:
        core = live(room_state())
        [job] = to_sign(ask(core, COMMANDS[0]))
        effects = core.feed(events.ConnectionLost("cut", 0.5))
        assert [note.code for note in shown(effects) if isinstance(note, notes.CommandRefused)] == ["offline"]
        assert core.feed(events.CommandSigned(job.job, signed(job.command))) == []


class TestInvitations:
    def invited(self, core: Core, history: NewcomerHistory) -> list[events.Effect]:
        sent(core, ask(core, COMMANDS[0]), history)
        return core.came(frames.Invited(id=1, room=ROOM, username="bob"))

    def test_says_that_the_user_reads_from_joining_on(self) -> None:
        [note] = shown(self.invited(live(room_state(head=7)), NewcomerHistory.JOINING))
        assert isinstance(note, notes.CommandAnswered)
        assert note.earlier == 0

    def test_earlier_keys_are_given_before_it_is_told(self) -> None:
        core = live(room_state(head=7))
        effects = self.invited(core, NewcomerHistory.ALL)
        [share] = [effect for effect in effects if isinstance(effect, events.ShareHistory)]
        assert (shown(effects), share.room, share.answered.earlier) == ([], EncryptedRoom(ROOM, UID), 7)
        assert shown(core.feed(events.HistoryShared(share.answered))) == [share.answered]


class TestLyingServer:
    """A name with `~` is the one of an encrypted room, whatever the server says."""

    @pytest.mark.parametrize(
        "state", [room_state(encrypted=False, uid=""), room_state(uid=""), room_state(encrypted=False)]
    )
    def test_nothing_is_sent_to_a_room_that_the_server_calls_plain(self, state: frames.RoomState) -> None:
        core = live(state)
        effects = core.feed(events.MessageQueued(OutboxEntry("k1", ROOM, "secret")))
        assert transmitted(effects) == []
        [note] = shown(effects)
        assert isinstance(note, notes.SendWaits)
        assert note.reason is WaitReason.MARKED_PLAIN
        assert "says that #plans~ is not encrypted" in note.detail
        for command in COMMANDS:
            effects = ask(core, command)
            assert (transmitted(effects), to_sign(effects)) == ([], [])
            assert [note.code for note in shown(effects) if isinstance(note, notes.CommandRefused)] == ["marked_plain"]

    def test_message_goes_once_the_server_says_how_the_room_is_called(self) -> None:
        core = live(room_state(encrypted=False, uid=""))
        core.feed(events.MessageQueued(OutboxEntry("k1", ROOM, "secret")))
        at = Position("e1", 0)
        joined = frames.Membership(
            room=ROOM, username=ME, member=True, by=ME, at=at, private=True, encrypted=True, uid=UID
        )
        effects = core.came(joined)
        assert [job.content.text for job in effects if isinstance(job, events.EncryptContent)] == ["secret"]

    def test_what_was_encrypted_once_stays_so(self) -> None:
        core = live(room_state())
        core.feed(events.ConnectionLost("cut", 0.5), events.HandshakeDone())
        core.came(welcome(room_state(encrypted=False, uid="")))
        effects = core.feed(events.MessageQueued(OutboxEntry("k1", ROOM, "secret")))
        assert transmitted(effects) == []
        assert [job.content.text for job in effects if isinstance(job, events.EncryptContent)] == ["secret"]

    def test_message_to_a_room_that_the_user_is_not_in_is_given_back(self) -> None:
        effects = live().feed(events.MessageQueued(OutboxEntry("k1", ROOM, "secret")))
        assert transmitted(effects) == []
        [note] = shown(effects)
        assert isinstance(note, notes.SendFailed)
        assert note.code == Code.NOT_A_MEMBER


class TestTopics:
    def test_decrypted_topic_is_shown(self) -> None:
        core = live(room_state())
        assert shown(core.feed(events.TopicDecrypted(ROOM, "engines"))) == [notes.TopicChange(ROOM, "engines")]
        assert core.state.topics[ROOM] == "engines"

    def test_topic_that_can_not_be_read_is_known_to_be_there(self) -> None:
        core = live(room_state())
        core.feed(events.TopicDecrypted(ROOM, None))
        assert core.state.encryption.unreadable_topics == {ROOM}
        core.came(frames.TopicUpdate(room=ROOM, topic="", by="bob"))
        assert core.state.encryption.unreadable_topics == frozenset()


@pytest.mark.parametrize(
    "command",
    [
        frames.SetTopic(id=1, room=ROOM, topic="engines"),
        frames.SetTopic(id=1, room=ROOM, topic=ENVELOPE),
        frames.CreateRoom(id=1, room=ROOM, private=True),
        frames.Invite(id=1, room=ROOM, username="bob"),
    ],
)
def test_last_look_before_sending_finds_what_is_neither_encrypted_nor_signed(command: frames.Command) -> None:
    with pytest.raises(UnencryptedSendError):
        require_encrypted(command, is_encrypted=True)
    require_encrypted(command, is_encrypted=False)
