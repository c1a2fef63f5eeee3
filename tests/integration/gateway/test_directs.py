"""Direct conversations, as live connections see them: opened from either side, by a command, a message or over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from chatterbox.wire.encryption.policy import EncryptionPolicy
from tests.support.server import Server, running
from tests.support.talker import Talker, contents

NAME = "@ada+bob"
WITH = ["ada", "bob"]


class People(NamedTuple):
    ada: Talker
    bob: Talker
    bobs_phone: Talker
    eve: Talker


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """A server whose direct conversations are not encrypted."""
    async with running(tmp_path, encryption=EncryptionPolicy.ALLOWED) as server:
        yield server


@pytest.fixture
async def tokens(server: Server) -> dict[str, str]:
    return {name: await server.newcomer(name) for name in ("ada", "bob", "eve")}


@pytest.fixture
async def people(server: Server, tokens: dict[str, str]) -> AsyncIterator[People]:
    async with AsyncExitStack() as stack:
        names = ("ada", "bob", "bob", "eve")
        yield People(*[await stack.enter_async_context(server.talker(tokens[name])) for name in names])


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def without_id(frame: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in frame.items() if name != "id"}


async def test_the_other_user_is_told_on_every_connection_and_gets_the_first_message(people: People) -> None:
    ada, bob, phone, eve = people
    opened = await ada.ask("direct", username="BOB")
    assert {**opened, "at": None} == {"type": "direct_opened", "id": 1, "room": NAME, "with": WITH, "at": None}
    for talker in (bob, phone):
        assert await talker.push("membership", room=NAME) == {
            "type": "membership", "room": NAME, "username": "bob", "member": True, "by": "ada", "at": opened["at"],
            "private": True, "kind": "direct", "with": WITH,
        }  # fmt: skip
    await ada.send("hello", NAME)
    for talker in (ada, bob, phone):
        assert contents(await talker.messages(1, NAME)) == ["hello"]
    await bob.send("hi", NAME)
    assert contents(await ada.messages(1, NAME)) == ["hi"]
    await ada.send("to all")
    assert (await eve.push("message"))["content"] == "to all"
    assert not any(frame.get("room") == NAME for frame in eve.inbox)
    assert not any(frame["type"] == "membership" and frame["room"] == NAME for frame in ada.inbox)


async def test_the_same_conversation_is_opened_from_either_side_and_again(people: People) -> None:
    ada, bob, *_ = people
    first = await ada.ask("direct", username="bob")
    await ada.send("hello", NAME)
    again = await ada.ask("direct", username="bob")
    other = await bob.ask("direct", username="ada")
    assert {**first["at"], "offset": 1} == again["at"] == other["at"]
    assert without_id(again) == without_id(other)


async def test_both_opening_at_once_are_in_one_room(people: People) -> None:
    ada, bob, *_ = people
    opened = await asyncio.gather(ada.ask("direct", username="bob"), bob.ask("direct", username="ada"))
    assert without_id(opened[0]) == without_id(opened[1])
    await asyncio.gather(ada.send("from ada", NAME), bob.send("from bob", NAME))
    seen = [await talker.messages(2, NAME) for talker in (ada, bob)]
    assert seen[0] == seen[1]


async def test_a_message_to_its_name_makes_it(people: People) -> None:
    ada, bob, phone, _ = people
    sent = await ada.send("hello", "@BOB+ada", key="k1")
    assert (sent["type"], sent["room"], sent["at"]["offset"]) == ("sent", NAME, 1)
    for talker in (ada, bob, phone):
        assert (await talker.push("membership", room=NAME))["at"]["offset"] == 0
        assert contents(await talker.messages(1, NAME)) == ["hello"]
    assert without_id(await ada.send("hello", "@ADA+BOB", key="k1")) == without_id(sent)
    assert contents((await bob.ask("history", room="@ADA+bob"))["messages"]) == ["hello"]


async def test_messages_of_both_to_a_new_conversation_at_once_are_all_stored_once(people: People) -> None:
    ada, bob, *_ = people
    for number in range(3):
        for talker in (ada, bob):
            await talker.say({"type": "send", "id": 100 + number, "room": NAME, "content": f"{number}"})
    for talker in (ada, bob):
        assert {(await talker.first(id=100 + number))["type"] for number in range(3)} == {"sent"}
    seen = [await talker.messages(6, NAME) for talker in (ada, bob)]
    assert seen[0] == seen[1]
    assert [message["content"] for message in seen[0] if message["username"] == "ada"] == ["0", "1", "2"]


async def test_opening_over_http_reaches_open_connections(
    server: Server, people: People, tokens: dict[str, str]
) -> None:
    ada, bob, *_ = people
    answer = await server.http.post("/directs", json={"username": "bob"}, headers=bearer(tokens["ada"]))
    assert (answer.status_code, answer.json()["room"], answer.json()["with"]) == (200, NAME, WITH)
    for talker in (ada, bob):
        assert (await talker.push("membership", room=NAME))["with"] == WITH
    await bob.send("hi", NAME)
    assert contents(await ada.messages(1, NAME)) == ["hi"]


async def test_the_welcome_and_the_list_name_the_members(
    server: Server, people: People, tokens: dict[str, str]
) -> None:
    await people.ada.ask("direct", username="bob")
    await people.ada.send("hello", NAME)
    listed = (await people.bob.ask("rooms"))["rooms"]
    async with server.talker(tokens["bob"]) as later:
        for rooms in (listed, later.welcome["rooms"]):
            direct = next(room for room in rooms if room["room"] == NAME)
            assert (direct["kind"], direct["with"], direct["private"]) == ("direct", WITH, True)
            general = next(room for room in rooms if room["room"] == "general")
            assert not {"kind", "with"} & general.keys()


async def test_a_client_resumes_in_it_without_a_gap(server: Server, people: People, tokens: dict[str, str]) -> None:
    ada, bob, *_ = people
    await ada.ask("direct", username="bob")
    first = await ada.send("1", NAME)
    await bob.socket.close()
    await ada.send("2", NAME)
    async with server.talker(tokens["bob"], how="frame", resume={NAME: first["at"]}) as back:
        assert contents(await back.messages(1, NAME)) == ["2"]


async def test_a_block_while_the_conversation_is_open_stops_what_follows(
    server: Server, people: People, tokens: dict[str, str]
) -> None:
    ada, bob, *_ = people
    await ada.ask("direct", username="bob")
    await bob.send("before", NAME)
    (await server.http.put("/blocks/bob", headers=bearer(tokens["ada"]))).raise_for_status()
    refused = await bob.send("after", NAME)
    assert (refused["type"], refused["code"]) == ("error", "direct_refused")
    await ada.send("still writing", NAME)
    assert contents(await ada.messages(2, NAME)) == ["before", "still writing"]
    assert contents(await bob.messages(2, NAME)) == ["before", "still writing"]
    page = await bob.ask("history", room=NAME)
    assert contents(page["messages"]) == ["before", "still writing"]


async def test_who_is_refused_can_not_tell_a_block_from_the_setting(
    server: Server, people: People, tokens: dict[str, str]
) -> None:
    ada, bob, _, eve = people
    (await server.http.put("/blocks/bob", headers=bearer(tokens["ada"]))).raise_for_status()
    (await server.http.patch("/me", json={"writes": "nobody"}, headers=bearer(tokens["eve"]))).raise_for_status()
    blocked, unwanted = await bob.ask("direct", username="ada"), await bob.ask("direct", username="eve")
    assert without_id(blocked) == without_id(unwanted)
    assert blocked["code"] == "direct_refused"
    sent = [await bob.send("hi", room) for room in (NAME, "@bob+eve")]
    assert [without_id(refused) for refused in sent] == [without_id(blocked)] * 2
    await bob.send("to all")
    for talker in (ada, eve):
        assert (await talker.push("message"))["content"] == "to all"
        assert not any(frame.get("room", "").startswith("@") for frame in talker.inbox)


async def test_others_learn_nothing_of_it(people: People) -> None:
    await people.ada.ask("direct", username="bob")
    for command in ("join", "leave", "history"):
        answers = [await people.eve.ask(command, room=room) for room in (NAME, "@ada+carol")]
        assert without_id(answers[0]) == without_id(answers[1])
        assert answers[0]["code"] == "room_unknown"
    assert (await people.eve.send("hi", NAME))["code"] == "room_unknown"


async def test_its_members_and_topic_can_not_be_changed(people: People) -> None:
    ada, bob, *_ = people
    await ada.ask("direct", username="bob")
    for command, fields in (
        ("leave", {}), ("leave", {"delete": True}), ("invite", {"username": "eve"}), ("remove", {"username": "bob"}),
        ("delete_room", {}), ("topic", {"topic": "us"}),
    ):  # fmt: skip
        assert (await ada.ask(command, room=NAME, **fields))["code"] == "not_allowed"
    assert (await ada.ask("create", room=NAME))["code"] == "room_name_invalid"
    await ada.send("still here", NAME)
    assert contents(await bob.messages(1, NAME)) == ["still here"]


async def test_notes_to_oneself_reach_the_users_other_connections(server: Server, tokens: dict[str, str]) -> None:
    async with server.talker(tokens["ada"]) as laptop, server.talker(tokens["ada"]) as phone:
        opened = await laptop.ask("direct", username="ada")
        assert (opened["room"], opened["with"]) == ("@ada+ada", ["ada"])
        assert (await phone.push("membership", room="@ada+ada"))["with"] == ["ada"]
        await laptop.send("milk", "@ada+ada")
        assert contents(await phone.messages(1, "@ada+ada")) == ["milk"]


async def test_unknown_user_and_malformed_names_are_refused(people: People) -> None:
    assert (await people.ada.ask("direct", username="nosuchuser"))["code"] == "user_unknown"
    assert (await people.ada.ask("direct", username="!"))["code"] == "username_invalid"
    assert (await people.ada.send("hi", "@ada+nosuchuser"))["code"] == "user_unknown"
    for room in ("@bob", "@", "@ada+bob+eve"):
        assert (await people.ada.send("hi", room))["code"] == "room_name_invalid"
