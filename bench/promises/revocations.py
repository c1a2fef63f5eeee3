"""Promise "logout is logout": time until sockets on every replica close, and bytes received after that."""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import httpx

from bench.promises.bars import Bar, Judged, Line, Part
from chatterbox.wire.close_codes import CloseCode
from tests.chaos.site import LIMITS
from tests.support.failed_starts import attempt
from tests.support.peer import CLOSE, PING, Peer, dialled
from tests.support.server import PASSWORD
from tests.support.topology import Topology, topology

NEW_PASSWORD = "another long password"
TALK_EVERY_S = 0.05
"""Interval of messages in the room that all users are in (seconds)."""
WITH_REDIS_S, WITHOUT_REDIS_S = 1.0, 5.0
AT_ONCE = {True: 4, False: 16}
"""Users logged out concurrently, with Redis and without: few enough that none waits for a processor."""
LATER_S = {True: 0.5, False: 5.0}
"""Maximum random delay before a try (seconds), so that tries hit any phase of a gateway's periodic work."""


class Login(NamedTuple):
    """A login session."""

    token: str
    sid: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@dataclass(slots=True)
class Tries:
    """Results by the method that ended the sessions."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    """Seconds until the last socket of a session received its close frame."""
    with_hashing: list[float] = field(default_factory=list)
    """The same for password changes, counted from the request."""
    late: list[float] = field(default_factory=list)
    """For each socket the bytes received after its close frame."""
    troubles: list[str] = field(default_factory=list)


class Site:
    """Two gateways, Redis, and a user who sends messages continuously."""

    def __init__(self, whole: Topology, http: httpx.AsyncClient) -> None:
        self.whole = whole
        self.http = http

    async def register(self, name: str) -> None:
        (await self.http.post("/register", json={"username": name, "password": PASSWORD})).raise_for_status()

    async def login(self, name: str, password: str = PASSWORD) -> Login:
        answer = await self.http.post("/login", json={"username": name, "password": password})
        said = answer.raise_for_status().json()
        return Login(said["token"], said["session"])

    def ended_s(self, sid: str) -> float:
        """When auth ended a session, from its log (seconds since 1970)."""
        for line in reversed(self.whole.auth.log.read_text().splitlines()):
            if sid in line and "session.ended" in line:
                return datetime.fromisoformat(json.loads(line)["time"]).timestamp()
        raise AssertionError(f"auth has not ended {sid}")


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[Site]:
    settings = {**LIMITS, "CHATTERBOX_LOG_JSON": "1"}
    async with (
        topology(folder, gateways=2, started=True, **settings) as whole,
        httpx.AsyncClient(base_url=whole.auth.url, trust_env=False, timeout=30) as http,
    ):
        here = Site(whole, http)
        talking = asyncio.create_task(_talk(here, await whole.newcomer("talker")))
        try:
            yield here
        finally:
            talking.cancel()


async def _talk(site: Site, token: str) -> None:
    async with site.whole.gateways[0].talker(token) as talker:
        while True:
            await talker.send("x" * 100)
            talker.inbox.clear()
            await asyncio.sleep(TALK_EVERY_S)


# Methods to end a session; each returns the time from which the measurement counts


async def logout(site: Site, session: Login, _: Login, __: str) -> float:
    began_s = time.time()
    (await site.http.post("/logout", headers=session.headers)).raise_for_status()
    return began_s


async def revocation(site: Site, session: Login, actor: Login, _: str) -> float:
    began_s = time.time()
    (await site.http.delete(f"/sessions/{session.sid}", headers=actor.headers)).raise_for_status()
    return began_s


async def password_change(site: Site, session: Login, actor: Login, _: str) -> float:
    """Counts from when auth ended the session: hashing two passwords before takes time on purpose."""
    change = {"old": PASSWORD, "new": NEW_PASSWORD}
    (await site.http.post("/password", json=change, headers=actor.headers)).raise_for_status()
    return site.ended_s(session.sid)


async def ban(site: Site, session: Login, _: Login, name: str) -> float:
    """Counts from when auth ended the session: the command takes time to start."""
    auth = site.whole.auth
    done = await attempt("auth", auth.data, "ban", name, powerless=False, **auth.environment)
    assert done.status == 0, done.said
    return site.ended_s(session.sid)


Way = Callable[[Site, Login, Login, str], Awaitable[float]]
WAYS: Mapping[str, Way] = {
    "logout": logout,
    "revocation of a session": revocation,
    "password change": password_change,
    "ban": ban,
}


async def live(site: Site, name: str, tries: Tries) -> None:
    """Register one user, and end a session by each method in turn."""
    try:
        await site.register(name)
        actor = await site.login(name)
        for number, (title, way) in enumerate(WAYS.items()):
            password = NEW_PASSWORD if number == len(WAYS) - 1 else PASSWORD
            tries.seconds.setdefault(title, []).append(await _end(site, name, way, actor, password, tries))
    except (AssertionError, OSError, TimeoutError, httpx.HTTPError, asyncio.IncompleteReadError) as problem:
        tries.troubles.append(f"{name}: {type(problem).__name__} {problem}")


async def _end(site: Site, name: str, way: Way, actor: Login, password: str, tries: Tries) -> float:
    """End a session with a socket on each gateway; returns the seconds until both received their close frame."""
    session = await site.login(name, password)
    await asyncio.sleep(random.uniform(0, LATER_S[site.whole.redis.is_running]))
    async with AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(dialled(gateway.port)) for gateway in site.whole.gateways]
        for peer in peers:
            head = await peer.shake_hands(b"Authorization: Bearer " + session.token.encode())
            assert " 101 " in head, head
            while (first := await peer.frame()).opcode == PING:  # a ping can arrive at any time
                pass
            assert b'"welcome"' in first.payload, first
        watching = [asyncio.create_task(_closed(peer)) for peer in peers]
        try:
            asked_s = time.time()
            began_s = await way(site, session, actor, name)
            ends = await asyncio.gather(*watching)
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
    tries.late += [float(late) for _, late in ends]
    closed_s = max(closed_s for closed_s, _ in ends)
    if way is password_change:
        tries.with_hashing.append(closed_s - asked_s)
    return closed_s - began_s


async def _closed(peer: Peer) -> tuple[float, int]:
    """The time of the close frame, and the number of bytes after it: this peer does not answer the close frame."""
    while (frame := await peer.frame()).opcode != CLOSE:
        pass
    closed_s = time.time()
    code = int.from_bytes(frame.payload[:2])
    assert code == CloseCode.SESSION_ENDED, code
    return closed_s, len(await peer.rest())


async def measure(site: Site, users: int, name: str) -> Tries:
    """End sessions of `users` users, each by every method."""
    tries = Tries()
    gate = asyncio.Semaphore(AT_ONCE[site.whole.redis.is_running])

    async def one(number: int) -> None:
        async with gate:
            if number % 10 == 0:
                print(f"ended sessions, {name} Redis: user {number} of {users}", flush=True)
            await live(site, f"{name}-{number}", tries)

    async with asyncio.TaskGroup() as group:
        for number in range(users):
            group.create_task(one(number))
    return tries


async def measure_both(site: Site, tries: int) -> tuple[Tries, Tries]:
    """Run `tries` tries over all methods with Redis; then the same with Redis killed."""
    users = max(1, tries // len(WAYS))
    with_redis = await measure(site, users, "with")
    await site.whole.redis.kill()
    for gateway in site.whole.gateways:
        await gateway.until(lambda status, body: status == 503 and body["broker"] == "away")
    return with_redis, await measure(site, users, "without")


def part(with_redis: Tries, without_redis: Tries) -> Part:
    """The figures of these tries."""
    late = Bar("bytes received by a socket after its close frame", "", Judged.MOST, 0, 0)
    lines = [
        *_lines("with Redis", with_redis, WITH_REDIS_S, digits=3),
        *_lines("Redis killed", without_redis, WITHOUT_REDIS_S, digits=2),
        Line(late, [*with_redis.late, *without_redis.late]),
    ]
    return Part("Ended sessions", _MADE, lines)


_MADE = (
    "Two gateways, auth, history and Redis as processes. A session has a socket on each gateway, which does not answer "
    "the close frame, in a room with 20 messages a second. n counts sessions, or sockets. The time counts from the "
    "request to the later of the two close frames. For a password change, which first hashes two passwords, and for a "
    "ban, which is a command, it counts from when auth ended the session, by its log."
)


def _lines(when: str, tries: Tries, most_s: float, digits: int) -> list[Line]:
    every = Bar(f"all methods, {when}: both sockets closed after", "s", Judged.P99, most_s, digits)
    return [
        *(
            Line(Bar(f"{title}, {when}: both sockets closed after", "s", Judged.P99, most_s, digits), seconds)
            for title, seconds in tries.seconds.items()
        ),
        Line(every, [each for seconds in tries.seconds.values() for each in seconds]),
        Line(Bar(f"password change, {when}, from the request", "s", digits=digits), tries.with_hashing),
    ]
