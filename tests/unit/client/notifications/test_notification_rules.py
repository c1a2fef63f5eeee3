"""Which messages are reported: levels, mentions, keywords; never old, own or read ones."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire.frames import Message, Page, RoomState
from chatterbox.wire.position import Position
from chatterbox.wire.read_state import NotificationLevel, ReadState
from client.config.config_schema import NotificationSettings, NotifyLevel
from client.core import notes
from client.core.read_state.room_read_state import RoomReadState
from client.notifications.notification import NotifyReason
from client.notifications.notification_rules import RESET_S, NotificationRules, take
from tests.unit.client.world import Core, message, room_state, shown


def said(
    content: str = "hello", offset: int = 11, *, room: str = "ops", epoch: str = "e1", mine: bool = False
) -> notes.MessageShown:
    return notes.MessageShown(msgspec.structs.replace(message(offset, room=room, epoch=epoch), content=content), mine)


def connected(*rooms: RoomState) -> notes.WelcomeReceived:
    return notes.WelcomeReceived(
        "ada", rooms or (room_state(10, room="ops"), room_state(0, room="dev")), 0, again=False
    )


class Listener:
    """Takes notes one after the other, a tenth of a second apart, and keeps the reasons of what is told."""

    def __init__(self, looking_at: str | None = None, *, focused: bool = False, **settings: Any) -> None:
        self.rule = NotificationRules(NotificationSettings(**settings))
        self.now_s = 100.0
        self.looking_at = looking_at
        self.focused = focused

    def hear(self, *heard: notes.Note) -> list[NotifyReason]:
        return [why for note in heard if (why := self._take(note)) is not None]

    def _take(self, note: notes.Note) -> NotifyReason | None:
        self.now_s += 0.1
        self.rule, heard = take(self.rule, note, self.now_s, self.looking_at, focused=self.focused)
        return heard.reason if heard else None


def live(**settings: Any) -> Listener:
    listener = Listener(**settings)
    listener.hear(connected())
    return listener


def told(level: NotificationLevel, until: str = "", room: str = "ops") -> notes.ReadStateTold:
    return notes.ReadStateTold(room, RoomReadState(ReadState(10, counted=10, notify=level, until=until)))


class TestLevelsOfTheServer:
    def test_level_of_the_server_counts_instead_of_the_default(self) -> None:
        listener = live(default=NotifyLevel.MENTIONS)
        assert listener.hear(told(NotificationLevel.ALL), said()) == [NotifyReason.MESSAGE]
        assert listener.hear(told(NotificationLevel.NONE), said("ada?", 12)) == []
        assert listener.hear(told(NotificationLevel.CLIENT), said("ada?", 13)) == [NotifyReason.MENTION]

    def test_level_of_a_room_in_the_configuration_counts_instead_of_the_servers(self) -> None:
        listener = live(rooms={"ops": NotifyLevel.ALL})
        assert listener.hear(told(NotificationLevel.NONE, "2026-11-23T12:00:00Z"), said()) == [NotifyReason.MESSAGE]

    def test_room_is_quiet_until_the_time_that_was_set(self) -> None:
        listener = live(default=NotifyLevel.ALL)
        assert listener.hear(told(NotificationLevel.ALL, "2026-11-23T10:00:01Z"), said("ada?")) == []
        assert listener.hear(told(NotificationLevel.ALL, "2026-11-23T09:59:59Z"), said()) == [NotifyReason.MESSAGE]

    def test_time_that_is_none_does_not_silence_a_room(self) -> None:
        assert live().hear(told(NotificationLevel.ALL, "soon"), said()) == [NotifyReason.MESSAGE]

    def test_level_stays_after_a_reconnect(self) -> None:
        listener = live(default=NotifyLevel.ALL)
        assert listener.hear(told(NotificationLevel.NONE), connected(), said()) == []


class TestDirectConversations:
    def test_each_message_is_told_although_only_mentions_are_asked_for(self) -> None:
        told = live(default=NotifyLevel.MENTIONS).hear(said(room="@bob"), said("ada?", 12, room="@bob"))
        assert told == [NotifyReason.DIRECT, NotifyReason.DIRECT]

    def test_level_none_mutes_one_of_them_or_all(self) -> None:
        assert live(rooms={"@bob": NotifyLevel.NONE}).hear(said("ada?", room="@bob")) == []
        assert live(default=NotifyLevel.NONE).hear(said(room="@bob")) == []
        muted = live(default=NotifyLevel.NONE, rooms={"@bob": NotifyLevel.MENTIONS})
        assert muted.hear(said(room="@bob")) == [NotifyReason.DIRECT]

    def test_own_and_read_messages_are_not_told(self) -> None:
        listener = live()
        listener.focused, listener.looking_at = True, "@bob"
        assert listener.hear(said(room="@bob"), said(offset=12, room="@bob", mine=True)) == []


class TestLevels:
    @pytest.mark.parametrize(
        ("level", "told"),
        [
            (NotifyLevel.ALL, [NotifyReason.MESSAGE, NotifyReason.MENTION, NotifyReason.KEYWORD]),
            (NotifyLevel.MENTIONS, [NotifyReason.MENTION, NotifyReason.KEYWORD]),
            (NotifyLevel.NONE, []),
        ],
    )
    def test_level_decides_which_messages_are_reported(self, level: NotifyLevel, told: list[NotifyReason]) -> None:
        listener = live(default=level, keywords=("deploy",))
        assert listener.hear(said("hello"), said("@Ada: hello"), said("Deploy it")) == told

    def test_level_of_a_room_overrides_the_default(self) -> None:
        listener = live(default=NotifyLevel.NONE, rooms={"ops": NotifyLevel.ALL})
        assert listener.hear(said(room="ops"), said(room="dev")) == [NotifyReason.MESSAGE]


class TestUnreportedMessages:
    def test_own_message_is_not_reported(self) -> None:
        assert live(default=NotifyLevel.ALL).hear(said("ada", mine=True)) == []

    def test_message_of_the_focused_room_is_not_reported(self) -> None:
        listener = live(default=NotifyLevel.ALL, looking_at="ops", focused=True)
        assert listener.hear(said("ada", room="ops"), said(room="dev")) == [NotifyReason.MESSAGE]

    def test_message_of_the_open_room_is_reported_while_unfocused(self) -> None:
        assert live(looking_at="ops", focused=False).hear(said("ada", room="ops")) == [NotifyReason.MENTION]

    def test_missed_messages_are_not_reported(self) -> None:
        listener = Listener(default=NotifyLevel.ALL)
        again = connected(room_state(5, 7, room="ops"))
        before: list[notes.Note] = [notes.CatchingUp("ops", 2), said(offset=6), said(offset=7), notes.CaughtUp("ops")]
        assert listener.hear(again, *before) == []
        assert listener.hear(said(offset=8)) == [NotifyReason.MESSAGE]

    def test_missed_messages_of_an_unknown_room_are_not_reported(self) -> None:
        listener = live(default=NotifyLevel.ALL)
        assert listener.hear(notes.CatchingUp("x", 1), said(room="x"), notes.CaughtUp("x")) == []
        assert listener.hear(said(room="x", offset=12)) == [NotifyReason.MESSAGE]

    def test_messages_of_a_restored_history_are_not_reported(self) -> None:
        listener = Listener(default=NotifyLevel.ALL)
        reset = notes.RoomReset("ops", Position("e2", 1))
        assert listener.hear(connected(room_state(3, epoch="e2", room="ops")), reset) == []
        assert listener.hear(said(offset=2, epoch="e2"), said(offset=3, epoch="e2")) == []
        assert listener.hear(said(offset=4, epoch="e2")) == [NotifyReason.MESSAGE]

    def test_messages_right_after_a_reset_are_not_reported(self) -> None:
        listener = live(default=NotifyLevel.ALL)
        listener.hear(notes.RoomReset("ops", Position("e2", 0)))
        assert listener.hear(said(offset=1, epoch="e2"), said(offset=2, epoch="e2")) == []
        listener.now_s += RESET_S
        assert listener.hear(said(offset=3, epoch="e2")) == [NotifyReason.MESSAGE]

    def test_other_notes_are_not_reported(self) -> None:
        assert (
            live(default=NotifyLevel.ALL).hear(notes.RoomGone("ops"), notes.ServerError("ada"), notes.CaughtUp("ops"))
            == []
        )


def test_new_message_during_catching_up_is_reported_in_its_turn() -> None:
    listener = Listener(default=NotifyLevel.ALL)
    listener.hear(connected(room_state(5, 7, room="ops")), notes.CatchingUp("ops", 2))
    assert listener.hear(said(offset=6), said(offset=7), said(offset=8), notes.CaughtUp("ops")) == [
        NotifyReason.MESSAGE
    ]


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 5), st.booleans())
def test_each_live_message_of_the_real_reducer_is_reported_once(
    seen: int, missed: int, live_ones: int, from_memory: bool
) -> None:
    core, listener = Core(), Listener(default=NotifyLevel.ALL)
    effects = core.live(room_state(seen))
    head = seen + missed
    effects += core.again(room_state(seen if from_memory else head, head))
    offsets = range(seen + 1, head + 1 + live_ones)
    effects += core.came(*map(message, offsets))
    if not from_memory and missed:
        ids = [pending_id for pending_id, pending in core.state.pending.items()]
        page = [message(offset) for offset in range(seen + 1, head + 1)]
        effects += core.came(*(Page(id=each, room="general", messages=page, more=False) for each in ids))
    assert len(listener.hear(*shown(effects))) == live_ones


# What the server says of a message, and changes.


def edited(content: str, *mentions: str, did: str = "edit", mine: bool = False) -> notes.MessageChanged:
    now = msgspec.structs.replace(said(content).message, rev=1, edited="x", mentions=mentions)
    return notes.MessageChanged(now, mine, "bob", did)


@pytest.mark.parametrize(
    ("content", "mentions", "reason"),
    [
        ("look", ("ada",), NotifyReason.MENTION),
        ("all of you", ("eve", "@room"), NotifyReason.MENTION),
        ("ada, as @eve says", ("eve",), None),
        ("ada", (), NotifyReason.MENTION),
    ],
)
def test_mentions_that_the_server_lists_decide_instead_of_the_text(
    content: str, mentions: tuple[str, ...], reason: NotifyReason | None
) -> None:
    note = said(content)
    note = notes.MessageShown(msgspec.structs.replace(note.message, mentions=mentions), mine=False)
    assert live(default=NotifyLevel.MENTIONS).hear(note) == ([reason] if reason else [])


def test_only_an_edit_that_newly_mentions_the_user_is_reported() -> None:
    before = said("hello").message
    listener = live(default=NotifyLevel.ALL)

    def reported(note: notes.MessageChanged, held: Message | None = before) -> bool:
        return take(listener.rule, note, 200.0, related=held)[1] is not None

    assert reported(edited("hello @ada", "ada"))
    assert reported(edited("hello ada"))
    assert not reported(edited("hello again"))
    assert not reported(edited("hello ada again"), said("hello ada").message)
    assert not reported(edited("hello ada"), None)
    assert not reported(edited("hello ada", did="react"))
    assert not reported(edited("hello ada", did=""))
    assert not reported(edited("hello ada", mine=True))
    assert take(listener.rule, edited("hi ada"), 200.0, "ops", focused=True, related=before)[1] is None
    assert not live(default=NotifyLevel.NONE).hear(edited("hello ada"))


def test_reply_to_a_message_of_the_user_is_reported_as_a_mention() -> None:
    listener = live(default=NotifyLevel.MENTIONS)

    def reported(username: str) -> bool:
        answered = msgspec.structs.replace(message(3, room="ops"), username=username)
        return take(listener.rule, said("indeed"), 200.0, related=answered)[1] is not None

    assert reported("ada")
    assert not reported("eve")
