"""Cut connections, killed servers and killed clients: no message is lost, duplicated or reordered."""

import asyncio
import json
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from client.failures import ExitCode
from client.store.session_file import SessionFile
from tests.e2e.client.people import Cable, Person, Server, people
from tests.support import cable as cables
from tests.support.waiting import wait_until

ALL_300 = "".join(f"{number}\n" for number in range(300))


def lines_of(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]


def plug_in(person: Person, cable: Cable | cables.Cable) -> None:
    """This person reaches the server over the cable from now on, with the same session."""
    file = SessionFile(person.home / "chatterbox", person.server)
    session = file.load()
    assert session is not None
    over = SessionFile(person.home / "chatterbox", cable.url)
    over.path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(file.path, over.path)
    person.server = cable.url


async def test_messages_missed_during_a_cut_arrive_in_order_once(server: Server, tmp_path: Path) -> None:
    cable = Cable(server.port)
    await cable.mend()
    with people(tmp_path, server.url, "alice", "bob") as (alice, bob):
        alice.run("send", "general", "before")
        plug_in(bob, cable)
        tailed, chatted = tmp_path / "tailed", tmp_path / "chatted"
        with tailed.open("w") as tail_out, chatted.open("w") as chat_out:
            bob.start("tail", "general", "--json", stdout=tail_out)
            chat = bob.start("chat", stdout=chat_out)
        await asyncio.to_thread(wait_until, lambda: lines_of(tailed) and len(lines_of(chatted)) >= 1, "both are there")
        await cable.cut()
        assert chat.stdin is not None
        chat.stdin.write("written while cut off\n")
        chat.stdin.flush()
        sent = await asyncio.to_thread(alice.run, "send", "general", "-", typed=ALL_300)
        assert sent.returncode == ExitCode.OK
        await cable.mend()
        await asyncio.to_thread(wait_until, lambda: len(lines_of(tailed)) >= 302, "the tail has caught up")
        messages = [json.loads(line) for line in lines_of(tailed)]
        assert [message["at"]["offset"] for message in messages] == list(range(1, 303))
        expected = ["before", *map(str, range(300)), "written while cut off"]
        assert [message["content"] for message in messages] == expected
        await asyncio.to_thread(wait_until, lambda: len(said(chatted)) >= 302, "the chat has caught up")
        assert said(chatted) == expected
    await cable.cut()


def said(path: Path) -> list[str]:
    return [line.split(": ", 1)[1].rstrip("\n") for line in lines_of(path) if not line.startswith("--")]


def test_killed_server_loses_nothing_of_a_long_send(server: Server, alice_and_bob: list[Person]) -> None:
    alice, _ = alice_and_bob
    sending = alice.start("send", "general", "-")
    assert sending.stdin is not None
    for part in range(3):
        sending.stdin.write("".join(f"{part * 100 + number}\n" for number in range(100)))
        sending.stdin.flush()
        own = [str(part * 100 + number) for number in range(100)]
        wait_until(lambda own=own: alice.newest() in own, f"something of part {part} arrives")
        server.kill()
        server.start()
    sending.communicate(timeout=60)
    assert sending.returncode == ExitCode.OK
    assert alice.history() == [str(number) for number in range(300)]


def test_messages_sent_while_the_server_was_down_go_out_with_the_next_command(
    server: Server, alice_and_bob: list[Person]
) -> None:
    alice, bob = alice_and_bob
    server.kill(signal.SIGTERM)
    away = alice.run("send", "general", "-", "--timeout", "0.5", typed="one\ntwo\n")
    assert away.returncode == ExitCode.UNREACHABLE
    assert "The outbox keeps 2 messages" in away.stderr
    server.start()
    assert alice.run("send", "general", "three").returncode == ExitCode.OK
    assert alice.history() == ["one", "two", "three"]
    assert alice.run("send", "general", "four").returncode == ExitCode.OK
    assert alice.history() == ["one", "two", "three", "four"]
    assert bob.history() == []


@pytest.mark.parametrize("seed", range(3))
def test_client_killed_at_any_moment_sends_each_message_once(
    server: Server, alice_and_bob: list[Person], seed: int
) -> None:
    alice, _ = alice_and_bob
    moments = random.Random(seed)
    for life in range(4):
        sending = alice.start("send", "general", "-")
        assert sending.stdin is not None
        sending.stdin.write("".join(f"{life}.{number}\n" for number in range(300)))
        sending.stdin.flush()
        wait_until(lambda own=f"{life}.": alice.newest().startswith(own), f"something of life {life} arrives")
        time.sleep(moments.uniform(0, 0.2))
        sending.kill()
    assert alice.run("send", "general", "last").returncode == ExitCode.OK
    history = alice.history()
    assert history[-1] == "last"
    assert len(history) == len(set(history))
    for life in range(4):
        numbers = [int(line.split(".")[1]) for line in history if line.startswith(f"{life}.")]
        assert numbers == list(range(len(numbers)))
        assert numbers
