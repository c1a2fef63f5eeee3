"""Two clients on two gateways: one gateway is killed, one client is offline and writes, and both agree again.

The same scenario in each face. The offline client shows each step: offline, queued, catching up, caught up, stored.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from client.failures import ExitCode
from tests.chaos.container_site import containers
from tests.chaos.process_site import processes
from tests.chaos.site import Part, Site
from tests.e2e.client.people import Person, is_connected
from tests.e2e.client.test_terminal import Terminal, terminal
from tests.support.cable import Cable, Way, cable
from tests.support.engine import no_reaper, why_no_engine
from tests.support.waiting import wait_until

MISSED = [f"line {number}" for number in range(1, 201)]
WRITTEN = ["are you there?", "I write on"]
BEFORE = ["hello ada", "hello bob"]
SLOW_BYTES_PER_S = 30_000
"""The connection after an outage, slow enough that catching up takes a visible second."""
PAGE_DOWN = "\x1b[6~"


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module", params=["processes", "containers"])
async def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """One gateway behind the edge, to which a second can be added."""
    folder: Path = tmp_path_factory.mktemp(request.param)
    if request.param == "processes":
        async with processes(folder, 1, most_gateways=2) as site:
            yield site
    elif (lack := why_no_engine()) is not None:
        pytest.skip(lack)
    else:
        with no_reaper(), containers(folder, 1) as site:
            yield site


@dataclass
class Network:
    """The network between clients and the server, controlled from another thread."""

    site: Site
    cable: Cable
    loop: asyncio.AbstractEventLoop
    killed: Part | None = None

    def second_gateway(self) -> None:
        self._do(self.site.scale(2))

    def lose(self) -> None:
        """Kill the first gateway for good; clients on the cable reach no other."""
        (self.killed,) = self.site.gateways[:1]
        self.loop.call_soon_threadsafe(self.cable.cut)
        self._do(self.killed.kill())

    def come_back(self) -> None:
        """Restore the connection, slowly; the gateway stays dead."""

        def mend() -> None:
            self.cable.mend()
            self.cable.slow_down(Way.TO_CLIENT, bytes_per_s=SLOW_BYTES_PER_S, new=True)

        self.loop.call_soon_threadsafe(mend)

    async def mend(self) -> None:
        if self.killed is not None:
            await self.killed.start()
        await self.site.scale(1)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self.loop).result(60)


@pytest.fixture
async def network(site: Site) -> AsyncIterator[Network]:
    port = int(site.url.rpartition(":")[2])
    async with cable(port) as line:
        network = Network(site, line, asyncio.get_running_loop())
        yield network
        await network.mend()


@pytest.mark.parametrize("face", ["screen", "plain", "pipes"])
async def test_two_clients_agree_after_a_gateway_failure_and_show_each_step(
    network: Network, face: str, tmp_path: Path
) -> None:
    story = {"screen": on_the_full_screen, "plain": in_plain_lines, "pipes": in_pipes}[face]
    await asyncio.to_thread(told, story, network, tmp_path, face)


def told(story: Callable[[Network, Person, Person], None], network: Network, folder: Path, face: str) -> None:
    ada = Person(folder / "ada", f"http://127.0.0.1:{network.cable.port}", f"ada-{face}")
    bob = Person(folder / "bob", network.site.url, f"bob-{face}")
    try:
        ada.register()
        bob.register()
        story(network, ada, bob)
    finally:
        ada.stop()
        bob.stop()


def on_the_full_screen(network: Network, ada: Person, bob: Person) -> None:
    with terminal(ada) as at_ada:
        at_ada.shows("connected")
        network.second_gateway()
        with terminal(bob) as at_bob:
            at_bob.shows("connected")
            meet_on_screens(at_ada, at_bob, bob.name)
            network.lose()
            at_ada.shows(" offline: ")
            for text in WRITTEN:
                at_ada.type(f"{text}\r")
                at_ada.shows(f"…│ {text}  (queued)")
            at_ada.type("half a sentence")
            at_ada.shows("2 unsent")
            say_what_is_missed(bob, "screen")
            network.come_back()
            at_ada.shows(" catching up, ")
            at_ada.shows("Caught up: 200 messages while you were offline.")
            for text in WRITTEN:
                at_ada.shows(f"ada-screen ✓│ {text}")
                at_bob.shows(f"ada-screen  │ {text}")
            at_ada.shows("half a sentence")
            at_ada.shows(" unread above")
            wait_until(lambda: "unsent" not in at_ada.lines()[-2], "nothing is unsent")
            at_ada.type("\x1bu")
            at_ada.shows("─ unread ─")
            page_through(at_ada, [*MISSED, *WRITTEN])
            wait_until(lambda: "unread" not in at_ada.lines()[-2], "all is read")
    agree("screen", ada, bob)


def meet_on_screens(at_ada: Terminal, at_bob: Terminal, bob: str) -> None:
    at_ada.type("/create screen\r")
    at_ada.shows("beginning of #screen")
    at_ada.type(f"/invite {bob}\r")
    at_bob.shows("invited you to #screen")
    at_bob.type("/accept screen\r")
    at_bob.shows("▸2 #screen")
    at_bob.type(f"{BEFORE[0]}\r")
    at_ada.shows(BEFORE[0])
    at_ada.type(f"{BEFORE[1]}\r")
    at_bob.shows(BEFORE[1])


def page_through(screen: Terminal, expected: list[str]) -> None:
    """Page down to the newest message: each page continues the last one, each message once and in order."""
    until = 0
    while until < len(expected):
        wait_until(lambda known=until: end_of_page(screen, expected) > known, f"what follows {expected[:until][-1:]}")
        until = end_of_page(screen, expected)
        screen.type(PAGE_DOWN)


def end_of_page(screen: Terminal, expected: list[str]) -> int:
    """How much of `expected` has been shown at the end of this page; 0 if the page is not part of it."""
    texts = [line.partition("│ ")[2] for line in screen.lines() if re.search(r"\d\d:\d\d .*│ ", line)]
    texts = [text for text in texts if text not in BEFORE]
    begin = expected.index(texts[0]) if texts and texts[0] in expected else 0
    return begin + len(texts) if texts == expected[begin : begin + len(texts)] else 0


def in_plain_lines(network: Network, ada: Person, bob: Person) -> None:
    ada.run("create", "plain")
    ada.run("invite", "plain", bob.name)
    bob.run("accept", "plain")
    bob.run("send", "plain", BEFORE[0])
    with terminal(ada, "chat", "plain", "--plain") as screen:
        screen.shows(BEFORE[0])
        screen.type(f"{BEFORE[1]}\n")
        screen.shows("-- stored")
        network.second_gateway()
        network.lose()
        screen.shows("-- Connection lost")
        for text in WRITTEN:
            screen.type(f"{text}\n")
            wait_until(lambda said=text: "-- queued" in after(said, screen), lambda: f"queued: {plain_lines(screen)}")
        say_what_is_missed(bob, "plain")
        network.come_back()
        for line in (
            "-- Reconnected. Sending 2 messages from the outbox.",
            "-- Catching up in #plain: 200 messages to go.",
            "-- Caught up in #plain.",
            "-- 2 stored",
        ):
            wait_until(lambda wanted=line: wanted in plain_lines(screen), line)
        wait_until(lambda: any(line.endswith(f": {WRITTEN[-1]}") for line in plain_lines(screen)), "all is told")
        said = [line.split(": ", 1)[1] for line in plain_lines(screen) if re.match(r"\d\d:\d\d \S+: ", line)]
        assert said == [BEFORE[0], *MISSED, *WRITTEN]
    agree("plain", ada, bob)


def plain_lines(screen: Terminal) -> list[str]:
    return screen.raw.decode(errors="replace").split("\r\n")[:-1]


def after(text: str, screen: Terminal) -> list[str]:
    """The lines after this one, if present."""
    lines = plain_lines(screen)
    return lines[lines.index(text) + 1 :] if text in lines else []


def in_pipes(network: Network, ada: Person, bob: Person) -> None:
    ada.run("create", "pipes")
    ada.run("invite", "pipes", bob.name)
    bob.run("accept", "pipes")
    bob.run("send", "pipes", BEFORE[0])
    ada.run("send", "pipes", BEFORE[1])
    out = ada.home.parent / "tailed"
    with out.open("w") as tailed:
        tail = ada.start("tail", "pipes", "--json", "--resume", "story", "--recent", "2", stdout=tailed)
        sending = ada.start("send", "pipes", "-")
        wait_until(lambda: len(contents(out)) == len(BEFORE), "the tail is there")
        wait_until(lambda: is_connected(sending), "the send is there")
        network.second_gateway()
        network.lose()
        assert sending.stdin is not None
        sending.stdin.write("".join(f"{text}\n" for text in WRITTEN))
        sending.stdin.flush()
        say_what_is_missed(bob, "pipes")
        network.come_back()
        _, said = sending.communicate(timeout=60)
        assert sending.returncode == ExitCode.OK
        assert "Connection lost" in said
        assert "Reconnected. Sending 2 messages from the outbox." in said
        wait_until(lambda: contents(out)[-1:] == WRITTEN[-1:], "the tail has caught up")
        tail.kill()
    assert contents(out) == [*BEFORE, *MISSED, *WRITTEN]
    bob.run("send", "pipes", "after all")
    rest = ada.run("tail", "pipes", "--json", "--resume", "story", "--count", "1")
    assert json.loads(rest.stdout)["content"] == "after all"


def contents(path: Path) -> list[str]:
    """The contents of the complete lines."""
    lines = path.read_text().splitlines(keepends=True)
    return [json.loads(line)["content"] for line in lines if line.endswith("\n")]


def say_what_is_missed(bob: Person, room: str) -> None:
    sent = bob.run("send", room, "-", typed="".join(f"{text}\n" for text in MISSED))
    assert sent.returncode == ExitCode.OK, sent.stderr


def agree(room: str, *persons: Person) -> None:
    """The server gives every client the same: all messages, once and in order."""
    expected = [*BEFORE, *MISSED, *WRITTEN]
    for person in persons:
        told = person.run("tail", room, "--json", "--recent", "1000", "--count", str(len(expected)))
        assert [json.loads(line)["content"] for line in told.stdout.splitlines()] == expected
        assert person.head(room) == len(expected)
