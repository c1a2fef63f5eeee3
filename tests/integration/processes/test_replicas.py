"""Two gateway replicas behave as one server, with and without Redis, also when one of them is killed."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.integration.processes.conftest import HEADS_S
from tests.support.peer import dialled
from tests.support.talker import Talker, contents, offsets
from tests.support.topology import Topology

pytestmark = pytest.mark.timing
AT_ONCE_S = 1.0
IN_A_ROW = 5
"""If head comparison delivered them, all but the first would take a whole interval."""


async def _room(whole: Topology, talker: Talker, name: str, *members: Talker) -> None:
    await talker.ask("create", room=name)
    for member in members:
        await member.ask("join", room=name)


@asynccontextmanager
async def _without_redis(whole: Topology) -> AsyncIterator[None]:
    """Kill Redis and wait until the gateways notice; start it again at the end unless the test has."""
    await whole.redis.kill()
    try:
        for gateway in whole.gateways:
            await gateway.until(lambda status, body: status == 503 and body["broker"] == "away")
        yield
    finally:
        if not whole.redis.is_running:
            await whole.redis.start()
        for gateway in whole.gateways:
            await gateway.until_ready()


async def test_clients_of_different_gateways_see_one_order(whole: Topology) -> None:
    here, there = whole.gateways
    ada_token, bob_token = await whole.newcomer("ada"), await whole.newcomer("bob")
    async with here.talker(ada_token) as ada, there.talker(bob_token) as bob:
        await _room(whole, ada, "order", bob)
        for number in range(10):
            assert (await ada.send(f"a{number}", "order"))["type"] == "sent"
            assert (await bob.send(f"b{number}", "order"))["type"] == "sent"
        seen = await asyncio.gather(ada.messages(20, "order"), bob.messages(20, "order"))
        assert seen[0] == seen[1]
        assert offsets(seen[0]) == list(range(1, 21))


async def test_a_topic_set_on_one_gateway_reaches_the_other_with_and_without_redis(whole: Topology) -> None:
    here, there = whole.gateways
    tim_token, uma_token = await whole.newcomer("tim"), await whole.newcomer("uma")
    async with here.talker(tim_token) as tim, there.talker(uma_token) as uma:
        await _room(whole, tim, "topics", uma)
        await tim.ask("topic", room="topics", topic="engines")
        assert (await uma.push("topic"))["topic"] == "engines"
        async with _without_redis(whole):
            assert (await tim.ask("topic", room="topics", topic="steam"))["type"] == "topic_set"
            assert await uma.push("topic") == {"type": "topic", "room": "topics", "topic": "steam"}


async def test_a_direct_conversation_opened_on_one_gateway_reaches_the_other_with_and_without_redis(
    whole: Topology,
) -> None:
    here, there = whole.gateways
    vic_token, wim_token, xia_token = [await whole.newcomer(name) for name in ("vic", "wim", "xia")]
    async with here.talker(vic_token) as vic, there.talker(wim_token) as wim, there.talker(xia_token) as xia:
        opened = await asyncio.gather(vic.ask("direct", username="wim"), wim.ask("direct", username="vic"))
        assert opened[0]["room"] == opened[1]["room"] == "@vic+wim"
        await asyncio.gather(vic.send("from vic", "@vic+wim"), wim.send("from wim", "@vic+wim"))
        seen = [await talker.messages(2, "@vic+wim") for talker in (vic, wim)]
        assert seen[0] == seen[1]
        async with _without_redis(whole):
            assert (await vic.send("unheard of", "@vic+xia"))["type"] == "sent"
            told = await xia.push("membership", room="@vic+xia")
            assert (told["kind"], told["with"]) == ("direct", ["vic", "xia"])
            if not told["at"]["offset"]:
                assert contents(await xia.messages(1, "@vic+xia")) == ["unheard of"]


async def test_a_client_resumes_on_another_gateway(whole: Topology) -> None:
    here, there = whole.gateways
    cyd_token, dan_token = await whole.newcomer("cyd"), await whole.newcomer("dan")
    async with there.talker(dan_token) as dan:
        async with here.talker(cyd_token) as cyd:
            await _room(whole, cyd, "resume", dan)
            await dan.send("1", "resume")
            held = (await cyd.messages(1, "resume"))[0]["at"]
        for number in range(2, 6):
            await dan.send(str(number), "resume")
        async with there.talker(cyd_token, how="frame", resume={"resume": held}) as cyd:
            assert contents(await cyd.messages(4, "resume")) == ["2", "3", "4", "5"]


async def test_logging_out_closes_sockets_on_every_gateway_within_a_second(whole: Topology) -> None:
    here, there = whole.gateways
    token = await whole.newcomer("eve")
    async with here.talker(token) as first, there.talker(token) as second:
        began = time.monotonic()
        await whole.logout(token)
        codes = list(await asyncio.gather(first.closed(), second.closed()))
        assert codes == [4501, 4501]
        assert time.monotonic() - began < 1


async def test_a_socket_receives_nothing_after_its_session_has_ended(whole: Topology) -> None:
    """Nor does a socket whose client does not answer the close frame."""
    here, there = whole.gateways
    mia_token, ned_token = await whole.newcomer("mia"), await whole.newcomer("ned")
    async with here.talker(mia_token) as mia, dialled(there.port) as ned:
        await ned.shake_hands(b"Authorization: Bearer " + ned_token.encode())
        assert b'"welcome"' in (await ned.frame()).payload
        talking = asyncio.create_task(_talk(mia))
        assert b'"message"' in (await ned.frame()).payload
        await whole.logout(ned_token)
        assert (await ned.closed_with())[0] == 4501
        assert await ned.rest() == b""
        talking.cancel()


async def test_removed_member_receives_nothing_on_any_gateway_within_a_second(whole: Topology) -> None:
    """Also while Redis is away, so that the event of the removal is lost."""
    here, there = whole.gateways
    ora_token, pat_token = await whole.newcomer("ora"), await whole.newcomer("pat")
    async with here.talker(ora_token) as ora, there.talker(pat_token) as pat:
        for room in ("removing", "unheard"):
            await _room(whole, ora, room, pat)
        await _removed_at_once(ora, pat, "removing")
        async with _without_redis(whole):
            await _removed_at_once(ora, pat, "unheard")


async def _removed_at_once(ora: Talker, pat: Talker, room: str) -> None:
    began = time.monotonic()
    assert (await ora.ask("remove", room=room, username="pat"))["type"] == "removed"
    await pat.push("membership", room=room, username="pat", member=False)
    assert time.monotonic() - began < 1
    await ora.send("only in the room", room)
    await ora.send("for everyone", "general")
    assert contents(await pat.messages(1, "general")) == ["for everyone"]
    assert not [frame for frame in pat.inbox if frame.get("content") == "only in the room"]


async def test_deleted_room_ends_on_every_gateway_within_a_second(whole: Topology) -> None:
    """Also while Redis is away, so that the event of the deletion is lost."""
    here, there = whole.gateways
    quin_token, rae_token = await whole.newcomer("quin"), await whole.newcomer("rae")
    async with here.talker(quin_token) as quin, there.talker(rae_token) as rae:
        for room in ("deleting", "unseen"):
            await _room(whole, quin, room, rae)
        await _deleted_at_once(quin, rae, "deleting")
        async with _without_redis(whole):
            await _deleted_at_once(quin, rae, "unseen")


async def _deleted_at_once(quin: Talker, rae: Talker, room: str) -> None:
    began = time.monotonic()
    assert (await quin.ask("delete_room", room=room))["type"] == "room_deleted"
    await rae.push("membership", room=room, username="rae", member=False)
    assert time.monotonic() - began < 1
    assert (await rae.send("hello?", room))["code"] == "room_unknown"
    assert (await rae.ask("create", room=room))["at"]["offset"] == 0


async def test_invitation_reaches_a_user_on_another_gateway_and_its_end_too(whole: Topology) -> None:
    here, there = whole.gateways
    sue_token, tom_token = await whole.newcomer("sue"), await whole.newcomer("tom")
    async with here.talker(sue_token) as sue, there.talker(tom_token) as tom:
        for room in ("guests", "unheard-guests"):
            await sue.ask("create", room=room, private=True)
        await sue.ask("invite", room="guests", username="tom")
        assert await tom.push("invitation") == {"type": "invitation", "room": "guests", "by": "sue"}
        async with _without_redis(whole):
            await sue.ask("invite", room="unheard-guests", username="tom")
            assert (await tom.push("invitation"))["room"] == "unheard-guests"
            await sue.ask("delete_room", room="guests")
            assert not (await tom.push("invitation", room="guests"))["pending"]
        assert (await tom.ask("join", room="unheard-guests"))["type"] == "joined"


async def _talk(talker: Talker) -> None:
    while True:
        await talker.send("word")


async def test_without_redis_sends_are_acked_and_messages_arrive_by_head_comparison(
    whole: Topology,
) -> None:
    here, there = whole.gateways
    fay_token, gil_token, hal_token = [await whole.newcomer(name) for name in ("fay", "gil", "hal")]
    async with here.talker(fay_token) as fay, there.talker(gil_token) as gil:
        await _room(whole, fay, "deaf", gil)
        async with _without_redis(whole):
            began = time.monotonic()
            assert (await fay.send("by heads", "deaf"))["type"] == "sent"
            assert contents(await gil.messages(1, "deaf")) == ["by heads"]
            assert time.monotonic() - began < HEADS_S + 1
            await _a_room_can_be_opened(here.talker(hal_token), gil)
            await whole.redis.start()
        began = time.monotonic()
        for number in range(IN_A_ROW):
            for room in ("deaf", "opened"):
                await gil.send(f"at once {number}", room)
            await fay.push("message", content=f"at once {number}")
            await gil.push("message", room="opened", content=f"at once {number}")
        assert time.monotonic() - began < (IN_A_ROW - 1) * HEADS_S / 2


async def _a_room_can_be_opened(connecting: Talker, other: Talker) -> None:
    """By a user who connects while Redis is away; the other gateway finds out when memberships are compared."""
    async with connecting as hal:
        assert (await hal.ask("create", room="opened"))["type"] == "created"
        await hal.ask("invite", room="opened", username="gil")
        assert (await other.push("invitation"))["room"] == "opened"
        await other.ask("join", room="opened")
        await hal.send("hello", "opened")
        assert contents(await other.messages(1, "opened")) == ["hello"]


async def test_without_redis_logging_out_closes_sockets_within_seconds(whole: Topology) -> None:
    token = await whole.newcomer("ivy")
    async with whole.gateways[0].talker(token) as ivy:
        async with _without_redis(whole):
            began = time.monotonic()
            await whole.logout(token)
            assert await ivy.closed() == 4501
            assert time.monotonic() - began < 3 + 1 + 1  # requested every 3 s, checked every second


async def test_a_frozen_redis_does_not_delay_sends(whole: Topology) -> None:
    here, there = whole.gateways
    joe_token, kim_token = await whole.newcomer("joe"), await whole.newcomer("kim")
    async with here.talker(joe_token) as joe, there.talker(kim_token) as kim:
        with whole.redis.frozen():
            began = time.monotonic()
            assert (await joe.send("into the cold"))["type"] == "sent"
            assert time.monotonic() - began < AT_ONCE_S
            assert "into the cold" in contents(await kim.messages(1))
        for gateway in whole.gateways:
            await gateway.until_ready()


async def test_clients_of_a_killed_gateway_continue_on_another(whole: Topology) -> None:
    here, there = whole.gateways
    token = await whole.newcomer("lea")
    async with here.talker(token) as lea:
        await _room(whole, lea, "crash")
        first = await lea.send("once", "crash", key="k1")
        await here.kill()
        try:
            assert await lea.closed() == 1006
            async with there.talker(token, how="frame", resume={"crash": first["at"]}) as again:
                assert (await again.send("once", "crash", key="k1"))["at"] == first["at"]
                assert (await again.send("and on", "crash", key="k2"))["type"] == "sent"
                assert contents(await again.messages(1, "crash")) == ["and on"]
        finally:
            await here.start()
            await here.until_ready()


async def test_the_send_rate_limit_of_a_user_spans_all_gateways(whole: Topology) -> None:
    token = await whole.newcomer("quickfinger")
    began = time.monotonic()
    async with whole.gateways[0].talker(token) as here, whole.gateways[1].talker(token) as there:
        limits = here.welcome["limits"]
        burst = limits["sends_burst"]
        for number in range(burst):
            for place, talker in (("here", here), ("there", there)):
                await talker.say({"type": "send", "id": number, "content": "x", "key": f"{place}-{number}"})
        replies = [await talker.first(id=number) for talker in (here, there) for number in range(burst)]
    refused = [reply for reply in replies if reply["type"] == "error"]
    allowed = burst + limits["sends_per_s"] * (time.monotonic() - began)
    assert burst <= len(replies) - len(refused) <= allowed
    assert {reply["code"] for reply in refused} == {"rate_limited"}
    assert all(reply["retry_after_s"] > 0 for reply in refused)
