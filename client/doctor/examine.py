"""The order of the checks: each is made as long as what it builds on holds. One verdict after another comes out."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from chatterbox.wire import frames
from chatterbox.wire.limits import Limits
from client.address import server_address
from client.doctor import answers, flow, reach, upgrade
from client.doctor.line import Line, NotOpened, large, line
from client.doctor.probes import ask, connect_to, environment_proxy, look_up, shake_hands
from client.doctor.verdict import Check, Status, Verdict, failed, skipped
from client.failures import Usage
from client.session import Session

NO_TOKEN = "none"  # noqa: S105 - meant to be none
"""What is sent as a token without a login: whether its refusal comes tells whether the header gets through."""


@dataclass(slots=True)
class Opened:
    """What the later checks need of the greeting."""

    token: str | None
    welcome: frames.Welcome | None = None
    by_frame: bool = False

    @property
    def frame_bytes(self) -> int:
        return (self.welcome.limits if self.welcome else Limits()).frame_bytes


async def examine(address: str, session: Session | None, idle_s: float) -> AsyncIterator[Verdict]:
    """Make every check that can be made; a failed one that others build on is the last, the rest is `skipped`."""
    seen: set[Check] = set()
    async for verdict in _until_failed(address, session, idle_s):
        seen.add(verdict.check)
        last = verdict
        yield verdict
    for check in Check:
        if check not in seen:
            yield skipped(check, f"not checked, because {last.check} failed")


async def _until_failed(address: str, session: Session | None, idle_s: float) -> AsyncIterator[Verdict]:
    try:
        via = environment_proxy(server_address(address))
        target = reach.target_of(address, via)
    except Usage as problem:
        yield failed(Check.ADDRESS, "not one", str(problem))
        return
    yield reach.judge_address(target)
    async for verdict in _way(target, via):
        yield verdict
        if verdict.status is Status.FAILED:
            return
    async for verdict in _conversation(target.server, session, idle_s):
        yield verdict


async def _way(target: reach.Target, via: str) -> AsyncIterator[Verdict]:
    names = await look_up(target)
    yield reach.judge_names(target, names)
    yield reach.judge_tcp(target, await connect_to(target, names))
    yield reach.judge_tls(target, await shake_hands(target, via), time.time())
    sessions = await ask(target.server, "/sessions")
    reference = None if sessions.refusal else await ask(target.server, "/openapi.json")
    yield answers.judge_http(sessions, reference)
    yield answers.judge_clock(sessions)


async def _conversation(server: str, session: Session | None, idle_s: float) -> AsyncIterator[Verdict]:
    opened = Opened(session.token if session else None)
    try:
        async with line(server, opened.token) as first:
            yield upgrade.judge_opened(first.took_s)
            verdict = await _token(server, first, opened)
            yield verdict
    except NotOpened as problem:
        yield upgrade.judge_shut(problem.shut)
        return
    if verdict.status is Status.FAILED:
        return
    async for verdict in _flow(server, opened, idle_s):
        yield verdict


async def _token(server: str, first: Line, opened: Opened) -> Verdict:
    over_http = await ask(server, "/sessions", opened.token or NO_TOKEN)
    greeting = await first.greeted(opened.token)
    if isinstance(greeting.said, frames.Welcome):
        opened.welcome, opened.by_frame = greeting.said, greeting.by_frame
        return upgrade.judge_token(greeting, over_http)
    if opened.token is None:
        return upgrade.judge_no_token(greeting, over_http)
    opened.token = None
    return upgrade.judge_token(greeting, over_http)


async def _flow(server: str, opened: Opened, idle_s: float) -> AsyncIterator[Verdict]:
    """Without a welcome, the gateway refuses each ping by name, which serves as well for ten seconds."""
    try:
        async with line(server, opened.token) as second:
            await second.greeted(opened.token, by_frame=opened.by_frame)
            trips = await second.trips()
            yield flow.judge_trips(trips, second.closed)
    except NotOpened as problem:
        yield failed(Check.ROUND_TRIP, "a second connection does not open", upgrade.judge_shut(problem.shut).advice)
        return
    yield flow.judge_large(await large(server, opened.token, opened.frame_bytes - 1))
    yield await _idle(server, opened, idle_s)


async def _idle(server: str, opened: Opened, idle_s: float) -> Verdict:
    if opened.welcome is None:
        return flow.without_login()
    try:
        async with line(server, opened.token) as last:
            await last.greeted(opened.token, by_frame=opened.by_frame)
            return flow.judge_idle(await last.idle(idle_s, opened.welcome.ping_s))
    except NotOpened as problem:
        return failed(Check.IDLE, "a further connection does not open", upgrade.judge_shut(problem.shut).advice)
