"""Room topics, as clients see them: set, cleared, and sent to members."""

from tests.support.server import Server


async def test_topic_change_is_sent_to_all_members_at_once(server: Server) -> None:
    ada_token, bob_token = await server.newcomer("ada"), await server.newcomer("bob")
    async with server.talker(ada_token) as ada, server.talker(bob_token) as bob:
        assert await ada.ask("topic", topic=" engines ") == {
            "type": "topic_set", "id": 1, "room": "general", "topic": "engines",
        }  # fmt: skip
        for talker in (ada, bob):
            update = {"type": "topic", "room": "general", "topic": "engines", "by": "ada"}
            assert await talker.push("topic") == update
        assert (await bob.ask("topic", topic=""))["topic"] == ""
        assert await ada.push("topic") == {"type": "topic", "room": "general", "topic": "", "by": "bob"}


async def test_topic_is_in_rooms_join_membership_and_welcome(server: Server) -> None:
    ada_token, bob_token, cyd_token = [await server.newcomer(name) for name in ("ada", "bob", "cyd")]
    async with server.talker(ada_token) as ada, server.talker(bob_token) as bob, server.talker(cyd_token) as cyd:
        await ada.ask("create", room="ops")
        await ada.ask("topic", room="ops", topic="engines")
        listed = (await bob.ask("rooms"))["rooms"]
        assert {room["room"]: room["topic"] for room in listed} == {"general": "", "ops": "engines"}
        assert (await bob.ask("join", room="ops"))["topic"] == "engines"
        async with server.talker(cyd_token) as phone:
            await phone.ask("join", room="ops")
        assert (await cyd.push("membership", room="ops"))["topic"] == "engines"
    async with server.talker(ada_token) as ada:
        assert {room["room"]: room.get("topic") for room in ada.welcome["rooms"]} == {"general": None, "ops": "engines"}


async def test_topic_can_only_be_set_by_members_and_must_be_valid(server: Server) -> None:
    ada_token, bob_token = await server.newcomer("ada"), await server.newcomer("bob")
    async with server.talker(ada_token) as ada, server.talker(bob_token) as bob:
        await ada.ask("create", room="ops")
        await ada.ask("create", room="priv", private=True)
        assert (await bob.ask("topic", room="ops", topic="x"))["code"] == "not_a_member"
        assert (await bob.ask("topic", room="priv", topic="x"))["code"] == "room_unknown"
        refused = await ada.ask("topic", room="ops", topic="x" * 201)
        assert refused["code"] == "topic_invalid"
        assert refused["detail"] == "The topic has 201 characters; at most 200 are allowed."
