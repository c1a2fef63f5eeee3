"""Encrypted direct conversations as connections see them, before anyone has keys: names, fields and refusals."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from chatterbox.wire.encryption.policy import EncryptionPolicy
from tests.support.server import running
from tests.support.talker import Talker

NAME, PLAIN = "@ada~bob", "@ada+bob"
ENVELOPE = f"e1.ABCDEFGHIJ.{'s' * 43}.Zm9v"


class People(NamedTuple):
    ada: Talker
    bob: Talker
    eve: Talker


async def at(stack: AsyncExitStack, folder: Path, policy: EncryptionPolicy) -> People:
    server = await stack.enter_async_context(running(folder, encryption=policy))
    talkers = [server.talker(await server.newcomer(name)) for name in ("ada", "bob", "eve")]
    return People(*[await stack.enter_async_context(talker) for talker in talkers])


@pytest.fixture
async def people(tmp_path: Path) -> AsyncIterator[People]:
    """At a server where each conversation is as it is begun."""
    async with AsyncExitStack() as stack:
        yield await at(stack, tmp_path, EncryptionPolicy.ALLOWED)


def code(reply: dict[str, Any]) -> str:
    assert reply["type"] == "error", reply
    return str(reply["code"])


@pytest.mark.parametrize("policy", EncryptionPolicy)
async def test_the_welcome_tells_which_conversations_are_encrypted(tmp_path: Path, policy: EncryptionPolicy) -> None:
    async with AsyncExitStack() as stack:
        people = await at(stack, tmp_path, policy)
        assert people.ada.welcome["encryption"] == policy


async def test_both_are_told_that_a_conversation_is_encrypted_and_its_name_inside_messages(people: People) -> None:
    ada, bob, _ = people
    opened = await ada.ask("direct", username="Bob", encrypted=True)
    assert (opened["type"], opened["room"], opened["with"]) == ("direct_opened", NAME, ["ada", "bob"])
    assert opened["encrypted"] is True
    assert len(opened["uid"]) == 22
    told = await bob.push("membership", room=NAME)
    assert (told["encrypted"], told["uid"], told["kind"]) == (True, opened["uid"], "direct")
    assert await bob.ask("direct", username="ada", encrypted=True) | {"id": 1} == opened | {"id": 1}


async def test_a_welcome_and_a_room_list_tell_it_too(tmp_path: Path) -> None:
    async with running(tmp_path, encryption="allowed") as server:
        ada_token, _ = await server.newcomer("ada"), await server.newcomer("bob")
        async with server.talker(ada_token) as ada:
            opened = await ada.ask("direct", username="bob", encrypted=True)
            await ada.ask("direct", username="bob")
            (listed,) = [room for room in (await ada.ask("rooms"))["rooms"] if room["room"] == NAME]
        async with server.talker(ada_token) as ada:
            states = {room["room"]: room for room in ada.welcome["rooms"]}
        for each in (listed, states[NAME]):
            assert (each["encrypted"], each["uid"]) == (True, opened["uid"])
        assert "encrypted" not in states[PLAIN]
        assert "uid" not in states[PLAIN]


async def test_the_policy_decides_which_conversation_is_opened_if_the_client_does_not_say(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        ada = (await at(stack, tmp_path, EncryptionPolicy.DIRECT)).ada
        assert (await ada.ask("direct", username="bob"))["room"] == NAME
        assert code(await ada.ask("direct", username="bob", encrypted=False)) == "encryption_required"
        assert code(await ada.send("in clear", PLAIN)) == "encryption_required"


async def test_without_encryption_no_conversation_is_encrypted_and_no_key_is_taken(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        ada = (await at(stack, tmp_path, EncryptionPolicy.OFF)).ada
        assert (await ada.ask("direct", username="bob"))["room"] == PLAIN
        assert code(await ada.ask("direct", username="bob", encrypted=True)) == "encryption_off"
        assert code(await ada.ask("inbox", device="ABCDEFGHIJ")) == "encryption_off"


async def test_a_plain_text_never_reaches_an_encrypted_conversation(people: People) -> None:
    ada, bob, _ = people
    assert code(await ada.send("first", NAME)) == "room_encrypted"
    await ada.ask("direct", username="bob", encrypted=True)
    assert code(await ada.send("hello", NAME)) == "room_encrypted"
    assert code(await ada.send(ENVELOPE, NAME)) == "room_encrypted"
    assert code(await ada.ask("edit", room=NAME, offset=1, content="x")) == "room_encrypted"
    assert code(await ada.ask("react", room=NAME, offset=1, emoji="👍")) == "room_encrypted"
    assert not any(frame["type"] == "message" for frame in bob.inbox)


async def test_an_envelope_reaches_no_plain_room(people: People) -> None:
    ada = people.ada
    assert code(await ada.send(ENVELOPE, recipients=1)) == "room_not_encrypted"
    await ada.send("hello")
    assert code(await ada.ask("edit", room="general", offset=1, content=ENVELOPE, recipients=1)) == "room_not_encrypted"
    react = await ada.ask("react", room="general", offset=1, envelope=ENVELOPE, recipients=1)
    assert code(react) == "room_not_encrypted"
    assert code(await ada.ask("recipients", room="general")) == "room_not_encrypted"


async def test_an_envelope_can_not_be_for_a_conversation_that_does_not_exist(people: People) -> None:
    reply = await people.ada.send(ENVELOPE, NAME, recipients=1)
    assert code(reply) == "room_unknown"
    assert "`direct`" in reply["detail"]


@pytest.mark.parametrize(
    "content", ["hello", "", "e1.ABCDEFGHIJ.short.Zm9v", "e2" + ENVELOPE[2:], ENVELOPE + "A" * 24_576, ENVELOPE + "="]
)
async def test_what_is_no_envelope_is_refused_early_with_the_reason(people: People, content: str) -> None:
    ada = people.ada
    await ada.ask("direct", username="bob", encrypted=True)
    refused = await ada.send(content, NAME, recipients=1)
    assert code(refused) == "envelope_invalid"
    assert refused["detail"]
    edit = await ada.ask("edit", room=NAME, offset=1, content=content, recipients=1)
    assert code(edit) == "envelope_invalid"


async def test_reactions_of_an_encrypted_conversation_have_a_limit_of_their_own(people: People) -> None:
    ada = people.ada
    await ada.ask("direct", username="bob", encrypted=True)
    long = ENVELOPE + "A" * 1024
    assert code(await ada.ask("react", room=NAME, offset=1, envelope=long, recipients=1)) == "envelope_invalid"


async def test_others_learn_nothing_of_an_encrypted_conversation(people: People) -> None:
    ada, _, eve = people
    await ada.ask("direct", username="bob", encrypted=True)
    for reply in (
        await eve.send("hello", NAME),
        await eve.send(ENVELOPE, NAME, recipients=1),
        await eve.ask("recipients", room=NAME),
        await eve.ask("history", room=NAME),
    ):
        assert code(reply) == "room_unknown"
