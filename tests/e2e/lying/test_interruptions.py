"""A client that is killed in the middle of an upload or of sharing a key: no message is lost, and none comes twice."""

import asyncio
import os
import signal

from client.failures import ExitCode
from tests.e2e.lying.site import CANARY, Site, make_keys
from tests.support.lying_server import Json


async def test_a_client_killed_while_it_uploads_one_time_keys_can_be_written_to(site: Site) -> None:
    """The server has stored them, and the client never learns that."""
    carol = await site.person("carol", "carol")
    killed: list[str] = []

    def kill(method: str, path: str, body: Json) -> Json | None:
        if (method, path) == ("PUT", "/keys/device") and not killed:
            killed.append(path)
            os.kill(carol.running[-1].pid, signal.SIGKILL)
        return None

    site.lies.response = kill
    process = carol.start("keys", "init", "--recovery-to", str(carol.home / "recovery"))
    await asyncio.to_thread(process.communicate, "", 30)
    assert killed
    assert process.returncode != ExitCode.OK
    site.lies.tell_the_truth()
    await asyncio.to_thread(make_keys, carol)
    for number in range(3):  # more than one key that was uploaded before the kill
        done = await asyncio.to_thread(site.alice.run, "send", "@carol", f"{CANARY} {number}")
        assert done.returncode == ExitCode.OK, done.stderr
    done = await asyncio.to_thread(site.bob.run, "send", "@carol", f"{CANARY} of bob")
    assert done.returncode == ExitCode.OK, done.stderr
    shown, _ = await site.read_as(carol, "@alice", 3)
    assert [each["content"] for each in shown] == [f"{CANARY} {number}" for number in range(3)]
    [message], _ = await site.read_as(carol, "@bob", 1)
    assert message["content"] == f"{CANARY} of bob"


async def test_a_client_killed_while_it_shares_a_key_sends_the_message_once_after_its_restart(site: Site) -> None:
    """One recipient's share is stored, the rest is not known; the message is in the outbox."""
    await site.second_device(site.bob)
    killed: list[str] = []

    def kill(command: Json) -> list[Json]:
        if command.get("type") == "share_keys" and not killed:
            killed.append(command["session"])
            os.kill(site.alice.running[-1].pid, signal.SIGKILL)
            return [{**command, "messages": command["messages"][:1]}]
        return [command]

    site.lies.to_server = kill
    process = site.alice.start("send", "@bob", f"{CANARY} 1")
    await asyncio.to_thread(process.communicate, "", 30)
    assert killed
    site.lies.tell_the_truth()
    assert (await site.send(f"{CANARY} 2"))[0] == ExitCode.OK
    for person in (site.bob, site.others[0]):
        shown, _ = await site.read_as(person, "@alice", 2)
        assert [each["content"] for each in shown] == [f"{CANARY} 1", f"{CANARY} 2"]
    site.assert_nothing_in_clear()
