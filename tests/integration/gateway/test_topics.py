"""What a room is about, seen from outside: set by one, told to all, there for whoever comes later."""

from tests.support.server import Server


async def test_everybody_in_the_room_is_told_at_once(server: Server) -> None:
    ada_token, bob_token = await server.newcomer("ada"), await server.newcomer("bob")
    async with server.talker(ada_token) as ada, server.talker(bob_token) as bob:
        assert await ada.ask("topic", topic=" engines ") == {
            "type": "topic_set", "id": 1, "room": "general", "topic": "engines",
        }  # fmt: skip
        for one in (ada, bob):
            told = {"type": "topic", "room": "general", "topic": "engines", "by": "ada"}
            assert await one.push("topic") == told
        assert (await bob.ask("topic", topic=""))["topic"] == ""
        assert await ada.push("topic") == {"type": "topic", "room": "general", "topic": "", "by": "bob"}


async def test_whoever_comes_later_finds_it_however_they_come(server: Server) -> None:
    ada_token, bob_token, cyd_token = [await server.newcomer(name) for name in ("ada", "bob", "cyd")]
    async with server.talker(ada_token) as ada, server.talker(bob_token) as bob, server.talker(cyd_token) as cyd:
        await ada.ask("create", room="ops")
        await ada.ask("topic", room="ops", topic="engines")
        listed = (await bob.ask("rooms"))["rooms"]
        assert {room["room"]: room["topic"] for room in listed} == {"general": "", "ops": "engines"}
        assert (await bob.ask("join", room="ops"))["topic"] == "engines"
        await ada.ask("invite", room="ops", username="cyd")
        assert (await cyd.push("membership", room="ops"))["topic"] == "engines"
    async with server.talker(ada_token) as ada:
        assert {room["room"]: room.get("topic") for room in ada.welcome["rooms"]} == {"general": None, "ops": "engines"}


async def test_only_members_may_set_it_and_what_it_can_not_be_is_said(server: Server) -> None:
    ada_token, bob_token = await server.newcomer("ada"), await server.newcomer("bob")
    async with server.talker(ada_token) as ada, server.talker(bob_token) as bob:
        await ada.ask("create", room="ops")
        await ada.ask("create", room="priv", private=True)
        assert (await bob.ask("topic", room="ops", topic="x"))["code"] == "not_a_member"
        assert (await bob.ask("topic", room="priv", topic="x"))["code"] == "room_unknown"
        refused = await ada.ask("topic", room="ops", topic="x" * 201)
        assert refused["code"] == "topic_invalid"
        assert refused["detail"] == "The topic has 201 characters; at most 200 are allowed."
