"""Read states of history's stores after any sequence of steps: positions only grow, and counts are a recount."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, TypeAlias, assert_never

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatterbox.wire import history_api
from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.history_api import ReadPosition
from chatterbox.wire.read_state import ReadState
from services.history.history_store import HistoryStore
from tests.support.history import UNHURRIED, Clock
from tests.support.stores import STORES

ADA, BOB, EVE = UserInfo(1, "ada"), UserInfo(2, "bob"), UserInfo(3, "eve")
PEOPLE = (ADA, BOB, EVE)
TEXTS = ("hello", "@bob", "@bob @eve", "@ada", "@room", "@room @bob")


class Say(NamedTuple):
    user: UserInfo
    text: str


class Edit(NamedTuple):
    user: UserInfo
    offset: int
    text: str


class Delete(NamedTuple):
    user: UserInfo
    offset: int


class Read(NamedTuple):
    user: UserInfo
    offset: int
    turn: int | None


class Join(NamedTuple):
    user: UserInfo


class Leave(NamedTuple):
    user: UserInfo


class Restart(NamedTuple):
    pass


Step: TypeAlias = Say | Edit | Delete | Read | Join | Leave | Restart
people, texts, offsets = st.sampled_from(PEOPLE), st.sampled_from(TEXTS), st.integers(0, 8)
guests = st.sampled_from((BOB, EVE))
STEPS = st.one_of(
    st.builds(Say, people, texts),
    st.builds(Edit, people, offsets, texts),
    st.builds(Delete, people, offsets),
    st.builds(Read, people, offsets, st.none() | st.integers(0, 3)),
    st.builds(Join, guests),
    st.builds(Leave, guests),
    st.just(Restart()),
)


@dataclass
class SaidMessage:
    author: UserInfo
    text: str
    named: set[UserInfo]
    """Members whom it mentions, other than its author."""


@dataclass
class Room:
    """What is to be stored: the messages of the room, and the position of each member."""

    messages: list[SaidMessage] = field(default_factory=list)
    positions: dict[UserInfo, tuple[int, int]] = field(default_factory=dict)

    def named(self, author: UserInfo, text: str) -> set[UserInfo]:
        words = text.split()
        return {user for user in self.positions if f"@{user.username}" in words and user != author}

    def count(self, user: UserInfo) -> ReadState:
        """Count one by one."""
        turn, read = self.positions[user]
        after = [message for message in self.messages[read:] if message.author != user]
        mentions = [message for message in after if user in message.named or "@room" in message.text]
        return ReadState(read=read, turn=turn, unread=len(after), mentions=len(mentions), counted=len(self.messages))


@dataclass
class Script:
    """Runs steps on a store, and on what is to be stored."""

    room_id: int
    room: Room = field(default_factory=Room)

    async def run(self, store: HistoryStore, step: Step) -> None:
        match step:
            case Say(user, text):
                message = history_api.Append(self.room_id, user.user_id, user.username, text, "")
                [outcome] = (await store.append([message])).outcomes
                if isinstance(outcome, history_api.Appended):
                    self.room.messages.append(SaidMessage(user, text, self.room.named(user, text)))
            case Edit(user, offset, text):
                change = history_api.MessageEdit(**self._place(user, offset), content=text)
                if await self._is_stored(store, change) and self.room.messages[offset - 1].text != text:
                    self.room.messages[offset - 1] = SaidMessage(user, text, self.room.named(user, text))
            case Delete(user, offset):
                if await self._is_stored(store, history_api.MessageDeletion(**self._place(user, offset))):
                    self.room.messages[offset - 1] = SaidMessage(self.room.messages[offset - 1].author, "", set())
            case Read(user, offset, turn):
                await self._read(store, user, offset, turn)
            case Join(user):
                await store.join("ops", user)
                self.room.positions.setdefault(user, (0, len(self.room.messages)))
            case Leave(user):
                await store.leave("ops", user, delete=False)
                self.room.positions.pop(user, None)
                for said in self.room.messages:
                    said.named.discard(user)
            case Restart():
                raise AssertionError("done by the caller")
            case _:
                assert_never(step)

    def _place(self, user: UserInfo, offset: int) -> dict[str, Any]:
        return {"room_id": self.room_id, "user_id": user.user_id, "username": user.username, "offset": offset}

    async def _is_stored(self, store: HistoryStore, change: history_api.AnyMessageChange) -> bool:
        [outcome] = (await store.append([], [change])).change_outcomes
        return isinstance(outcome, history_api.ChangeStored)

    async def _read(self, store: HistoryStore, user: UserInfo, offset: int, turn: int | None) -> None:
        advanced = await store.mark_read([ReadPosition(self.room_id, user.user_id, offset, turn)])
        if user not in self.room.positions:
            assert advanced == []
            return
        before = self.room.positions[user]
        after = max(before, (before[0] if turn is None else turn, min(offset, len(self.room.messages))))
        assert advanced == ([(self.room_id, user.user_id)] if after != before else [])
        self.room.positions[user] = after

    async def check(self, store: HistoryStore) -> None:
        states = await store.states_of([(self.room_id, user.user_id) for user in PEOPLE])
        assert states == {(self.room_id, user.user_id): self.room.count(user) for user in self.room.positions}


@pytest.mark.parametrize("name", STORES)
@settings(max_examples=60, deadline=None)
@given(steps=st.lists(STEPS, max_size=30))
def test_counts_are_a_recount_of_the_messages_after_the_greatest_position(name: str, steps: list[Step]) -> None:
    async def run() -> None:
        with TemporaryDirectory() as folder:
            async with AsyncExitStack() as opened:

                async def open_store() -> HistoryStore:
                    return await opened.enter_async_context(
                        STORES[name](Path(folder), UNHURRIED, Clock(), lambda _: None)
                    )

                store = await open_store()
                script = Script((await store.create("ops", ADA, private=False)).room_id)
                script.room.positions[ADA] = (0, 0)
                for step in steps:
                    if isinstance(step, Restart):
                        await opened.aclose()
                        store = await open_store()
                    else:
                        await script.run(store, step)
                    await script.check(store)

    asyncio.run(run())
