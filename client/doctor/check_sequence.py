"""The order of the checks: each is made as long as what it builds on holds. One verdict after another comes out."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from chatterbox.wire import frames
from chatterbox.wire.limits import Limits
from client.doctor import handshake_checks, http_checks, message_checks, reach_checks
from client.doctor.network_probes import ask, connect_to, environment_proxy, look_up, shake_hands
from client.doctor.probe_socket import HandshakeFailed, ProbeSocket, large, probe_socket
from client.doctor.verdict import CheckName, CheckResult, CheckStatus, failed, skipped
from client.failures import UsageError
from client.store.session_file import SavedSession
from client.text.server_url import server_address

NO_TOKEN = "none"  # noqa: S105 - meant to be none
"""What is sent as a token without a login: whether its refusal comes tells whether the header gets through."""


@dataclass(slots=True)
class OpenedSession:
    """What the later checks need of the greeting."""

    token: str | None
    welcome: frames.Welcome | None = None
    by_frame: bool = False

    @property
    def frame_bytes(self) -> int:
        return (self.welcome.limits if self.welcome else Limits()).frame_bytes


async def examine(address: str, session: SavedSession | None, idle_s: float) -> AsyncIterator[CheckResult]:
    """Make every check that can be made; a failed one that others build on is the last, the rest is `skipped`."""
    seen: set[CheckName] = set()
    async for verdict in _until_failed(address, session, idle_s):
        seen.add(verdict.check)
        last = verdict
        yield verdict
    for check in CheckName:
        if check not in seen:
            yield skipped(check, f"not checked, because {last.check} failed")


async def _until_failed(address: str, session: SavedSession | None, idle_s: float) -> AsyncIterator[CheckResult]:
    try:
        via = environment_proxy(server_address(address))
        target = reach_checks.target_of(address, via)
    except UsageError as problem:
        yield failed(CheckName.ADDRESS, "not one", str(problem))
        return
    yield reach_checks.judge_address(target)
    async for verdict in _way(target, via):
        yield verdict
        if verdict.status is CheckStatus.FAILED:
            return
    async for verdict in _conversation(target.server, session, idle_s):
        yield verdict


async def _way(target: reach_checks.Target, via: str) -> AsyncIterator[CheckResult]:
    names = await look_up(target)
    yield reach_checks.judge_names(target, names)
    yield reach_checks.judge_tcp(target, await connect_to(target, names))
    yield reach_checks.judge_tls(target, await shake_hands(target, via), time.time())
    sessions = await ask(target.server, "/sessions")
    reference = None if sessions.refusal else await ask(target.server, "/openapi.json")
    yield http_checks.judge_http(sessions, reference)
    yield http_checks.judge_clock(sessions)


async def _conversation(server: str, session: SavedSession | None, idle_s: float) -> AsyncIterator[CheckResult]:
    opened = OpenedSession(session.token if session else None)
    try:
        async with probe_socket(server, opened.token) as first:
            yield handshake_checks.judge_opened(first.took_s)
            verdict = await _token(server, first, opened)
            yield verdict
    except HandshakeFailed as problem:
        yield handshake_checks.judge_shut(problem.shut)
        return
    if verdict.status is CheckStatus.FAILED:
        return
    async for verdict in _flow(server, opened, idle_s):
        yield verdict


async def _token(server: str, first: ProbeSocket, opened: OpenedSession) -> CheckResult:
    over_http = await ask(server, "/sessions", opened.token or NO_TOKEN)
    greeting = await first.greeted(opened.token)
    if isinstance(greeting.said, frames.Welcome):
        opened.welcome, opened.by_frame = greeting.said, greeting.by_frame
        return handshake_checks.judge_token(greeting, over_http)
    if opened.token is None:
        return handshake_checks.judge_no_token(greeting, over_http)
    opened.token = None
    return handshake_checks.judge_token(greeting, over_http)


async def _flow(server: str, opened: OpenedSession, idle_s: float) -> AsyncIterator[CheckResult]:
    """Without a welcome, the gateway refuses each ping by name, which serves as well for ten seconds."""
    try:
        async with probe_socket(server, opened.token) as second:
            await second.greeted(opened.token, by_frame=opened.by_frame)
            trips = await second.trips()
            yield message_checks.judge_trips(trips, second.closed)
    except HandshakeFailed as problem:
        yield failed(
            CheckName.ROUND_TRIP, "a second connection does not open", handshake_checks.judge_shut(problem.shut).advice
        )
        return
    yield message_checks.judge_large(await large(server, opened.token, opened.frame_bytes - 1))
    yield await _idle(server, opened, idle_s)


async def _idle(server: str, opened: OpenedSession, idle_s: float) -> CheckResult:
    if opened.welcome is None:
        return message_checks.without_login()
    try:
        async with probe_socket(server, opened.token) as last:
            await last.greeted(opened.token, by_frame=opened.by_frame)
            return message_checks.judge_idle(await last.idle(idle_s, opened.welcome.ping_s))
    except HandshakeFailed as problem:
        return failed(
            CheckName.IDLE, "a further connection does not open", handshake_checks.judge_shut(problem.shut).advice
        )
