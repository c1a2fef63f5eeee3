"""Changes of messages: edits, deletions, reactions, pins and replies, on the real database and as gateways see them."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from chatterbox.wire import history_api
from chatterbox.wire.broker_events import Batch, ChangeBatch, decode_room_payload, room_channel
from chatterbox.wire.codec import decode_server_frame
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames import Message, Reaction
from chatterbox.wire.history_api import (
    Appended,
    AppendRefused,
    ChangeStored,
    MessageDeletion,
    MessageEdit,
    MessagePin,
    MessageReaction,
)
from chatterbox.wire.limits import Limits
from services.history.messages import message_pages
from services.history.rooms import room_deletion
from services.history.sqlite_store import SqliteStore
from tests.support.history import Clock, Service, Start, until

THUMB, TADA = "\N{THUMBS UP SIGN}", "\N{PARTY POPPER}"


def by(history: Service, user: str, offset: int, room_id: int = 1) -> dict[str, object]:
    """Who changes which message."""
    return {"room_id": room_id, "user_id": history.auth.names[user], "username": user, "offset": offset}


def edit(history: Service, offset: int, content: str, *, user: str = "alice", rev: int | None = None) -> MessageEdit:
    return MessageEdit(**by(history, user, offset), content=content, rev=rev)  # type: ignore[arg-type]


def delete(history: Service, offset: int, *, user: str = "alice", room_id: int = 1) -> MessageDeletion:
    return MessageDeletion(**by(history, user, offset, room_id))  # type: ignore[arg-type]


def react(
    history: Service, offset: int, emoji: str = THUMB, *, user: str = "alice", remove: bool = False
) -> MessageReaction:
    return MessageReaction(**by(history, user, offset), emoji=emoji, remove=remove)  # type: ignore[arg-type]


def pin(history: Service, offset: int, *, user: str = "alice", remove: bool = False, room_id: int = 1) -> MessagePin:
    return MessagePin(**by(history, user, offset, room_id), remove=remove)  # type: ignore[arg-type]


def told(outcomes: Sequence[ChangeStored | AppendRefused]) -> list[int | str]:
    """The rev of each change, or the code of its refusal."""
    return [outcome.rev if isinstance(outcome, ChangeStored) else outcome.code for outcome in outcomes]


async def change(history: Service, *changes: history_api.AnyMessageChange) -> list[int | str]:
    return told((await history.append_batch(changes=changes)).change_outcomes)


async def page(history: Service, **query: int | bool) -> history_api.StoredPage:
    asked = history_api.PageQuery(**{"room_id": 1, "limit": 50, **query})  # type: ignore[arg-type]
    return await history.ask("page", asked, history_api.StoredPage)


async def changes(history: Service, after: int = 0, *, first: int = 1, limit: int = 50) -> history_api.StoredChanges:
    asked = history_api.ChangesQuery(room_id=1, after=after, first=first, limit=limit)
    return await history.ask("changes", asked, history_api.StoredChanges)


def messages(frames: Sequence[msgspec.Raw | bytes]) -> list[Message]:
    decoded = [decode_server_frame(bytes(frame)) for frame in frames]
    return [frame for frame in decoded if isinstance(frame, Message)]


async def message(history: Service, offset: int) -> Message:
    """The message at `offset` of `general` as a page has it."""
    return messages((await page(history, after=offset - 1, limit=1)).frames)[0]


class TestEdits:
    async def test_an_edit_replaces_the_text_and_tells_when(self, history: Service, clock: Clock) -> None:
        await history.fill(2)
        clock.now += 60_000
        assert await change(history, edit(history, 2, "other")) == [1]
        edited = await message(history, 2)
        assert (edited.content, edited.edited, edited.rev) == ("other", "2026-09-21T14:14:20.000Z", 1)
        assert msgspec.json.encode(await message(history, 1)).endswith(b'"timestamp":"2026-09-21T14:13:20.000Z"}')

    async def test_the_same_edit_again_changes_nothing(self, history: Service) -> None:
        await history.fill(1)
        assert await change(history, edit(history, 1, "other", rev=0)) == [1]
        assert await change(history, edit(history, 1, "other", rev=0)) == [1]

    async def test_an_edit_of_a_message_that_changed_meanwhile_is_refused(self, history: Service) -> None:
        await history.fill(1)
        assert await change(history, edit(history, 1, "a", rev=0)) == [1]
        assert await change(history, edit(history, 1, "b", rev=0)) == [Code.CHANGED_MEANWHILE]
        assert await change(history, edit(history, 1, "b", rev=1), edit(history, 1, "c")) == [2, 2]
        assert (await message(history, 1)).content == "c"

    async def test_refused_edits_get_their_code(self, history: Service) -> None:
        await history.fill(2)
        assert await change(
            history,
            edit(history, 1, "mine", user="bob"),
            edit(history, 3, "nothing there"),
            edit(history, 1, "\x1b[2J"),
            delete(history, 2),
            edit(history, 2, "too late"),
            msgspec.structs.replace(edit(history, 1, "restored"), epoch="another"),
            msgspec.structs.replace(edit(history, 1, "elsewhere"), room_id=9),
            msgspec.structs.replace(edit(history, 1, "from outside"), user_id=99),
        ) == [
            Code.NOT_YOURS,
            Code.MESSAGE_UNKNOWN,
            Code.CONTENT_FORBIDDEN,
            1,
            Code.MESSAGE_DELETED,
            Code.MESSAGE_UNKNOWN,
            Code.ROOM_UNKNOWN,
            Code.NOT_A_MEMBER,
        ]

    async def test_a_retry_of_an_edited_or_deleted_message_is_acked_whatever_its_text(self, history: Service) -> None:
        acked = await history.append(history.message("sent", "k"))
        assert isinstance((await history.append(history.message("other", "k")))[0], AppendRefused)
        await change(history, edit(history, 1, "edited"))
        assert await history.append(history.message("sent", "k")) == acked
        await change(history, delete(history, 1))
        assert await history.append(history.message("sent", "k")) == acked


class TestDeletions:
    async def test_a_deleted_message_keeps_its_place_without_its_text(self, history: Service) -> None:
        await history.append(history.message("hello @bob", "k"), history.message("next", "k2", user="bob"))
        await change(history, edit(history, 1, "hello @bob!"), react(history, 1), pin(history, 1))
        assert await change(history, delete(history, 1)) == [2]
        deleted = await message(history, 1)
        assert (deleted.content, deleted.deleted, deleted.by, deleted.rev) == ("", True, "alice", 2)
        assert (deleted.edited, deleted.mentions, deleted.reactions, deleted.pinned) == ("", (), (), False)
        assert (await message(history, 2)).content == "next"
        assert await change(history, delete(history, 1)) == [2]

    async def test_the_creator_of_a_room_can_delete_messages_of_others(self, history: Service) -> None:
        room = await history.ask("create", history_api.CreateRoomCall("ops", False, 1, "alice"), history_api.RoomInfo)
        await history.invite("ops", "alice", "bob")
        for key, user in (("k", "bob"), ("k2", "alice")):
            await history.append(history.message("hello", key, user=user, room_id=room.room_id))
        assert await change(history, delete(history, 2, user="bob", room_id=room.room_id)) == [Code.NOT_ALLOWED]
        assert await change(history, delete(history, 1, user="alice", room_id=room.room_id)) == [1]


class TestReactions:
    async def test_reactions_are_counted_with_the_names_of_the_first_eight(self, history: Service) -> None:
        users = [f"user{number}" for number in range(12)]
        await history.greet(*users)
        await history.fill(1)
        for user in users:
            await change(history, react(history, 1, user=user), react(history, 1, user=user))
        assert (await message(history, 1)).reactions == (Reaction(emoji=THUMB, n=12, by=tuple(users[:8])),)
        assert await change(history, react(history, 1, user="user2", remove=True)) == [13]
        found = (await message(history, 1)).reactions
        assert found == (Reaction(emoji=THUMB, n=11, by=(*users[:2], *users[3:9])),)

    async def test_a_reaction_taken_back_and_made_again_comes_last(self, history: Service) -> None:
        await history.fill(1)
        await change(history, react(history, 1), react(history, 1, user="bob"), react(history, 1, TADA))
        await change(history, react(history, 1, remove=True), react(history, 1, user="alice"))
        assert [(found.emoji, found.by) for found in (await message(history, 1)).reactions] == [
            (THUMB, ("bob", "alice")),
            (TADA, ("alice",)),
        ]

    async def test_a_message_has_at_most_twenty_different_reactions(self, history: Service) -> None:
        await history.fill(1)
        emoji = [f":e{number}:" for number in range(21)]
        assert (await change(history, *(react(history, 1, each) for each in emoji)))[-1] == Code.TOO_MANY_REACTIONS
        assert await change(history, react(history, 1, ":e0:", user="bob")) == [2]
        assert await change(history, react(history, 1, "no")) == [Code.REACTION_INVALID]

    async def test_an_edit_keeps_reactions_and_a_deletion_removes_them(self, history: Service) -> None:
        await history.fill(1)
        await change(history, react(history, 1, user="bob"))
        await change(history, edit(history, 1, "other"))
        assert (await message(history, 1)).reactions == (Reaction(emoji=THUMB, n=1, by=("bob",)),)
        await change(history, delete(history, 1))
        assert await change(history, react(history, 1), react(history, 1, user="bob", remove=True)) == [
            Code.MESSAGE_DELETED,
            3,
        ]


class TestPins:
    async def test_authors_pin_their_messages_in_a_small_room_and_the_page_of_pins_has_them(
        self, history: Service
    ) -> None:
        await history.fill(5)
        assert await change(history, pin(history, 4), pin(history, 2), pin(history, 1, user="bob")) == [
            1,
            2,
            Code.NOT_ALLOWED,
        ]
        pinned = await page(history, pinned=True)
        assert [(found.at.offset, found.pinned) for found in messages(pinned.frames)] == [(2, True), (4, True)]
        assert await change(history, pin(history, 2), pin(history, 2, remove=True)) == [2, 3]
        assert [found.at.offset for found in messages((await page(history, pinned=True)).frames)] == [4]

    async def test_only_the_creator_pins_in_a_large_room(self, start: Start) -> None:
        async with start(limits=Limits(call_members=1, sends_burst=1000)) as history:
            await history.greet("alice", "bob")
            await history.fill(1)
            assert await change(history, pin(history, 1)) == [Code.NOT_ALLOWED]

    async def test_a_room_has_at_most_fifty_pins_and_a_deletion_frees_one(self, history: Service) -> None:
        await history.fill(51)
        assert (await change(history, *(pin(history, n) for n in range(1, 52))))[-2:] == [50, Code.TOO_MANY_PINS]
        assert await change(history, delete(history, 1), pin(history, 51)) == [51, 52]


class TestReplies:
    async def test_a_reply_is_in_the_thread_of_the_message_that_it_answers_and_counted_there(
        self, history: Service
    ) -> None:
        await history.fill(2)
        [first] = await history.append(msgspec.structs.replace(history.message("a", "k"), reply_to=1))
        [second] = await history.append(msgspec.structs.replace(history.message("b", "k2", user="bob"), reply_to=3))
        assert isinstance(first, Appended)
        assert isinstance(second, Appended)
        assert (first.thread, second.thread) == (1, 1)
        root, reply = await message(history, 1), await message(history, 4)
        assert (root.replies, root.rev, reply.reply_to, reply.thread, reply.rev) == (2, 2, 3, 1, 0)
        assert [found.content for found in messages((await page(history, thread=1)).frames)] == ["a", "b"]
        assert await history.append(msgspec.structs.replace(history.message("a", "k"), reply_to=1)) == [first]
        assert (await message(history, 1)).replies == 2

    async def test_an_answer_to_no_message_is_refused(self, history: Service) -> None:
        await history.fill(1)
        [refused] = await history.append(msgspec.structs.replace(history.message("a", "k"), reply_to=2))
        assert isinstance(refused, AppendRefused)
        assert refused.code == Code.MESSAGE_UNKNOWN

    async def test_a_thread_is_read_in_pages_in_both_directions(self, history: Service) -> None:
        await history.fill(1)
        await history.append(
            *(msgspec.structs.replace(history.message(str(n), f"r{n}"), reply_to=1) for n in range(2, 8))
        )
        seen = {}
        for name, query in {"last": {}, "before": {"before": 6}, "after": {"after": 3}, "rest": {"after": 5}}.items():
            got = await page(history, thread=1, limit=3, **query)
            seen[name] = [found.at.offset for found in messages(got.frames)], got.more
        assert seen == {
            "last": ([5, 6, 7], True),
            "before": ([3, 4, 5], True),
            "after": ([4, 5, 6], True),
            "rest": ([6, 7], False),
        }


class TestMentions:
    async def test_members_are_mentioned_by_their_names_in_any_case(self, history: Service) -> None:
        await history.greet("Zoë", "eve.x")
        [sent] = await history.append(history.message("@BOB, @Zoë: ask @eve.x. not a@bob or @nobody-here", "k"))
        assert isinstance(sent, Appended)
        assert sent.mentions == ("bob", "Zoë", "eve.x")
        assert (await message(history, 1)).mentions == sent.mentions

    async def test_who_joins_or_leaves_is_noticed(self, history: Service) -> None:
        room = await history.ask("create", history_api.CreateRoomCall("ops", False, 1, "alice"), history_api.RoomInfo)

        async def mentioned(key: str) -> tuple[str, ...]:
            [sent] = await history.append(history.message("@bob @room", key, room_id=room.room_id))
            assert isinstance(sent, Appended)
            return sent.mentions

        assert await mentioned("k1") == ("@room",)
        await history.invite("ops", "alice", "bob")
        assert await mentioned("k2") == ("bob", "@room")
        await history.ask("leave", history_api.LeaveRoomCall("ops", 2, "bob"), history_api.RoomInfo)
        assert await mentioned("k3") == ("@room",)

    async def test_only_its_creator_calls_everyone_in_a_large_room(self, start: Start) -> None:
        async with start(limits=Limits(call_members=1, sends_burst=1000)) as history:
            await history.greet("alice", "bob")
            await history.append(history.message("@room @bob", "k"))
            assert (await message(history, 1)).mentions == ("bob",)

    async def test_an_edit_changes_whom_a_message_mentions(self, history: Service) -> None:
        await history.append(history.message("@bob", "k"))
        await change(history, edit(history, 1, "@alice"))
        assert (await message(history, 1)).mentions == ("alice",)


class TestReadingChanges:
    async def test_each_changed_message_is_read_once_as_it_is_now(self, history: Service) -> None:
        await history.fill(5)
        await change(history, edit(history, 1, "a"))
        await change(history, edit(history, 2, "b"))
        await change(history, edit(history, 1, "c"))
        found = await changes(history)
        assert [(one.offset, one.rev) for one in found.changes] == [(2, 2), (1, 3)]
        assert [one.content for one in messages([one.frame for one in found.changes])] == ["b", "c"]
        assert (found.rev, found.through, found.head) == (3, 3, 5)
        assert [one.offset for one in (await changes(history, first=2)).changes] == [2]
        assert [one.offset for one in (await changes(history, 2)).changes] == [1]
        part = await changes(history, limit=1)
        assert ([one.offset for one in part.changes], part.through) == ([2], 2)

    async def test_pages_tell_the_revs_of_the_room_and_of_changed_messages(self, history: Service) -> None:
        await history.fill(3)
        await change(history, edit(history, 1, "a"), edit(history, 3, "b"))
        found = await page(history)
        assert (found.rev, found.revs) == (2, {1: 1, 3: 2})
        heads = await history.ask("heads", history_api.HeadsQuery([1]), history_api.Heads)
        assert heads.heads[1][1:] == (3, 2)
        assert (await history.greet("alice")).rev == 2

    async def test_a_page_around_an_offset_has_it_in_the_middle(self, history: Service) -> None:
        await history.fill(20)
        spans = {around: await page(history, around=around, limit=5) for around in (1, 2, 10, 19, 20)}
        assert {around: [one.at.offset for one in messages(got.frames)] for around, got in spans.items()} == {
            1: [1, 2, 3, 4, 5],
            2: [1, 2, 3, 4, 5],
            10: [8, 9, 10, 11, 12],
            19: [16, 17, 18, 19, 20],
            20: [16, 17, 18, 19, 20],
        }

    async def test_changes_of_an_unknown_room_are_refused(self, history: Service) -> None:
        with pytest.raises(ChatError, match="No such room"):
            await history.ask(
                "changes", history_api.ChangesQuery(room_id=9, after=0, limit=1), history_api.StoredChanges
            )

    @pytest.mark.parametrize(
        ("condition", "index"),
        [
            (message_pages.CHANGED, "messages_changed (room_id=? AND rev>?)"),
            (message_pages.THREAD, "messages_thread (room_id=? AND thread=? AND offset>? AND offset<?)"),
            (message_pages.PINNED, "messages_pinned (room_id=? AND offset>? AND offset<?)"),
        ],
    )
    async def test_lists_of_messages_are_read_by_their_index_without_sorting(
        self, history: Service, condition: str, index: str
    ) -> None:
        query = message_pages.listed_query(condition, prove=False)
        names = {"room": 1, "after": 5, "before": 9, "first": 1, "limit": 9, "thread": 1}
        store = history.app.context.history._store
        assert isinstance(store, SqliteStore)
        rows = await store._readers.rows(f"EXPLAIN QUERY PLAN {query}", names)
        plan = [row[-1] for row in rows]
        assert any(step.endswith((f"USING INDEX {index}", f"COVERING INDEX {index}")) for step in plan)
        assert not [step for step in plan if "B-TREE" in step or step.startswith("SCAN messages")]


class TestPublishing:
    async def test_changes_are_published_with_what_happened(self, history: Service) -> None:
        heard = await history.listening(room_channel(1))
        await history.fill(1)
        await until(lambda: bool(heard))
        heard.clear()
        await change(history, react(history, 1, user="bob"))
        await history.append(history.message("plain", "k"))
        await until(lambda: len(heard) == 2)
        first, second = [decode_room_payload(payload) for _, payload in heard]
        assert isinstance(first, ChangeBatch)
        [changed] = first.changes
        assert (first.after, changed.offset, changed.rev) == (0, 1, 1)
        assert changed.live == f',"by":"bob","did":"react","what":"{THUMB}"'.encode()
        assert messages([changed.frame]) == [await message(history, 1)]
        assert isinstance(second, Batch)
        assert second.rev == 1

    async def test_the_change_of_an_answered_message_follows_it_when_both_are_new(self, history: Service) -> None:
        heard = await history.listening(room_channel(1))
        await history.fill(1)
        await until(lambda: bool(heard))
        heard.clear()
        await history.append_batch(
            [
                history.message("root", "k1"),
                msgspec.structs.replace(history.message("reply", "k2", user="bob"), reply_to=2),
            ],
            [edit(history, 1, "other")],
        )
        await until(lambda: len(heard) == 3)
        edits, new, replies = [decode_room_payload(payload) for _, payload in heard]
        assert isinstance(edits, ChangeBatch)
        assert isinstance(new, Batch)
        assert isinstance(replies, ChangeBatch)
        assert (edits.after, [one.rev for one in edits.changes]) == (0, [1])
        assert (new.first, new.rev, [one.rev for one in messages(new.frames)]) == (2, 1, [0, 0])
        assert (replies.after, [(one.offset, one.rev) for one in replies.changes]) == (1, [(2, 2)])
        assert replies.changes[0].live == b',"by":"bob","did":"reply"'
        assert messages([replies.changes[0].frame]) == [await message(history, 2)]


class TestRates:
    async def test_changes_spend_from_the_same_budget_as_messages(self, start: Start) -> None:
        async with start(limits=Limits(sends_per_s=0.001, sends_burst=3)) as history:
            await history.greet("alice")
            answer = await history.append_batch([history.message("a", "k")])
            assert isinstance(answer.outcomes[0], Appended)
            outcomes = await change(history, react(history, 1), react(history, 1), react(history, 1, TADA))
            assert outcomes == [1, 1, Code.RATE_LIMITED]
            [refused] = await history.append(history.message("b", "k2"))
            assert isinstance(refused, AppendRefused)
            assert refused.code == Code.RATE_LIMITED


async def test_deleting_a_room_deletes_the_reactions_of_its_messages(history: Service) -> None:
    room = await history.ask("create", history_api.CreateRoomCall("ops", False, 1, "alice"), history_api.RoomInfo)
    await history.fill(3, room_id=room.room_id)
    await history.fill(1)
    await change(history, react(history, 1), msgspec.structs.replace(react(history, 2), room_id=room.room_id))
    await history.ask("delete", history_api.DeleteRoomCall("ops", 1, "alice"), history_api.RoomInfo)

    store = history.app.context.history._store
    assert isinstance(store, SqliteStore)
    while await store._writer.change(room_deletion.delete_messages):
        pass
    query = "SELECT (SELECT count(*) FROM messages), (SELECT count(*) FROM reactions)"
    assert await store._readers.rows(query) == [(1, 1)]


@pytest.mark.parametrize(
    "damage",
    ['marks = \'[{"emoji":"\' || marks', "marks = '{}'", "extra = '{\"mentions\":[7]}'", "extra = '?'"],
)
class TestDamagedMessage:
    """Reactions and mentions are stored as JSON: what can't be decoded is reported as other damage is."""

    @pytest.fixture
    async def damaged(self, history: Service, damage: str) -> Service:
        await history.append(history.message("hello", "k"), history.message("of @bob", "k2"))
        await change(history, react(history, 2), pin(history, 2))
        await asyncio.to_thread(self._damage, history.settings.database, damage)  # history may be in a transaction
        return history

    @staticmethod
    def _damage(database: Path, damage: str) -> None:
        with contextlib.closing(sqlite3.connect(database, timeout=30, isolation_level=None)) as connection:
            connection.execute(f"UPDATE messages SET {damage} WHERE offset = 2")

    @pytest.mark.parametrize("read", [{}, {"after": 1}, {"changed_after": 0}, {"around": 2}])
    async def test_a_page_with_a_damaged_message_is_refused_and_the_damage_recorded(
        self, damaged: Service, read: dict[str, int]
    ) -> None:
        answer = await damaged.get("/messages", "alice", **read)
        assert (answer.status_code, answer.json()["code"]) == (503, Code.UNAVAILABLE)
        assert damaged.app.context.history.is_damaged
        assert (await damaged.get("/messages", after=0, limit=1)).status_code == 200

    async def test_a_gateway_gets_no_page_with_a_damaged_message(self, damaged: Service) -> None:
        for read in (page(damaged), page(damaged, pinned=True, after=0), changes(damaged)):
            with pytest.raises(ChatError) as refusal:
                await read
            assert refusal.value.code is Code.UNAVAILABLE
        assert damaged.app.context.history.is_damaged

    async def test_a_change_of_a_damaged_message_is_refused_and_nothing_is_written_any_more(
        self, damaged: Service
    ) -> None:
        for _ in range(2):
            with pytest.raises(ChatError, match="restore a backup"):
                await damaged.append_batch(changes=[react(damaged, 2, TADA, user="bob")])
        assert damaged.app.context.history.is_damaged
        with pytest.raises(ChatError, match="restore a backup"):
            await damaged.append(damaged.message("more", "k3"))
