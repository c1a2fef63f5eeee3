"""Read state: positions, unread counts, mentions and notification levels, as gateways ask for them."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Sequence
from functools import partial

import pytest

from chatterbox.wire import history_api
from chatterbox.wire.broker_events import CONTROL, SIGNALS, MembershipChanged, decode_control
from chatterbox.wire.encryption.policy import EncryptionPolicy
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.history_api import ReadOutcomes, ReadPosition, ReadPositions
from chatterbox.wire.read_state import NotificationLevel, ReadState
from services.history.core.recent_senders import PER_ROOM
from services.history.history import MAX_READ_POSITIONS
from services.history.reads.read_states import ReadStateReader
from tests.support import waiting
from tests.support.history import Service, Start, code, read_signal, until


@pytest.fixture
def start(start: Start) -> Start:
    """Direct conversations are not encrypted here."""
    return partial(start, encryption=EncryptionPolicy.ALLOWED)


async def state(history: Service, user: str = "bob", room_id: int = 1) -> ReadState:
    """The state of a room for a user, which both routes must tell alike."""
    user_id = history.auth.names[user]
    asked = history_api.UserIds({user_id: user})
    snapshot = await history.ask("memberships", asked, history_api.MembershipSnapshot)
    states = await history.ask("read-states", asked, history_api.ReadStates)
    assert states.of == snapshot.reads
    return states.of[user_id][room_id]


async def mark(
    history: Service, offset: int, turn: int | None = None, *, user: str = "bob", room_id: int = 1, origin: str = ""
) -> ReadState | None:
    position = ReadPosition(room_id, history.auth.names[user], offset, turn)
    answer = await history.ask("reads", ReadPositions([position], origin), ReadOutcomes)
    return answer.states[0]


async def say(history: Service, *texts: str, user: str = "alice", room_id: int = 1) -> None:
    outcomes = await history.append(*(history.message(text, "", user=user, room_id=room_id) for text in texts))
    assert all(isinstance(outcome, history_api.Appended) for outcome in outcomes)


class TestUnread:
    async def test_messages_of_others_after_the_position_are_unread(self, history: Service) -> None:
        await say(history, "1", "2")
        await say(history, "3", user="bob")
        await say(history, "4")
        assert await state(history) == ReadState(read=0, unread=3, counted=4)
        assert await state(history, "alice") == ReadState(read=0, unread=1, counted=4)

    async def test_marking_as_read_leaves_what_comes_after_it(self, history: Service) -> None:
        await say(history, "1", "2", "3")
        assert await mark(history, 2) == ReadState(read=2, unread=1, counted=3)
        assert await state(history) == ReadState(read=2, unread=1, counted=3)

    async def test_a_new_member_has_read_all_messages_of_before(self, history: Service) -> None:
        heard = await history.listening(CONTROL)
        await say(history, "1", "2")
        await history.greet("carol")
        await until(lambda: bool(heard))
        [event] = [decode_control(payload) for _, payload in heard]
        assert isinstance(event, MembershipChanged)
        assert event.read == 2
        assert await state(history, "carol") == ReadState(read=2, counted=2)

    async def test_joining_again_reads_everything(self, history: Service) -> None:
        await history.do("POST", "/rooms", "alice", {"room": "dev"})
        joined = await history.ask("join", history_api.JoinRoomCall("dev", 2, "bob"), history_api.RoomInfo)
        await say(history, "1", "2", room_id=joined.room_id)
        assert (await state(history, room_id=joined.room_id)).unread == 2
        await history.do("DELETE", "/rooms/dev/members/me", "bob")
        await history.do("PUT", "/rooms/dev/members/me", "bob")
        assert await state(history, room_id=joined.room_id) == ReadState(read=2, counted=2)

    async def test_counts_are_the_same_after_a_restart(self, start: Start) -> None:
        async with start() as history:
            await history.greet("alice", "bob")
            await say(history, "1", "2", "3")
            await say(history, "4", user="bob")
            before = await mark(history, 1)
        async with start() as history:
            assert await state(history) == before == ReadState(read=1, unread=2, counted=4)
            await say(history, "5")
            assert await state(history) == ReadState(read=1, unread=3, counted=5)

    async def test_far_behind_is_told_as_999(self, history: Service) -> None:
        await history.fill(PER_ROOM)
        await say(history, "one more")
        assert (await state(history)).unread == 999
        await mark(history, PER_ROOM)
        assert (await state(history)).unread == 1

    async def test_a_cold_room_is_counted_exactly(self, start: Start) -> None:
        async with start() as history:
            await history.greet("alice", "bob")
            for _ in range(PER_ROOM // 4):
                await say(history, "of alice", "of alice", "of alice")
                await say(history, "of bob", user="bob")
            await mark(history, 1000)
        async with start() as history:
            assert await state(history) == ReadState(read=1000, unread=750, counted=2000)
            assert (await state(history, "alice")).unread == 500


class TestPositions:
    async def test_positions_only_grow(self, history: Service) -> None:
        await say(history, *"123456")
        assert await mark(history, 5) == ReadState(read=5, unread=1, counted=6)
        assert await mark(history, 3) == ReadState(read=5, unread=1, counted=6)
        assert await mark(history, 2, turn=1) == ReadState(read=2, turn=1, unread=4, counted=6)
        assert await mark(history, 6, turn=0) == ReadState(read=2, turn=1, unread=4, counted=6)
        assert await mark(history, 3) == ReadState(read=3, turn=1, unread=3, counted=6)

    async def test_a_position_beyond_the_head_is_stored_as_the_head(self, start: Start) -> None:
        async with start() as history:
            await history.greet("alice", "bob")
            await say(history, "1")
            assert await mark(history, 2**53 - 1) == ReadState(read=1, counted=1)
        async with start():
            pass

    async def test_one_request_stores_positions_of_many_users_in_many_rooms(self, history: Service) -> None:
        await history.do("POST", "/rooms", "alice", {"room": "dev"})
        await say(history, "1", "2")
        await say(history, "1", room_id=2)
        positions = [
            ReadPosition(1, 2, 1),
            ReadPosition(2, 1, 1),
            ReadPosition(2, 2, 1),  # bob is no member
            ReadPosition(99, 2, 1),
            ReadPosition(1, 1, 1),
            ReadPosition(1, 2, 2),
        ]
        answer = await history.ask("reads", ReadPositions(positions), ReadOutcomes)
        bob = ReadState(read=2, counted=2)
        alice = ReadState(read=1, counted=2)
        assert answer.states == [bob, ReadState(read=1, counted=1), None, None, alice, bob]

    async def test_too_many_positions_in_one_request_are_refused(self, history: Service) -> None:
        positions = [ReadPosition(1, 2, 1)] * (MAX_READ_POSITIONS + 1)
        with pytest.raises(ChatError, match="at most 500") as refused:
            await history.ask("reads", ReadPositions(positions), ReadOutcomes)
        assert refused.value.code is Code.BAD_REQUEST


def rows(history: Service) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """The rows of mentions (user id, room id, offset), and of messages to a whole room (room id, offset, user id)."""
    with contextlib.closing(sqlite3.connect(history.settings.database)) as database:
        mentions = database.execute("SELECT user_id, room_id, offset FROM mentions ORDER BY 1, 2, 3").fetchall()
        calls = database.execute("SELECT room_id, offset, user_id FROM calls ORDER BY 1, 2").fetchall()
    return mentions, calls


async def edit(history: Service, offset: int, text: str, *, room_id: int = 1) -> None:
    change = history_api.MessageEdit(
        room_id=room_id, user_id=history.auth.names["alice"], username="alice", offset=offset, content=text
    )
    await history.append_batch([], [change])


async def delete(history: Service, offset: int, *, room_id: int = 1) -> None:
    change = history_api.MessageDeletion(
        room_id=room_id, user_id=history.auth.names["alice"], username="alice", offset=offset
    )
    await history.append_batch([], [change])


async def mentions(history: Service, user: str = "bob", room_id: int = 1) -> int:
    return (await state(history, user, room_id)).mentions


async def room_with_bob(history: Service, name: str = "dev", **settings: bool) -> int:
    """A room of alice with bob; returns its id."""
    await history.do("POST", "/rooms", "alice", {"room": name, **settings})
    await history.invite(name, "alice", "bob")
    found = await history.ask("find", history_api.FindRoomCall(name, 1, "alice"), history_api.RoomInfo)
    return found.room_id


class TestMentions:
    async def test_messages_that_name_a_member_count_until_they_are_read(self, history: Service) -> None:
        await say(history, "@bob one", "nothing", "@Bob two, @bob", "bob three")
        assert await mentions(history) == 2
        assert await mentions(history, "alice") == 0
        assert await mark(history, 1) == ReadState(read=1, unread=3, mentions=1, counted=4)
        assert (await mark(history, 4)) == ReadState(read=4, counted=4)

    async def test_marking_as_unread_counts_mentions_again(self, history: Service) -> None:
        await say(history, "@bob one", "@room two")
        await mark(history, 2)
        assert await mark(history, 0, turn=1) == ReadState(turn=1, unread=2, mentions=2, counted=2)

    async def test_a_message_to_the_room_counts_for_all_but_its_author(self, history: Service) -> None:
        await say(history, "@room hello", "@room and @bob")
        assert [await mentions(history, user) for user in ("alice", "bob")] == [0, 2]
        assert rows(history) == ([], [(1, 1, 1), (1, 2, 1)])

    async def test_a_plain_message_and_a_mention_of_oneself_write_no_row(self, history: Service) -> None:
        await say(history, "hello", "@alice remember", "@nobody", "me@bob.example")
        assert rows(history) == ([], [])

    async def test_an_edit_changes_for_whom_a_message_counts(self, history: Service) -> None:
        await history.greet("carol")
        await say(history, "@bob", "plain", "@room")
        await edit(history, 1, "@carol")
        await edit(history, 2, "@bob")
        await edit(history, 3, "@carol")
        assert [await mentions(history, user) for user in ("bob", "carol")] == [1, 2]
        assert rows(history) == ([(2, 1, 2), (3, 1, 1), (3, 1, 3)], [])
        await edit(history, 3, "@room")
        assert await mentions(history) == 2

    async def test_a_deleted_message_is_unread_but_mentions_nobody(self, history: Service) -> None:
        await say(history, "@bob", "@room", "@bob")
        await delete(history, 1)
        await delete(history, 2)
        assert await state(history) == ReadState(unread=3, mentions=1, counted=3)
        assert rows(history) == ([(2, 1, 3)], [])

    async def test_leaving_forgets_mentions_and_joining_again_brings_none_back(self, history: Service) -> None:
        room_id = await room_with_bob(history)
        await say(history, "@bob one", room_id=room_id)
        await history.do("DELETE", "/rooms/dev/members/me", "bob")
        assert rows(history) == ([], [])
        await say(history, "@bob two", room_id=room_id)
        await history.do("PUT", "/rooms/dev/members/me", "bob")
        assert await mentions(history, room_id=room_id) == 0
        assert (await mark(history, 0, turn=1, room_id=room_id)) == ReadState(turn=1, unread=2, counted=2)
        await say(history, "@bob three", room_id=room_id)
        assert await mentions(history, room_id=room_id) == 1

    async def test_a_removed_member_is_mentioned_no_more(self, history: Service) -> None:
        room_id = await room_with_bob(history)
        await say(history, "@bob one", room_id=room_id)
        await history.do("DELETE", "/rooms/dev/members/bob", "alice")
        assert rows(history) == ([], [])

    async def test_in_a_direct_conversation_every_unread_message_counts(self, history: Service) -> None:
        opened = await history.ask("direct", history_api.OpenDirectCall(1, "alice", "bob"), history_api.RoomInfo)
        await say(history, "1", "2", room_id=opened.room_id)
        await say(history, "3", user="bob", room_id=opened.room_id)
        assert await state(history, room_id=opened.room_id) == ReadState(unread=2, mentions=2, counted=3)

    async def test_notes_to_oneself_are_never_unread(self, start: Start) -> None:
        async with start() as history:
            await history.greet("alice")
            opened = await history.ask("direct", history_api.OpenDirectCall(1, "alice", "alice"), history_api.RoomInfo)
            await history.fill(PER_ROOM, room_id=opened.room_id)
            await say(history, "one more", room_id=opened.room_id)
            assert await state(history, "alice", opened.room_id) == ReadState(counted=PER_ROOM + 1)

    async def test_no_more_than_999_are_told(self, history: Service) -> None:
        await say(history, *["@bob"] * 1000)
        await say(history, *["@room"] * 1000)
        assert await state(history) == ReadState(unread=999, mentions=999, counted=2000)

    @pytest.mark.parametrize("how", ["the creator deletes it", "its last member leaves"])
    async def test_a_room_that_ends_leaves_no_row(self, history: Service, how: str) -> None:
        room_id = await room_with_bob(history, private=True)
        await say(history, "@bob", "@room", "@bob", room_id=room_id)
        await say(history, "@bob stays")
        if how == "the creator deletes it":
            await history.do("DELETE", "/rooms/dev", "alice")
        else:
            await history.do("DELETE", "/rooms/dev/members/me", "bob")
            await history.do("DELETE", "/rooms/dev/members/me?delete=true", "alice")
        await waiting.until(lambda: rows(history) == ([(2, 1, 1)], []), 5)
        with contextlib.closing(sqlite3.connect(history.settings.database)) as database:
            assert database.execute("SELECT DISTINCT room_id FROM read_states").fetchall() == [(1,)]


class TestSignals:
    async def test_gateways_are_told_which_states_have_changed(self, history: Service) -> None:
        await say(history, "1", "2")
        heard = await history.listening(SIGNALS)
        await mark(history, 1, origin="g-1")
        await mark(history, 1, origin="g-2")
        await mark(history, 2)
        await until(lambda: len(heard) >= 2)
        told = [read_signal(payload) for _, payload in heard]
        assert [(signal.origin, signal.states) for signal in told] == [
            ("g-1", [(2, 1, ReadState(read=1, unread=1, counted=2), "bob")]),
            ("", [(2, 1, ReadState(read=2, counted=2), "bob")]),
        ]


class TestNotify:
    async def test_a_level_is_stored_and_told(self, history: Service) -> None:
        heard = await history.listening(SIGNALS)
        body = history_api.NotifyCall(
            "General", 2, "bob", NotificationLevel.MENTIONS, "2026-12-01T08:00:00+01:00", origin="g-1"
        )
        expected = ReadState(notify=NotificationLevel.MENTIONS, until="2026-12-01T07:00:00.000Z")
        assert await history.ask("notify", body, ReadState) == expected
        assert await history.ask("notify", body, ReadState) == expected
        assert await state(history) == expected
        assert await state(history, "alice") == ReadState()
        await until(lambda: bool(heard))
        assert [read_signal(payload).states for _, payload in heard] == [[(2, 1, expected, "")]]

    async def test_the_level_that_was_set_last_is_told_last(
        self, history: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The first of two devices is slow: its state is read before the other's level is set, and told after it."""
        heard = await history.listening(SIGNALS)
        of_members, has_read, may_go_on = ReadStateReader.of_members, asyncio.Event(), asyncio.Event()

        async def slow_once(
            self: ReadStateReader, members: Sequence[tuple[int, int]]
        ) -> dict[tuple[int, int], ReadState]:
            states = await of_members(self, members)
            if not has_read.is_set():
                has_read.set()
                await may_go_on.wait()
            return states

        monkeypatch.setattr(ReadStateReader, "of_members", slow_once)
        bodies = [
            history_api.NotifyCall("general", 2, "bob", level, origin=f"g-{level}")
            for level in (NotificationLevel.NONE, NotificationLevel.ALL)
        ]
        slow = asyncio.ensure_future(history.ask("notify", bodies[0], ReadState))
        await has_read.wait()
        await history.ask("notify", bodies[1], ReadState)
        may_go_on.set()
        await slow
        await until(lambda: len(heard) >= 2)
        told = [read_signal(payload).states[0][2].notify for _, payload in heard]
        assert told[-1] is (await state(history)).notify is NotificationLevel.ALL

    async def test_a_level_is_cleared(self, history: Service) -> None:
        body = history_api.NotifyCall("general", 2, "bob", NotificationLevel.NONE, "2026-12-01T08:00:00Z")
        await history.ask("notify", body, ReadState)
        cleared = history_api.NotifyCall("general", 2, "bob", NotificationLevel.CLIENT)
        assert await history.ask("notify", cleared, ReadState) == ReadState()

    async def test_a_time_that_is_none_is_refused(self, history: Service) -> None:
        for until_text in ("tomorrow", "2026-12-01", "2026-12-01T08:00:00", "99999-01-01T00:00:00Z"):
            body = history_api.NotifyCall("general", 2, "bob", NotificationLevel.NONE, until_text)
            with pytest.raises(ChatError, match="RFC 3339") as refused:
                await history.ask("notify", body, ReadState)
            assert refused.value.code is Code.BAD_REQUEST

    async def test_only_members_set_a_level(self, history: Service) -> None:
        await history.do("POST", "/rooms", "alice", {"room": "dev"})
        body = history_api.NotifyCall("dev", 2, "bob", NotificationLevel.NONE)
        with pytest.raises(ChatError) as refused:
            await history.ask("notify", body, ReadState)
        assert refused.value.code is Code.NOT_A_MEMBER


class TestPublicRoutes:
    async def test_a_room_is_marked_as_read_and_as_unread(self, history: Service) -> None:
        await say(history, "1", "@bob 2", "3")
        heard = await history.listening(SIGNALS)
        answer = await history.do("PUT", "/rooms/General/read", "bob", {"offset": 2})
        expected = {"room": "general", "read": 2, "turn": 0, "unread": 1, "mentions": 0, "counted": 3}
        assert (answer.status_code, answer.json()) == (200, expected | {"notify": "", "until": ""})
        answer = await history.do("PUT", "/rooms/general/read", "bob", {"offset": 0, "turn": 1})
        assert answer.json() == expected | {
            "read": 0, "turn": 1, "unread": 3, "mentions": 1, "notify": "", "until": ""
        }  # fmt: skip
        await until(lambda: len(heard) >= 2)
        assert [read_signal(payload).origin for _, payload in heard] == ["", ""]

    async def test_a_level_is_set(self, history: Service) -> None:
        wanted = {"level": "none", "until": "2026-12-01T07:00:00Z"}
        answer = await history.do("PUT", "/rooms/general/notify", "bob", wanted)
        assert answer.json() | {"notify": "none", "until": "2026-12-01T07:00:00.000Z"} == answer.json()
        assert (await state(history)).notify is NotificationLevel.NONE

    async def test_a_direct_conversation_is_marked_as_read_in_any_spelling(self, history: Service) -> None:
        opened = await history.ask("direct", history_api.OpenDirectCall(1, "alice", "bob"), history_api.RoomInfo)
        await say(history, "1", "2", room_id=opened.room_id)
        answer = await history.do("PUT", "/rooms/@BOB+alice/read", "bob", {"offset": 1})
        assert (answer.json()["room"], answer.json()["unread"], answer.json()["mentions"]) == ("@alice+bob", 1, 1)
        answer = await history.do("PUT", "/rooms/@bob+alice/notify", "bob", {"level": "all"})
        assert (answer.json()["room"], answer.json()["notify"]) == ("@alice+bob", "all")

    async def test_unread_lists_rooms_with_unread_messages_or_all(self, history: Service) -> None:
        room_id = await room_with_bob(history, "Dev")
        await say(history, "@bob", room_id=room_id)
        [unread] = (await history.get("/unread", "bob")).json()
        assert unread == {
            "room": "dev", "read": 0, "turn": 0, "unread": 1, "mentions": 1, "counted": 1, "notify": "", "until": ""
        }  # fmt: skip
        listed = (await history.get("/unread?all=true", "bob")).json()
        assert [(room["room"], room["unread"]) for room in listed] == [("dev", 1), ("general", 0)]

    @pytest.mark.parametrize("change", ["read", "notify"])
    async def test_others_rooms_are_refused(self, history: Service, change: str) -> None:
        await history.do("POST", "/rooms", "alice", {"room": "open"})
        await history.do("POST", "/rooms", "alice", {"room": "shut", "private": True})
        body = {"offset": 1, "level": "all"}
        answers = [await history.do("PUT", f"/rooms/{room}/{change}", "bob", body) for room in ("open", "shut", "no!")]
        assert list(map(code, answers)) == [
            (403, Code.NOT_A_MEMBER), (404, Code.ROOM_UNKNOWN), (422, Code.ROOM_NAME_INVALID)
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("change", "body"),
        [
            ("read", {}),
            ("read", {"offset": -1}),
            ("read", {"offset": 2**53}),
            ("read", {"offset": 1, "turn": -1}),
            ("notify", {}),
            ("notify", {"level": "loud"}),
            ("notify", {"level": "all", "until": "tomorrow"}),
        ],
    )
    async def test_invalid_bodies_are_refused(self, history: Service, change: str, body: dict[str, object]) -> None:
        answer = await history.do("PUT", f"/rooms/general/{change}", "bob", body)
        assert answer.status_code in {400, 422}
        assert await state(history) == ReadState()
