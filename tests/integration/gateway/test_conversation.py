"""Each command, as clients see it."""

from tests.support.server import Server
from tests.support.talker import contents, offsets


async def test_welcome_is_the_first_frame_and_lists_limits_and_rooms(server: Server) -> None:
    async with server.talker(await server.newcomer("alice")) as alice:
        assert alice.welcome["username"] == "alice"
        assert alice.welcome["limits"]["content_chars"] == 4000
        assert [room["room"] for room in alice.welcome["rooms"]] == ["general"]
        assert alice.welcome["rooms"][0]["at"]["offset"] == alice.welcome["rooms"][0]["head"] == 0


async def test_token_is_accepted_in_header_query_and_first_frame(server: Server) -> None:
    token = await server.newcomer("alice")
    for how in ("header", "query", "frame"):
        async with server.talker(token, how=how) as alice:
            assert alice.welcome["username"] == "alice"


async def test_message_is_acked_and_delivered_with_the_same_position(server: Server) -> None:
    alice_token, bob_token = await server.newcomer("alice"), await server.newcomer("bob")
    async with server.talker(alice_token) as alice, server.talker(bob_token) as bob:
        ack = await alice.send("hello", key="k1")
        assert ack["type"] == "sent"
        for reader in (alice, bob):
            message = await reader.push("message")
            assert message["content"] == "hello"
            assert message["username"] == "alice"
            assert (message["at"], message["message_id"], message["timestamp"]) == (
                ack["at"], ack["message_id"], ack["timestamp"],
            )  # fmt: skip


async def test_retry_with_the_same_key_gets_the_same_ack_and_is_stored_once(server: Server) -> None:
    async with server.talker(await server.newcomer("alice")) as alice:
        first = await alice.send("hello", key="k1")
        again = await alice.send("hello", key="k1")
        assert {**again, "id": 0} == {**first, "id": 0}
        page = await alice.ask("history")
        assert contents(page["messages"]) == ["hello"]


async def test_join_returns_recent_messages_and_pushes_follow(server: Server) -> None:
    alice_token, bob_token = await server.newcomer("alice"), await server.newcomer("bob")
    async with server.talker(alice_token) as alice, server.talker(bob_token) as bob:
        assert (await alice.ask("create", room="ops"))["type"] == "created"
        for number in range(3):
            await alice.send(f"m{number}", room="ops")
        joined = await bob.ask("join", room="ops")
        assert contents(joined["messages"]) == ["m0", "m1", "m2"]
        assert (joined["at"]["offset"], joined["complete"]) == (3, True)
        await alice.send("m3", room="ops")
        assert (await bob.push("message", room="ops"))["at"]["offset"] == 4


async def test_join_since_a_position_returns_the_messages_after_it(server: Server) -> None:
    async with server.talker(await server.newcomer("alice")) as alice:
        acks = [await alice.send(f"m{number}") for number in range(5)]
        joined = await alice.ask("join", since=acks[1]["at"])
        assert contents(joined["messages"]) == ["m2", "m3", "m4"]
        assert joined["complete"]
        other = await alice.ask("join", since={"epoch": "ffffffff", "offset": 1})
        assert other["reset"]


async def test_history_can_be_paged_in_both_directions(server: Server) -> None:
    async with server.talker(await server.newcomer("alice")) as alice:
        for number in range(1, 8):
            await alice.send(f"m{number}")
        last = await alice.ask("history", limit=3)
        assert (offsets(last["messages"]), last["more"]) == ([5, 6, 7], True)
        before = await alice.ask("history", limit=10, before=5)
        assert (offsets(before["messages"]), before["more"]) == ([1, 2, 3, 4], False)
        after = await alice.ask("history", limit=2, after=3)
        assert (offsets(after["messages"]), after["more"]) == ([4, 5], True)
        rest = await alice.ask("history", limit=2, after=5)
        assert (offsets(rest["messages"]), rest["more"]) == ([6, 7], False)


async def test_leaving_a_room_ends_its_pushes(server: Server) -> None:
    alice_token, bob_token = await server.newcomer("alice"), await server.newcomer("bob")
    async with server.talker(alice_token) as alice, server.talker(bob_token) as bob:
        await alice.ask("create", room="ops")
        await bob.ask("join", room="ops")
        assert (await bob.ask("leave", room="ops"))["type"] == "left"
        await alice.send("secret", room="ops")
        await alice.send("open")
        assert (await bob.push("message"))["content"] == "open"
        assert (await bob.send("x", room="ops"))["code"] == "not_a_member"


async def test_accepted_invitation_subscribes_every_connection_of_the_user(server: Server) -> None:
    alice_token, bob_token = await server.newcomer("alice"), await server.newcomer("bob")
    async with (
        server.talker(alice_token) as alice, server.talker(bob_token) as phone, server.talker(bob_token) as bob,
    ):  # fmt: skip
        await alice.ask("create", room="plans", private=True)
        await alice.send("before", room="plans")
        assert (await alice.ask("invite", room="plans", username="BOB"))["username"] == "BOB"
        for talker in (bob, phone):
            assert await talker.push("invitation") == {"type": "invitation", "room": "plans", "by": "alice"}
        assert (await bob.send("x", room="plans"))["code"] == "room_unknown"
        assert (await phone.ask("join", room="plans"))["at"]["offset"] == 1
        frame = await bob.push("membership", room="plans")
        assert (frame["username"], frame["member"], frame["at"]["offset"]) == ("bob", True, 1)
        await alice.send("after", room="plans")
        assert contents(await bob.messages(1, "plans")) == ["after"]
        page = await bob.ask("history", room="plans")
        assert contents(page["messages"]) == ["before", "after"]


async def test_pending_invitations_are_in_the_welcome_and_their_end_is_pushed(server: Server) -> None:
    alice_token, bob_token = await server.newcomer("alice"), await server.newcomer("bob")
    headers = {"Authorization": f"Bearer {bob_token}"}
    async with server.talker(alice_token) as alice:
        for room in ("plans", "den", "attic"):
            await alice.ask("create", room=room, private=True)
            await alice.ask("invite", room=room, username="bob")
        async with server.talker(bob_token) as bob:
            pending = [{"room": room, "by": "alice"} for room in ("plans", "den", "attic")]
            assert bob.welcome["invitations"] == pending
            assert {room["room"] for room in bob.welcome["rooms"]} == {"general"}
            await server.http.delete("/invitations/plans", headers=headers)
            ended = {"type": "invitation", "room": "plans", "by": "alice", "pending": False}
            assert await bob.push("invitation") == ended
            await alice.ask("delete_room", room="den")
            assert await bob.push("invitation") == {**ended, "room": "den"}
            await server.http.put("/blocks/alice", headers=headers)
            assert await bob.push("invitation") == {**ended, "room": "attic"}
        async with server.talker(bob_token) as bob:
            assert "invitations" not in bob.welcome


async def test_private_room_is_indistinguishable_from_an_unknown_one(server: Server) -> None:
    alice_token, bob_token = await server.newcomer("alice"), await server.newcomer("bob")
    async with server.talker(alice_token) as alice, server.talker(bob_token) as bob:
        await alice.ask("create", room="plans", private=True)
        for command in ("join", "leave", "history"):
            unknown = await bob.ask(command, room="no-such-room")
            private = await bob.ask(command, room="plans")
            assert {**private, "id": 0} == {**unknown, "id": 0}
            assert private["code"] == "room_unknown"
        assert (await bob.send("x", room="plans"))["code"] == "room_unknown"
        assert (await bob.ask("invite", room="plans", username="bob"))["code"] == "room_unknown"
        assert "plans" not in {room["room"] for room in (await bob.ask("rooms"))["rooms"]}
        assert "plans" in {room["room"] for room in (await alice.ask("rooms"))["rooms"]}


async def test_all_connections_of_a_user_share_memberships(server: Server) -> None:
    token = await server.newcomer("alice")
    async with server.talker(token) as laptop, server.talker(token) as phone:
        await laptop.ask("create", room="ops")
        assert (await phone.push("membership", room="ops"))["at"]["offset"] == 0
        await laptop.send("m", room="ops")
        assert contents(await phone.messages(1, "ops")) == ["m"]


async def test_members_are_notified_of_joins_and_leaves(server: Server) -> None:
    alice_token, bob_token = await server.newcomer("alice"), await server.newcomer("bob")
    async with server.talker(alice_token) as alice, server.talker(bob_token) as bob:
        await alice.ask("create", room="ops")
        await bob.ask("join", room="ops")
        assert (await alice.push("membership", room="ops", username="bob"))["member"] is True
        await bob.ask("leave", room="ops")
        assert (await alice.push("membership", room="ops", username="bob", member=False))["room"] == "ops"


async def test_leaving_the_general_room_is_refused(server: Server) -> None:
    async with server.talker(await server.newcomer("alice")) as alice:
        assert (await alice.ask("leave", room="general"))["code"] == "room_for_all"


async def test_commands_run_in_the_order_received(server: Server) -> None:
    async with server.talker(await server.newcomer("alice")) as alice:
        await alice.say({"type": "create", "id": 101, "room": "ops"})
        await alice.say({"type": "send", "id": 102, "room": "ops", "content": "hello"})
        await alice.say({"type": "ping", "id": 103})
        replies = [await alice.next() for _ in range(3)]
        by_id = {reply["id"]: reply["type"] for reply in replies if "id" in reply}
        await alice.push("message", room="ops")
        assert by_id.get(101) == "created"


async def test_rooms_lists_member_counts_and_heads(server: Server) -> None:
    async with server.talker(await server.newcomer("alice")) as alice:
        await alice.ask("create", room="Ops")
        await alice.send("m", room="OPS")
        rooms = {room["room"]: room for room in (await alice.ask("rooms"))["rooms"]}
        assert rooms["ops"]["member"]
        assert (rooms["ops"]["members"], rooms["ops"]["at"]["offset"]) == (1, 1)
