"""Contract tests of history's stores: what every implementation of `HistoryStore` does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatterbox.wire import history_api
from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.broker_events import MembershipChanged, PersonChanged
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames import AttachedFile
from chatterbox.wire.limits import Limits
from chatterbox.wire.people import Audience, Audiences, Privacy, Writers
from chatterbox.wire.read_state import NotificationLevel, ReadState
from chatterbox.wire.text_rules import timestamp
from services.history.core import stored_message
from services.history.core.message_page import PageSpan
from services.history.core.person_record import PersonChange, PersonRecord
from services.history.core.stored_message import StoredMessage
from services.history.history_store import HistoryStore
from services.history.messages.commit_publisher import CommittedChanges
from tests.support.history import START_MS, UNHURRIED, Clock
from tests.support.stores import STORES, OpenStore

ADA, BOB, EVE = UserInfo(1, "ada"), UserInfo(2, "bob"), UserInfo(3, "eve")
EVERYBODY = {user.user_id: user.username for user in (ADA, BOB, EVE)}
GENERAL = 1


@dataclass
class Opener:
    """Opens a store again and again on the same data."""

    open_store: OpenStore
    folder: Path
    clock: Clock = field(default_factory=Clock)
    published: list[CommittedChanges] = field(default_factory=list)
    limits: Limits = UNHURRIED

    def __call__(self) -> AbstractAsyncContextManager[HistoryStore]:
        return self.open_store(self.folder, self.limits, self.clock, self.published.append)


@pytest.fixture(params=STORES)
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    return Opener(STORES[request.param], tmp_path)


@pytest.fixture
async def store(opener: Opener) -> AsyncIterator[HistoryStore]:
    async with opener() as store:
        await store.enroll(EVERYBODY)
        opener.published.clear()
        yield store


def said(
    content: str,
    key: str = "",
    user: UserInfo = ADA,
    room_id: int = GENERAL,
    reply_to: int = 0,
    files: tuple[str, ...] = (),
) -> history_api.Append:
    return history_api.Append(room_id, user.user_id, user.username, content, key, reply_to, files)


def uploaded(file_id: str, user: UserInfo = ADA, room_id: int = GENERAL) -> history_api.FileUploaded:
    file = AttachedFile(id=file_id, name=f"{file_id}.txt", type="text/plain", size=7)
    return history_api.FileUploaded(room_id=room_id, user_id=user.user_id, file=file)


def edited(offset: int, content: str, user: UserInfo = ADA) -> history_api.MessageEdit:
    return history_api.MessageEdit(
        room_id=GENERAL, user_id=user.user_id, username=user.username, offset=offset, content=content
    )


def deleted(offset: int, user: UserInfo = ADA) -> history_api.MessageDeletion:
    return history_api.MessageDeletion(room_id=GENERAL, user_id=user.user_id, username=user.username, offset=offset)


def reacted(offset: int, emoji: str, user: UserInfo = BOB, *, remove: bool = False) -> history_api.MessageReaction:
    return history_api.MessageReaction(
        room_id=GENERAL, user_id=user.user_id, username=user.username, offset=offset, emoji=emoji, remove=remove
    )


def pinned(offset: int, *, remove: bool = False) -> history_api.MessagePin:
    return history_api.MessagePin(
        room_id=GENERAL, user_id=ADA.user_id, username=ADA.username, offset=offset, remove=remove
    )


async def contents(store: HistoryStore, span: PageSpan | None = None) -> list[str]:
    return [message.content for message in (await store.page(GENERAL, span or PageSpan(50))).messages]


async def refusal(attempt: object) -> Code:
    with pytest.raises(ChatError) as refused:
        await attempt  # type: ignore[misc]  # any coroutine
    return refused.value.code


class TestMessages:
    async def test_messages_get_consecutive_offsets_and_are_read_in_their_order(self, store: HistoryStore) -> None:
        answer = await store.append([said("one"), said("two", user=BOB)])
        more = await store.append([said("three")])
        outcomes = [*answer.outcomes, *more.outcomes]
        assert [each.offset for each in outcomes if isinstance(each, history_api.Appended)] == [1, 2, 3]
        page = await store.page(GENERAL, PageSpan(50))
        assert [(each.offset, each.username, each.content) for each in page.messages] == [
            (1, "ada", "one"),
            (2, "bob", "two"),
            (3, "ada", "three"),
        ]
        assert (page.room, page.head, page.first, page.rev) == ("general", 3, 1, 0)

    async def test_pages_are_read_from_both_ends_and_around_an_offset(self, store: HistoryStore) -> None:
        await store.append([said(str(number)) for number in range(1, 10)])
        assert await contents(store, PageSpan(3)) == ["7", "8", "9"]
        assert await contents(store, PageSpan(3, before=5)) == ["2", "3", "4"]
        assert await contents(store, PageSpan(3, after=5)) == ["6", "7", "8"]
        assert await contents(store, PageSpan(2, skip=1)) == ["7", "8"]
        assert await contents(store, PageSpan(3, after=9)) == []

    async def test_key_of_a_user_identifies_one_message_for_ever(self, opener: Opener) -> None:
        async with opener() as store:
            await store.enroll(EVERYBODY)
            first = (await store.append([said("once", "k")])).outcomes
        async with opener() as store:
            again = await store.append([said("once", "k"), said("other", "k"), said("once", "k", user=BOB)])
            assert again.outcomes[:1] == first
            assert isinstance(again.outcomes[1], history_api.AppendRefused)
            assert again.outcomes[1].code == Code.KEY_REUSED
            assert await contents(store) == ["once", "once"]

    async def test_messages_to_unknown_rooms_and_of_strangers_are_refused_alone(self, store: HistoryStore) -> None:
        outcomes = (await store.append([said("a", room_id=99), said("b", user=UserInfo(9, "x")), said("c")])).outcomes
        codes = [each.code for each in outcomes if isinstance(each, history_api.AppendRefused)]
        assert codes == [Code.ROOM_UNKNOWN, Code.NOT_A_MEMBER]
        assert await contents(store) == ["c"]

    async def test_times_of_a_room_never_decrease(self, store: HistoryStore, opener: Opener) -> None:
        await store.append([said("now")])
        opener.clock.now = START_MS - 5000
        await store.append([said("the clock went back")])
        assert [each.timestamp_ms for each in (await store.page(GENERAL, PageSpan(9))).messages] == [START_MS] * 2

    async def test_committed_messages_are_published_after_their_commit(
        self, store: HistoryStore, opener: Opener
    ) -> None:
        await store.append([said("one"), said("two")])
        [committed] = opener.published
        assert [row.content for row in committed.plan.inserts] == ["one", "two"]


class TestMessageChanges:
    async def test_changes_count_the_rooms_rev_and_are_read_by_it(self, store: HistoryStore) -> None:
        await store.append([said("one"), said("two"), said("three")])
        await store.append([], [edited(1, "uno"), pinned(3)])
        answer = await store.append([], [edited(2, "dos")])
        assert answer.change_outcomes == [history_api.ChangeStored(3)]
        page = await store.changed_messages(GENERAL, 1, first=1, limit=9)
        assert [(each.offset, each.rev) for each in page.messages] == [(3, 2), (2, 3)]
        assert (page.rev, page.through) == (3, 3)
        assert [each.offset for each in (await store.changed_messages(GENERAL, 0, first=2, limit=1)).messages] == [3]

    async def test_deleted_message_keeps_its_place_without_its_text(self, store: HistoryStore) -> None:
        await store.append([said("one"), said("secret"), said("three")])
        await store.append([], [reacted(2, "👍"), deleted(2)])
        page = await store.page(GENERAL, PageSpan(9))
        assert [(each.offset, each.content, each.deleted_ms is None) for each in page.messages] == [
            (1, "one", True),
            (2, "", False),
            (3, "three", True),
        ]
        assert await store.reactions(GENERAL, 2) == []

    async def test_only_the_author_edits_and_an_outdated_edit_is_refused(self, store: HistoryStore) -> None:
        await store.append([said("one")])
        await store.append([], [edited(1, "two")])
        stale = history_api.MessageEdit(room_id=GENERAL, user_id=1, username="ada", offset=1, content="three", rev=0)
        outcomes = (await store.append([], [edited(1, "mine", BOB), stale, edited(9, "none")])).change_outcomes
        codes = [each.code for each in outcomes if isinstance(each, history_api.AppendRefused)]
        assert codes == [Code.NOT_YOURS, Code.CHANGED_MEANWHILE, Code.MESSAGE_UNKNOWN]
        assert await contents(store) == ["two"]

    async def test_reactions_are_counted_once_for_each_user(self, store: HistoryStore) -> None:
        await store.append([said("one")])
        await store.append([], [reacted(1, "👍"), reacted(1, "👍"), reacted(1, "👍", EVE), reacted(1, "🎉", EVE)])
        await store.append([], [reacted(1, "🎉", EVE, remove=True)])
        assert [(each.emoji, each.n, each.by) for each in await store.reactions(GENERAL, 1)] == [
            ("👍", 2, ("bob", "eve"))
        ]
        assert await store.own_reactions(GENERAL, EVE.user_id, 1, 9) == [(1, "👍")]

    async def test_replies_form_a_thread_that_pages_can_be_read_of(self, store: HistoryStore) -> None:
        await store.append([said("root"), said("between"), said("reply", reply_to=1)])
        await store.append([said("reply to the reply", reply_to=3)])
        assert await contents(store, PageSpan(9, thread=1)) == ["reply", "reply to the reply"]
        assert (await store.page(GENERAL, PageSpan(1, after=0))).messages[0].replies == 2

    async def test_pinned_messages_are_read_alone(self, store: HistoryStore) -> None:
        await store.append([said("one"), said("two"), said("three")])
        await store.append([], [pinned(1), pinned(3)])
        await store.append([], [pinned(1, remove=True)])
        assert await contents(store, PageSpan(9, after=0, pinned=True)) == ["three"]


class TestRooms:
    async def test_created_room_has_its_creator_as_member_and_its_name_is_taken(self, store: HistoryStore) -> None:
        created = await store.create("ops", ADA, private=False)
        view = await store.room("OPS", BOB.user_id)
        assert (view.info, view.member, view.members, view.created_by) == (created, False, 1, ADA.user_id)
        assert await refusal(store.create("ops", BOB, private=True)) is Code.ROOM_EXISTS
        assert await store.creator(view) == "ada"

    async def test_memberships_count_the_revision_without_gaps(self, store: HistoryStore, opener: Opener) -> None:
        before = (await store.heads(history_api.HeadsQuery())).revision
        room = await store.create("ops", ADA, private=False)
        await store.join("ops", BOB)
        await store.leave("ops", BOB, delete=False)
        await store.change_topic("ops", ADA, "engines")
        events = [event for committed in opener.published for event in committed.events]
        assert [event.revision for event in events] == [before + 1, before + 2, before + 3, before + 4]
        assert [event.member for event in events if isinstance(event, MembershipChanged)] == [True, True, False]
        snapshot = await store.memberships([ADA.user_id, BOB.user_id])
        assert snapshot.revision == before + 4 == store.revision
        assert snapshot.of == {ADA.user_id: [GENERAL, room.room_id], BOB.user_id: [GENERAL]}

    async def test_heads_since_a_cursor_are_those_of_the_rooms_that_changed(self, store: HistoryStore) -> None:
        rooms = [(await store.create(name, ADA, private=False)).room_id for name in ("one", "two", "three")]
        cursor = (await store.heads(history_api.HeadsQuery())).cursor
        await store.append([said("x", room_id=rooms[0]), said("y", room_id=rooms[2])])
        answer = await store.heads(history_api.HeadsQuery(since=cursor))
        assert answer.comparable
        assert {room_id: head.head for room_id, head in answer.heads.items()} == {rooms[0]: 1, rooms[2]: 1}
        assert (await store.heads(history_api.HeadsQuery(since=answer.cursor))).heads == {}
        assert not (
            await store.heads(history_api.HeadsQuery(since=history_api.HeadsCursor("another run", 0)))
        ).comparable

    async def test_repeated_change_has_no_effect(self, store: HistoryStore, opener: Opener) -> None:
        await store.create("ops", ADA, private=False)
        await store.join("ops", BOB)
        before = len(opener.published)
        await store.join("ops", BOB)
        await store.leave("ops", EVE, delete=False)
        await store.enroll(EVERYBODY)
        assert [committed for committed in opener.published[before:] if committed.events] == []

    async def test_private_room_is_unknown_to_others_until_they_are_invited(self, store: HistoryStore) -> None:
        await store.create("secret", ADA, private=True)
        assert await refusal(store.room("secret", BOB.user_id)) is Code.ROOM_UNKNOWN
        assert await refusal(store.join("secret", BOB)) is Code.ROOM_UNKNOWN
        await store.invite("secret", ADA, BOB)
        await store.invite("secret", ADA, None)
        assert [(each.room, each.by) for each in await store.invitations(BOB.user_id)] == [("secret", "ada")]
        room = await store.join("secret", BOB)
        assert await store.members(room.room_id) == ["ada", "bob"]
        assert await store.invitations(BOB.user_id) == []

    async def test_refused_change_leaves_nothing_behind(self, opener: Opener) -> None:
        limited = Opener(opener.open_store, opener.folder, limits=Limits(rooms_per_user=2))
        async with limited() as store:
            await store.enroll(EVERYBODY)
            await store.create("one", ADA, private=False)
            assert await refusal(store.create("two", ADA, private=False)) is Code.TOO_MANY_ROOMS
            assert await refusal(store.room("two", ADA.user_id)) is Code.ROOM_UNKNOWN

    async def test_deleted_room_ends_for_everybody_and_its_name_is_free(self, store: HistoryStore) -> None:
        old = await store.create("ops", ADA, private=False)
        await store.join("ops", BOB)
        await store.append([said("x", room_id=old.room_id)])
        assert await refusal(store.delete_room("ops", BOB)) is Code.NOT_THE_CREATOR
        await store.delete_room("ops", ADA)
        assert old.room_id not in (await store.heads(history_api.HeadsQuery([old.room_id]))).heads
        assert await refusal(store.page(old.room_id, PageSpan(9))) is Code.ROOM_UNKNOWN
        new = await store.create("ops", BOB, private=False)
        assert new.room_id != old.room_id
        assert new.epoch != old.epoch

    async def test_removed_member_joins_again_only_when_invited(self, store: HistoryStore) -> None:
        await store.create("ops", ADA, private=False)
        await store.join("ops", BOB)
        assert await store.remove_member("ops", ADA, "BOB") == BOB
        assert await refusal(store.join("ops", BOB)) is Code.REMOVED_FROM_ROOM
        await store.invite("ops", ADA, BOB)
        assert (await store.join("ops", BOB)).room == "ops"

    async def test_room_list_has_ones_own_rooms_then_public_ones_in_pages(self, opener: Opener) -> None:
        limited = Opener(opener.open_store, opener.folder, limits=Limits(page_rooms=2))
        async with limited() as store:
            await store.enroll(EVERYBODY)
            for name in ("a", "b", "c", "mine"):
                await store.create(name, BOB if name == "mine" else ADA, private=name == "mine")
            first = await store.listing(BOB.user_id)
            second = await store.listing(BOB.user_id, first.next)
            assert [room.room for room in first.rooms] == ["general", "mine", "a", "b"]
            assert [room.room for room in second.rooms] == ["c"]
            assert second.next is None


class TestPeople:
    async def test_users_who_changed_nothing_have_the_defaults(self, store: HistoryStore) -> None:
        assert await store.people([ADA.user_id, 99]) == {ADA.user_id: PersonRecord(), 99: PersonRecord()}

    async def test_a_changed_record_is_stored_and_told_with_a_revision(
        self, store: HistoryStore, opener: Opener
    ) -> None:
        change = PersonChange(
            display_name="Countess", bio="Engines", avatar="a1", status="busy", status_until_ms=START_MS + 1000,
            audiences={"bio": Audience.ROOMS}, receipts=False,
        )  # fmt: skip
        before = store.revision
        result = await store.change_person(ADA, change)
        assert result.before == PersonRecord()
        assert result.after == PersonRecord(
            display_name="Countess", bio="Engines", avatar="a1", status="busy", status_until_ms=START_MS + 1000,
            audiences=Audiences(bio=Audience.ROOMS), privacy=Privacy(receipts=False), version=1,
        )  # fmt: skip
        assert (await store.people([ADA.user_id]))[ADA.user_id] == result.after
        [event] = opener.published[-1].events
        assert isinstance(event, PersonChanged)
        assert (event.user_id, event.username, event.version) == (ADA.user_id, "ada", 1)
        assert event.privacy == Privacy(receipts=False)
        assert event.revision == store.revision
        assert before is None or event.revision == before + 1

    async def test_changes_that_concern_nobody_else_are_not_told(self, store: HistoryStore, opener: Opener) -> None:
        await store.change_person(ADA, PersonChange(writers=Writers.ROOMS))
        await store.change_person(ADA, PersonChange(display_name=""))
        assert [event for committed in opener.published for event in committed.events] == []

    async def test_who_is_seen_is_stored_unless_they_hide_it(self, store: HistoryStore, opener: Opener) -> None:
        await store.change_person(EVE, PersonChange(presence=False))
        opener.clock.now = START_MS + 5000
        await store.mark_seen([ADA.user_id, EVE.user_id])
        opener.clock.now = START_MS
        await store.mark_seen([ADA.user_id, BOB.user_id])
        people = await store.people([ADA.user_id, BOB.user_id, EVE.user_id])
        assert [people[user.user_id].seen_ms for user in (ADA, BOB, EVE)] == [START_MS + 5000, START_MS, 0]
        await store.change_person(ADA, PersonChange(presence=False))
        assert (await store.people([ADA.user_id]))[ADA.user_id].seen_ms == 0

    async def test_privacy_comes_with_memberships_of_users_who_changed_it(self, store: HistoryStore) -> None:
        await store.change_person(ADA, PersonChange(typing=False))
        await store.change_person(BOB, PersonChange(display_name="Bobby"))
        snapshot = await store.memberships(list(EVERYBODY))
        assert snapshot.privacy == {ADA.user_id: Privacy(typing=False)}

    async def test_users_are_found_by_name_and_id(self, store: HistoryStore) -> None:
        await store.open_direct(ADA, UserInfo(9, "dan"))
        assert await store.users_by_name(["ada", "nobody", "dan"]) == [ADA]
        assert await store.users_by_name(["ADA"]) == [ADA]
        assert await store.users_by_id([2, 9, 99]) == [BOB, UserInfo(9, "dan")]

    async def test_users_share_rooms_other_than_the_one_of_everyone(self, store: HistoryStore) -> None:
        everybody = list(EVERYBODY)
        assert await store.sharing(everybody, everybody) == set()
        await store.create("engines", ADA, private=False)
        await store.join("engines", BOB)
        await store.open_direct(BOB, EVE)
        pairs = {(1, 2), (2, 1), (2, 3), (3, 2)}
        assert await store.sharing(everybody, everybody) == pairs
        assert await store.sharing([1, 2], [3]) == {(2, 3)}


class TestReceipts:
    async def test_members_of_a_small_room_are_told_how_far_the_others_read(self, store: HistoryStore) -> None:
        await store.append([said("one"), said("two")])
        await store.mark_read([history_api.ReadPosition(GENERAL, BOB.user_id, 1)])
        assert await store.receipts(GENERAL) == {"ada": 0, "bob": 1, "eve": 0}
        places = [(GENERAL, BOB.user_id), (GENERAL, 99), (77, BOB.user_id)]
        assert await store.readers(places) == {(GENERAL, BOB.user_id): "bob"}

    @pytest.mark.parametrize("hidden", [PersonChange(receipts=False), PersonChange(presence=False)])
    async def test_who_hides_receipts_or_presence_is_left_out(self, store: HistoryStore, hidden: PersonChange) -> None:
        await store.change_person(BOB, hidden)
        await store.change_person(EVE, PersonChange(typing=False))
        assert await store.receipts(GENERAL) == {"ada": 0, "eve": 0}
        assert await store.readers([(GENERAL, BOB.user_id), (GENERAL, EVE.user_id)]) == {(GENERAL, EVE.user_id): "eve"}

    async def test_a_larger_room_has_none(self, opener: Opener) -> None:
        small = Opener(opener.open_store, opener.folder, limits=Limits(receipts_members=2))
        async with small() as store:
            await store.enroll({ADA.user_id: "ada", BOB.user_id: "bob"})
            assert len(await store.receipts(GENERAL)) == 2
            await store.enroll({EVE.user_id: "eve"})
            assert await store.receipts(GENERAL) == {}
            assert await store.readers([(GENERAL, BOB.user_id)]) == {}


class TestUsers:
    async def test_direct_conversation_of_two_users_is_one_room(self, store: HistoryStore) -> None:
        opened = await store.open_direct(ADA, BOB)
        assert await store.open_direct(BOB, ADA) == opened
        assert await store.members(opened.room_id) == ["ada", "bob"]
        assert await store.members((await store.open_direct(ADA, ADA)).room_id) == ["ada"]

    async def test_settings_and_blocks_decide_who_may_write(self, store: HistoryStore) -> None:
        assert (await store.people([BOB.user_id]))[BOB.user_id].writers is Writers.EVERYONE
        await store.change_person(BOB, PersonChange(writers=Writers.NOBODY))
        assert (await store.people([BOB.user_id]))[BOB.user_id].writers is Writers.NOBODY
        assert await refusal(store.open_direct(ADA, BOB)) is Code.DIRECT_REFUSED
        await store.change_person(BOB, PersonChange(writers=Writers.EVERYONE))
        await store.block(BOB, "ADA")
        assert await store.blocked(BOB.user_id) == ["ADA"]
        assert await refusal(store.open_direct(ADA, BOB)) is Code.DIRECT_REFUSED
        await store.unblock(BOB, "ada")
        assert (await store.open_direct(ADA, BOB)).private


def has_read(
    offset: int, turn: int | None = None, user: UserInfo = BOB, room_id: int = GENERAL
) -> history_api.ReadPosition:
    return history_api.ReadPosition(room_id, user.user_id, offset, turn)


async def state_of(store: HistoryStore, user: UserInfo = BOB, room_id: int = GENERAL) -> ReadState:
    """The state of a room for a member, which every read tells alike."""
    state = (await store.states_of([(room_id, user.user_id)]))[room_id, user.user_id]
    assert (await store.read_states([user.user_id]))[user.user_id][room_id] == state
    assert (await store.memberships([user.user_id])).reads[user.user_id][room_id] == state
    return state


class TestReadStates:
    async def test_messages_of_others_after_the_read_position_are_unread(self, store: HistoryStore) -> None:
        await store.append([said("one"), said("@bob two"), said("three", user=BOB), said("@room four", user=EVE)])
        assert await state_of(store) == ReadState(unread=3, mentions=2, counted=4)
        assert await store.mark_read([has_read(2)]) == [(GENERAL, BOB.user_id)]
        assert await state_of(store) == ReadState(read=2, unread=1, mentions=1, counted=4)

    async def test_greatest_position_by_turn_and_offset_counts(self, store: HistoryStore) -> None:
        await store.append([said("one"), said("two"), said("three")])
        marked = [
            await store.mark_read([each]) for each in (has_read(2), has_read(1), has_read(9), has_read(1, turn=1))
        ]
        bob = [(GENERAL, BOB.user_id)]
        assert marked == [bob, [], bob, bob]
        assert await store.mark_read([has_read(3, turn=0)]) == []
        assert await state_of(store) == ReadState(read=1, turn=1, unread=2, counted=3)

    async def test_users_who_are_no_members_have_no_state(self, store: HistoryStore) -> None:
        room = await store.create("ops", ADA, private=False)
        assert await store.mark_read([has_read(0, 1, room_id=room.room_id), has_read(0, 1, room_id=99)]) == []
        asked = [(room.room_id, ADA.user_id), (room.room_id, BOB.user_id), (99, ADA.user_id)]
        assert await store.states_of(asked) == {asked[0]: ReadState()}

    async def test_new_member_has_read_everything(self, store: HistoryStore) -> None:
        room = await store.create("ops", ADA, private=False)
        await store.append([said("@bob", room_id=room.room_id), said("@room", room_id=room.room_id)])
        await store.join("ops", BOB)
        assert await state_of(store, room_id=room.room_id) == ReadState(read=2, counted=2)

    async def test_notification_level_is_kept_and_only_members_set_one(self, opener: Opener) -> None:
        async with opener() as store:
            await store.enroll(EVERYBODY)
            await store.create("ops", ADA, private=False)
            changes = [await store.set_notify("General", BOB, NotificationLevel.NONE, START_MS) for _ in range(2)]
            assert [(info.room, is_changed) for info, is_changed in changes] == [("general", True), ("general", False)]
            assert await refusal(store.set_notify("ops", BOB, NotificationLevel.ALL, 0)) is Code.NOT_A_MEMBER
        async with opener() as store:
            assert await state_of(store) == ReadState(notify=NotificationLevel.NONE, until=timestamp(START_MS))

    @pytest.mark.parametrize(
        "change",
        [
            lambda store: store.mark_read([has_read(1)]),
            lambda store: store.set_notify("general", BOB, NotificationLevel.NONE, 0),
            lambda store: store.join("ops", BOB),
            lambda store: store.leave("dev", BOB, delete=False),
            lambda store: store.remove_member("dev", ADA, "bob"),
            lambda store: store.delete_room("dev", ADA),
            lambda store: store.open_direct(ADA, BOB),
            lambda store: store.append([said("three")]),
            lambda store: store.append([], [edited(1, "@bob one")]),
            lambda store: store.append([], [edited(2, "two")]),
            lambda store: store.append([], [deleted(2)]),
        ],
        ids=[
            "position", "level", "joined", "left", "removed", "deleted room", "conversation", "message", "new mention",
            "no mention any more", "deleted mention",
        ],
    )  # fmt: skip
    async def test_states_that_are_read_again_have_what_changed_since(
        self, store: HistoryStore, change: Callable[[HistoryStore], Awaitable[object]]
    ) -> None:
        await store.create("ops", ADA, private=False)
        await store.create("dev", ADA, private=False)
        await store.join("dev", BOB)
        await store.append([said("one"), said("two @bob")])
        before = (await store.read_states([BOB.user_id]))[BOB.user_id]
        assert (await store.read_states([BOB.user_id]))[BOB.user_id] == before
        await change(store)
        after = (await store.read_states([BOB.user_id]))[BOB.user_id]
        assert after != before
        members = [(room_id, BOB.user_id) for room_id in before.keys() | after.keys()]
        assert {room_id: state for (room_id, _), state in (await store.states_of(members)).items()} == after


async def codes_of(store: HistoryStore, *messages: history_api.Append) -> list[Code]:
    """The codes with which these messages are refused, in order."""
    outcomes = (await store.append(messages)).outcomes
    return [Code(each.code) for each in outcomes if isinstance(each, history_api.AppendRefused)]


async def files_of(store: HistoryStore, offset: int) -> list[str]:
    page = await store.page(GENERAL, PageSpan(1, after=offset - 1))
    return [file.id for file in stored_message.files(page.messages[0].extra)]


class TestFiles:
    async def test_message_has_the_files_that_its_author_uploaded_for_its_room(self, store: HistoryStore) -> None:
        for file_id in ("one", "two"):
            await store.add_file(uploaded(file_id))
        await store.append([said("", files=("two", "one")), said("no file")])
        [message, plain] = (await store.page(GENERAL, PageSpan(9))).messages
        assert stored_message.files(message.extra) == (uploaded("two").file, uploaded("one").file)
        assert (message.content, plain.extra) == ("", None)

    async def test_file_is_refused_to_other_users_other_rooms_and_other_messages(self, store: HistoryStore) -> None:
        ops = await store.create("ops", ADA, private=False)
        await store.add_file(uploaded("mine"))
        await store.add_file(uploaded("of-ops", room_id=ops.room_id))
        refused = await codes_of(
            store,
            said("of another user", user=BOB, files=("mine",)),
            said("of another room", files=("of-ops",)),
            said("of nobody", files=("none",)),
            said("twice", files=("mine", "mine")),
            said("mine", files=("mine",)),
            said("in the same transaction", files=("mine",)),
        )
        assert refused == [Code.FILE_UNKNOWN] * 5
        assert await codes_of(store, said("later", files=("mine",))) == [Code.FILE_UNKNOWN]
        assert await contents(store) == ["mine"]

    async def test_message_has_a_limited_number_of_files_and_a_text_unless_it_has_files(self, opener: Opener) -> None:
        limited = Opener(opener.open_store, opener.folder, limits=Limits(files_per_message=1))
        async with limited() as store:
            await store.enroll(EVERYBODY)
            await store.add_file(uploaded("one"))
            await store.add_file(uploaded("two"))
            refused = await codes_of(store, said("", files=("one", "two")), said(""), said(" ", files=("one",)))
            assert refused == [Code.TOO_MANY_FILES, Code.CONTENT_EMPTY, Code.CONTENT_EMPTY]
            assert await codes_of(store, said("", files=("one",))) == []

    async def test_key_identifies_a_message_with_its_files(self, opener: Opener) -> None:
        async with opener() as store:
            await store.enroll(EVERYBODY)
            await store.add_file(uploaded("one"))
            await store.add_file(uploaded("two"))
            first, again = (await store.append([said("", "k", files=("one",)), said("", "k", files=("one",))])).outcomes
            assert again == first
            assert await codes_of(store, said("", "k", files=("two",))) == [Code.KEY_REUSED]
        async with opener() as store:
            assert (await store.append([said("", "k", files=("one",))])).outcomes == [first]
            reused = await codes_of(store, said("", "k", files=("two",)), said("x", "k", files=("one",)))
            assert reused == [Code.KEY_REUSED] * 2
            await store.append([], [edited(1, "changed")])
            assert (await store.append([said("", "k", files=("one",))])).outcomes == [first]

    async def test_files_stay_with_an_edited_message_and_its_text_may_become_empty(self, store: HistoryStore) -> None:
        await store.add_file(uploaded("one"))
        await store.append([said("a caption", files=("one",)), said("no file")])
        await store.append([], [edited(1, "for @bob"), reacted(1, "👍")])
        assert await files_of(store, 1) == ["one"]
        answer = await store.append([], [edited(1, ""), edited(2, "")])
        assert [type(each) for each in answer.change_outcomes] == [history_api.ChangeStored, history_api.AppendRefused]
        assert await files_of(store, 1) == ["one"]
        assert await contents(store) == ["", "no file"]

    async def test_files_of_a_deleted_message_are_erased_until_that_is_acknowledged(self, opener: Opener) -> None:
        async with opener() as store:
            await store.enroll(EVERYBODY)
            for file_id in ("one", "two", "kept"):
                await store.add_file(uploaded(file_id))
            await store.append([said("", files=("one", "two")), said("", files=("kept",))])
            assert await store.files_to_erase([]) == []
            await store.append([], [deleted(1)])
            assert await files_of(store, 1) == []
            assert await refusal(store.readable_file("one", ADA.user_id)) is Code.FILE_UNKNOWN
        async with opener() as store:
            assert await store.files_to_erase([]) == ["one", "two"]
            assert await store.files_to_erase(["one", "never known"]) == ["two"]
            assert await store.files_to_erase(["two"]) == []
            assert await store.known_files(["one", "two", "kept", "never known"]) == ["kept"]

    async def test_file_is_read_by_members_once_a_message_has_it_and_by_its_uploader(self, store: HistoryStore) -> None:
        ops = await store.create("ops", ADA, private=True)
        await store.add_file(uploaded("one", room_id=ops.room_id))
        await store.invite("ops", ADA, BOB)
        await store.join("ops", BOB)
        assert await store.readable_file("one", ADA.user_id) == uploaded("one").file
        assert await refusal(store.readable_file("one", BOB.user_id)) is Code.FILE_UNKNOWN
        await store.append([said("", room_id=ops.room_id, files=("one",))])
        assert await store.readable_file("one", BOB.user_id) == uploaded("one").file
        assert await refusal(store.readable_file("one", EVE.user_id)) is Code.FILE_UNKNOWN
        await store.remove_member("ops", ADA, "bob")
        assert await refusal(store.readable_file("one", BOB.user_id)) is Code.FILE_UNKNOWN

    async def test_uploaded_file_is_stored_once_and_not_after_its_erasure(self, store: HistoryStore) -> None:
        await store.add_file(uploaded("one"))
        await store.append([said("", files=("one",))])
        await store.add_file(uploaded("one"))
        assert await files_of(store, 1) == ["one"]
        await store.append([], [deleted(1)])
        assert await refusal(store.add_file(uploaded("one"))) is Code.ROOM_UNKNOWN
        assert await refusal(store.add_file(uploaded("two", room_id=99))) is Code.ROOM_UNKNOWN
        assert await store.known_files(["one", "two"]) == []

    async def test_files_of_a_deleted_room_are_unknown_at_once(self, store: HistoryStore) -> None:
        ops = await store.create("ops", ADA, private=False)
        await store.add_file(uploaded("one", room_id=ops.room_id))
        await store.delete_room("ops", ADA)
        assert await refusal(store.readable_file("one", ADA.user_id)) is Code.FILE_UNKNOWN

    async def test_direct_conversation_takes_no_files_of_a_blocked_user(self, store: HistoryStore) -> None:
        opened = await store.open_direct(ADA, BOB)
        await store.require_writer(opened, ADA)
        await store.block(BOB, "ADA")
        assert await refusal(store.require_writer(opened, ADA)) is Code.DIRECT_REFUSED
        await store.require_writer(opened, BOB)


Step: TypeAlias = history_api.Append | history_api.AnyMessageChange
USERS = st.sampled_from([ADA, BOB])
OFFSETS = st.integers(1, 6)
STEPS = st.one_of(
    st.builds(said, st.sampled_from(["a", "@bob b", "c"]), st.sampled_from(["", "k1", "k2"]), USERS),
    st.builds(said, st.sampled_from(["", "@bob"]), st.just(""), USERS, files=st.sampled_from([("f1",), ("f2", "f3")])),
    st.builds(edited, OFFSETS, st.sampled_from(["x", "y"]), USERS),
    st.builds(deleted, OFFSETS, USERS),
    st.builds(reacted, OFFSETS, st.sampled_from(["👍", "🎉"]), USERS, remove=st.booleans()),
    st.builds(pinned, OFFSETS, remove=st.booleans()),
)


@pytest.mark.parametrize("name", STORES)
@settings(max_examples=40, deadline=None)
@given(batches=st.lists(st.lists(STEPS, min_size=1, max_size=4), min_size=1, max_size=6))
def test_room_is_what_the_published_changes_made_of_it_also_after_opening_it_again(
    name: str, batches: list[list[Step]]
) -> None:
    async def run() -> None:
        with TemporaryDirectory() as folder:
            opener = Opener(STORES[name], Path(folder))
            async with opener() as store:
                await store.enroll(EVERYBODY)
                for file_id in ("f1", "f2", "f3"):
                    await store.add_file(uploaded(file_id))
                for batch in batches:
                    messages = [step for step in batch if isinstance(step, history_api.Append)]
                    changes = [step for step in batch if not isinstance(step, history_api.Append)]
                    await store.append(messages, changes)
                before = await store.page(GENERAL, PageSpan(100))
            async with opener() as store:
                after = await store.page(GENERAL, PageSpan(100))
                changed = await store.changed_messages(GENERAL, 0, first=1, limit=100)
        assert after == before
        assert [each.offset for each in after.messages] == list(range(1, after.head + 1))
        files = [file.id for each in after.messages for file in stored_message.files(each.extra)]
        assert len(files) == len(set(files))
        told = _told(opener.published)
        assert {each.offset: each for each in after.messages} == told
        assert changed.messages == sorted((each for each in told.values() if each.rev), key=lambda each: each.rev)
        assert changed.through == after.rev

    asyncio.run(run())


def _told(published: list[CommittedChanges]) -> dict[int, StoredMessage]:
    """The room as a client knows it that was told every committed message and change."""
    room: dict[int, StoredMessage] = {}
    for committed in published:
        plan = committed.plan
        for row in plan.inserts:
            stored = StoredMessage(row.offset, row.message_id, row.user_id, row.username, row.content, row.timestamp_ms)
            relations = plan.relations.get(row.message_id)
            room[row.offset] = stored if relations is None else stored._replace(**relations._asdict())
        if plan.changes is not None:
            for changes in plan.changes.changed.values():
                room.update({change.message.offset: change.message for change in changes.values()})
    return room
