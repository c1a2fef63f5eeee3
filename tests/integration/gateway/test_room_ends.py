"""Connections of removed members and of deleted rooms receive the reason and nothing more."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import NamedTuple

import pytest

from tests.support.server import Server
from tests.support.talker import Talker


class People(NamedTuple):
    ada: Talker
    bob: Talker
    bobs_phone: Talker


@pytest.fixture
async def people(server: Server) -> AsyncIterator[People]:
    """Ada created `ops` and bob joined it, on two connections."""
    tokens = [await server.newcomer(name) for name in ("ada", "bob")]
    async with AsyncExitStack() as stack:
        ada, bob, phone = [
            await stack.enter_async_context(server.talker(token)) for token in (tokens[0], tokens[1], tokens[1])
        ]
        await ada.ask("create", room="ops")
        await bob.ask("join", room="ops")
        await phone.push("membership", room="ops")
        yield People(ada, bob, phone)


async def test_removed_member_is_told_on_every_connection_and_receives_nothing_more(people: People) -> None:
    ada, bob, phone = people
    assert await ada.ask("remove", room="ops", username="Bob") == {
        "type": "removed", "id": 2, "room": "ops", "username": "bob",
    }  # fmt: skip
    for talker in (bob, phone):
        assert await talker.push("membership", room="ops", username="bob", member=False) == {
            "type": "membership", "room": "ops", "username": "bob", "member": False, "by": "ada",
        }  # fmt: skip
    assert (await ada.push("membership", room="ops", member=False))["by"] == "ada"
    await ada.send("without bob", "ops")
    await ada.send("with bob", "general")
    for talker in (bob, phone):
        assert (await talker.push("message"))["content"] == "with bob"
    assert (await bob.send("hello?", "ops"))["code"] == "not_a_member"
    assert (await bob.ask("join", room="ops"))["code"] == "removed_from_room"


async def test_members_of_a_deleted_room_are_notified_and_its_name_is_free(people: People) -> None:
    ada, bob, phone = people
    before = (await ada.send("hello", "ops"))["at"]
    assert (await ada.ask("delete_room", room="ops"))["type"] == "room_deleted"
    for talker in (bob, phone):
        assert await talker.push("membership", room="ops", member=False) == {
            "type": "membership", "room": "ops", "username": "bob", "member": False, "by": "ada", "deleted": True,
        }  # fmt: skip
    assert (await bob.send("hello?", "ops"))["code"] == "room_unknown"
    again = (await bob.ask("create", room="ops"))["at"]
    assert again["offset"] == 0
    assert again["epoch"] != before["epoch"]
    joined = await ada.ask("join", room="ops", since=before)
    assert (joined["reset"], joined["messages"], joined["at"]) == (True, [], again)


async def test_only_the_creator_can_remove_and_delete(people: People) -> None:
    _, bob, _ = people
    assert (await bob.ask("remove", room="ops", username="ada"))["code"] == "not_the_creator"
    assert (await bob.ask("delete_room", room="ops"))["code"] == "not_the_creator"


async def test_last_member_of_a_private_room_must_confirm_that_it_is_deleted(server: Server) -> None:
    token = await server.newcomer("ada")
    async with server.talker(token) as ada, server.talker(token) as phone:
        await ada.ask("create", room="plans", private=True)
        await phone.push("membership", room="plans")
        await ada.send("secret", "plans")
        refused = await ada.ask("leave", room="plans")
        assert refused["code"] == "last_member"
        assert "its 1 message will be deleted" in refused["detail"]
        assert (await ada.send("still here", "plans"))["type"] == "sent"
        assert await ada.ask("leave", room="plans", delete=True) == {
            "type": "left", "id": 5, "room": "plans", "deleted": True,
        }  # fmt: skip
        assert (await phone.push("membership", room="plans", member=False))["deleted"]
        assert (await ada.ask("create", room="plans"))["type"] == "created"
