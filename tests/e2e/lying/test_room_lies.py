"""Lies about messages: another room's, another order for another user, a key backup with items of the server's."""

import asyncio
import base64
import copy
import json

from client.failures import ExitCode
from tests.e2e.client.test_terminal import terminal
from tests.e2e.lying.site import CANARY, Site, messages
from tests.support.lying_server import Json
from tests.support.waiting import wait_until


async def test_a_message_of_another_conversation_is_not_shown(site: Site) -> None:
    """Alice has the keys of both; the server puts what she wrote to Carol among what she wrote to Bob."""
    await site.with_keys("carol")
    assert (await site.send(f"{CANARY} to bob"))[0] == ExitCode.OK
    done = await asyncio.to_thread(site.alice.run, "send", "@carol", f"{CANARY} to carol")
    assert done.returncode == ExitCode.OK, done.stderr
    other = site.sent("send")[-1]["content"]
    site.lies.to_client = messages(lambda found: [{**each, "content": other} for each in found])
    [shown], _ = await site.read_as(site.alice, "@bob", 1)
    assert (shown["unreadable"], shown["content"]) in {("lost", ""), ("wrong_room", "")}


async def test_two_histories_for_two_people_are_told(site: Site) -> None:
    """Bob's message is after Alice's for Bob, and before it for Alice; her next one says what she saw."""
    done = await asyncio.to_thread(site.bob.run, "send", "@alice", f"{CANARY} 1")
    assert done.returncode == ExitCode.OK, done.stderr
    assert (await site.send(f"{CANARY} 2"))[0] == ExitCode.OK
    await asyncio.to_thread(_write_after_reading, site)
    stored: dict[int, Json] = {}

    def exchanged(found: list[Json]) -> list[Json]:
        stored.update({each["at"]["offset"]: copy.deepcopy(each) for each in found})
        fields = ("username", "content")
        other = {1: 2, 2: 1}
        return [
            {**each, **{name: stored[other[each["at"]["offset"]]][name] for name in fields}}
            if each["at"]["offset"] in other and other[each["at"]["offset"]] in stored
            else each
            for each in found
        ]

    site.lies.to_client = messages(exchanged)
    shown = await site.read(3)
    assert [each["username"] for each in shown] == ["alice", "bob", "alice"]
    assert shown[2]["irregularity"] == "two_histories"


def _write_after_reading(site: Site) -> None:
    with terminal(site.alice, "chat", "@bob", "--plain") as screen:
        screen.shows(f"alice: {CANARY} 2")
        screen.type(f"{CANARY} 3\n")
        wait_until(lambda: len(json.loads(site.bob.page("@alice~bob"))) == 3, "the message is stored")


class TestBackup:
    async def test_items_of_the_server_and_exchanged_items_are_not_taken(self, site: Site) -> None:
        assert (await site.send(f"{CANARY} 1"))[0] == ExitCode.OK
        await site.read(1)
        await asyncio.to_thread(site.bob.run, "send", "@alice", f"{CANARY} 2")  # and backs up what he has
        planted = {"item": "A" * 43, "body": base64.b64encode(bytes(200)).decode(), "seq": 0}
        shown: list[int] = []

        def response(method: str, path: str, body: Json) -> Json | None:
            if (method, path) != ("GET", "/keys/backup/items"):
                return None
            items = body["items"]
            if len(items) >= 2:
                items[0]["body"], items[1]["body"] = items[1]["body"], items[0]["body"]
            shown.append(len(items))
            return {**body, "items": [planted, *items]}

        site.lies.response = response
        laptop = await site.person("bob", "laptop")
        typed = (site.bob.home / "recovery").read_text()
        done = await asyncio.to_thread(lambda: laptop.run("keys", "recover", typed=typed))
        assert done.returncode == ExitCode.OK, done.stderr
        assert shown
        assert "3 items" in done.stdout

    async def test_an_earlier_header_is_refused(self, site: Site) -> None:
        first: list[Json] = []

        def recorded(method: str, path: str, body: Json) -> Json | None:
            if (method, path) == ("GET", "/keys/backup"):
                first.append(copy.deepcopy(body))
            return None

        site.lies.response = recorded
        present = (site.bob.home / "recovery").read_text()
        second = site.bob.home / "second"
        made = await asyncio.to_thread(
            lambda: site.bob.run("keys", "code", "--recovery-to", str(second), typed=present)
        )
        assert made.returncode == ExitCode.OK, made.stderr
        site.lies.response = lambda method, path, body: (
            copy.deepcopy(first[0]) if (method, path) == ("GET", "/keys/backup") else None
        )
        third = str(site.bob.home / "third")
        refused = await asyncio.to_thread(lambda: site.bob.run("keys", "code", "--recovery-to", third, typed=present))
        assert refused.returncode != ExitCode.OK
        assert "The server shows an earlier key backup than before." in refused.stderr
