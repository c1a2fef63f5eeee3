"""Runs the checks in order, each only if those it depends on passed."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from chatterbox.wire import frames
from chatterbox.wire.limits import Limits
from client.doctor import handshake_checks, http_checks, message_checks, reach_checks
from client.doctor.network_probes import connect_to, get, resolve, tls_handshake
from client.doctor.probe_socket import HandshakeFailed, ProbeSocket, probe_socket, send_large_frame
from client.doctor.verdict import CheckName, CheckResult, CheckStatus, failed, shown, skipped
from client.failures import UsageError
from client.net.proxy_route import UnusableEnvironment, route_to, tls_context, uses_tls
from client.store.session_file import SavedSession
from client.text.server_url import server_address

NO_TOKEN = "none"  # noqa: S105 - deliberately no token
"""Sent as a token without a login: the server refuses it if the header gets through, else it asks for a token."""


@dataclass(slots=True)
class OpenedSession:
    """What later checks need from the first connection. `by_frame`: the token must be sent in a frame."""

    token: str | None
    welcome: frames.Welcome | None = None
    by_frame: bool = False

    @property
    def frame_bytes(self) -> int:
        return (self.welcome.limits if self.welcome else Limits()).frame_bytes


async def run_checks(address: str, session: SavedSession | None, idle_s: float) -> AsyncIterator[CheckResult]:
    """Run the checks until one fails that others depend on; those are `skipped`."""
    done: set[CheckName] = set()
    async for result in _until_failed(address, session, idle_s):
        done.add(result.check)
        last = result
        yield result
    for check in CheckName:
        if check not in done and not check.is_local:
            yield skipped(check, f"not checked, because {last.check} failed")


async def _until_failed(address: str, session: SavedSession | None, idle_s: float) -> AsyncIterator[CheckResult]:
    try:
        server = server_address(address)
        route = route_to(server)
        proxy = route.proxy or ""
        target = reach_checks.target_of(address, proxy)
        if uses_tls(server, route):
            tls_context()  # raises if certificates can't be loaded
    except UsageError as problem:
        yield failed(CheckName.ADDRESS, "invalid", str(problem))
        return
    except UnusableEnvironment as problem:
        seen, _, advice = str(problem).rpartition(": ")
        yield failed(CheckName.ADDRESS, shown(seen), f"{shown(advice[:1].upper() + advice[1:])}.")
        return
    yield reach_checks.judge_address(target)
    async for result in _check_http(target, proxy):
        yield result
        if result.status is CheckStatus.FAILED:
            return
    async for result in _check_websocket(target.server, session, idle_s):
        yield result


async def _check_http(target: reach_checks.Target, proxy: str) -> AsyncIterator[CheckResult]:
    names = await resolve(target)
    yield reach_checks.judge_dns(target, names)
    yield reach_checks.judge_tcp(target, await connect_to(target, names))
    yield reach_checks.judge_tls(target, await tls_handshake(target, proxy), time.time())
    sessions = await get(target.server, "/sessions")
    reference = None if sessions.refusal else await get(target.server, "/openapi.json")
    yield http_checks.judge_http(sessions, reference)
    yield http_checks.judge_clock(sessions)


async def _check_websocket(server: str, session: SavedSession | None, idle_s: float) -> AsyncIterator[CheckResult]:
    opened = OpenedSession(session.token if session else None)
    try:
        async with probe_socket(server, opened.token) as first:
            yield handshake_checks.judge_opened(first.handshake_s)
            result = await _check_token(server, first, opened)
            yield result
    except HandshakeFailed as problem:
        yield handshake_checks.judge_failed_handshake(problem.handshake)
        return
    if result.status is CheckStatus.FAILED:
        return
    async for result in _check_messages(server, opened, idle_s):
        yield result


async def _check_token(server: str, first: ProbeSocket, opened: OpenedSession) -> CheckResult:
    over_http = await get(server, "/sessions", opened.token or NO_TOKEN)
    first_frame = await first.first_frame(opened.token)
    if isinstance(first_frame.frame, frames.Welcome):
        opened.welcome, opened.by_frame = first_frame.frame, first_frame.by_frame
        return handshake_checks.judge_token(first_frame, over_http)
    if opened.token is None:
        return handshake_checks.judge_no_token(first_frame, over_http)
    opened.token = None
    return handshake_checks.judge_token(first_frame, over_http)


async def _check_messages(server: str, opened: OpenedSession, idle_s: float) -> AsyncIterator[CheckResult]:
    """Without a welcome, the gateway answers each ping with an error, which serves as a reply for ten seconds."""
    try:
        async with probe_socket(server, opened.token) as second:
            await second.first_frame(opened.token, by_frame=opened.by_frame)
            round_trips = await second.round_trips()
            yield message_checks.judge_round_trips(round_trips, second.closed)
    except HandshakeFailed as problem:
        advice = handshake_checks.judge_failed_handshake(problem.handshake).advice
        yield failed(CheckName.ROUND_TRIP, "a second connection can't be opened", advice)
        return
    large = await send_large_frame(server, opened.token, opened.frame_bytes - 1)
    yield message_checks.judge_large_frame(large)
    yield await _check_idle(server, opened, idle_s)


async def _check_idle(server: str, opened: OpenedSession, idle_s: float) -> CheckResult:
    if opened.welcome is None:
        return message_checks.without_login()
    try:
        async with probe_socket(server, opened.token) as last:
            await last.first_frame(opened.token, by_frame=opened.by_frame)
            return message_checks.judge_idle(await last.idle(idle_s, opened.welcome.ping_s))
    except HandshakeFailed as problem:
        advice = handshake_checks.judge_failed_handshake(problem.handshake).advice
        return failed(CheckName.IDLE, "another connection can't be opened", advice)
