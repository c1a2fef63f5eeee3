"""Judges the WebSocket handshake and the gateway's first words: do `Upgrade` and the token get through. Pure."""

from dataclasses import dataclass
from http import HTTPStatus

from chatterbox.wire import frames
from chatterbox.wire.errors import Code
from client.doctor.http_checks import AWAY, REDIRECTS, HttpAnswer, advice_for
from client.doctor.verdict import CheckName, CheckResult, duration, failed, ok, shown, warning

UPGRADE = (
    "Let the proxy pass the headers Upgrade and Connection on /ws. nginx: proxy_http_version 1.1; proxy_set_header "
    'Upgrade $http_upgrade; proxy_set_header Connection "upgrade". Caddy: reverse_proxy passes them by itself: take '
    "out header_up lines for them. HAProxy: mode http passes them: take out del-header and set-header lines for them."
)
ROUTE = "Let the proxy pass /ws to the same Chatterbox (with one gateway or more behind it)."
HEADER = "nginx: proxy_set_header Authorization $http_authorization; elsewhere, take out what removes or replaces it."
_SESSION = {Code.TOKEN_INVALID, Code.TOKEN_EXPIRED, Code.SESSION_ENDED}


@dataclass(frozen=True, slots=True)
class FailedHandshake:
    """A handshake that led to no WebSocket: by an HTTP answer, by a broken answer (`malformed`), or by none."""

    answer: HttpAnswer
    malformed: bool = False


@dataclass(frozen=True, slots=True)
class FirstFrames:
    """What the gateway said first. `by_frame`: the header brought nothing, the token had to go in a frame."""

    said: frames.Welcome | frames.ErrorFrame | None
    by_frame: bool = False
    closed: str = ""
    """How the connection ended, if it did."""


def judge_opened(took_s: float) -> CheckResult:
    return ok(CheckName.WEBSOCKET, f"opened (in {duration(took_s)})")


def judge_shut(shut: FailedHandshake) -> CheckResult:
    """Say why there is no WebSocket, after HTTP was found to be Chatterbox's."""
    if shut.malformed:
        seen = f"the answer to the handshake is broken: {shown(shut.answer.problem)}"
        return failed(CheckName.WEBSOCKET, seen, UPGRADE)
    if shut.answer.problem:
        seen = f"no answer to the handshake: {shown(shut.answer.problem)}"
        advice = f"A proxy ends it that does not know WebSockets. {UPGRADE}"
        return failed(CheckName.WEBSOCKET, seen, advice)
    return _answered(shut.answer)


def _answered(answer: HttpAnswer) -> CheckResult:
    refusal = answer.refusal
    if refusal is None:
        return failed(CheckName.WEBSOCKET, f"a proxy answers the handshake with {answer.line}", _advice(answer))
    if refusal.code in {Code.NOT_FOUND, Code.METHOD_NOT_ALLOWED}:
        return failed(
            CheckName.WEBSOCKET, f"the handshake came as a plain request ({answer.status} {refusal.code})", UPGRADE
        )
    seen = f"Chatterbox refuses the handshake, {answer.status} {refusal.code}: {shown(refusal.detail)}"
    return failed(CheckName.WEBSOCKET, seen, advice_for(refusal.code))


def _advice(answer: HttpAnswer) -> str:
    if answer.status in AWAY:
        return f"The proxy does not reach a gateway for /ws, though it reaches the rest: start one. {ROUTE}"
    if answer.status in REDIRECTS:
        return f"/ws leads elsewhere, to {shown(answer.headers.get('location', '?'))}. {ROUTE}"
    if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED}:
        return "Let the proxy pass /ws without a login or rule of its own; tokens guard it."
    if answer.status == HTTPStatus.NOT_FOUND:
        return f"{ROUTE} {UPGRADE}"
    if answer.status in {HTTPStatus.OK, HTTPStatus.BAD_REQUEST, HTTPStatus.UPGRADE_REQUIRED}:
        return UPGRADE
    return f"Only 101 would be right. {ROUTE} {UPGRADE}"


def judge_token(greeting: FirstFrames, http: HttpAnswer) -> CheckResult:
    """With a login: `http` is the answer to `/sessions` with the session's token."""
    said = greeting.said
    if isinstance(said, frames.ErrorFrame):
        return _refused(said)
    if said is None:
        return _silent(greeting)
    if http.refusal is not None and http.refusal.code == Code.TOKEN_MISSING:
        return _stripped()
    if greeting.by_frame:
        advice = f"This client does without, but others need the header Authorization on /ws. {HEADER}"
        return warning(
            CheckName.TOKEN, f"{_welcomed(said)}, but only by a frame: the header does not get through", advice
        )
    return ok(CheckName.TOKEN, _welcomed(said))


def judge_no_token(greeting: FirstFrames, http: HttpAnswer) -> CheckResult:
    """Without a login: `http` is the answer to `/sessions` with a token that can't be one."""
    said = greeting.said
    if http.refusal is not None and http.refusal.code == Code.TOKEN_MISSING:
        return _stripped()
    if isinstance(said, frames.ErrorFrame) and said.code == Code.TOKEN_MISSING:
        return ok(CheckName.TOKEN, "the gateway asks for one: the way is open (with a login, more is checked)")
    if isinstance(said, frames.ErrorFrame):
        return _refused(said)
    return _silent(greeting)


def _welcomed(welcome: frames.Welcome) -> str:
    return f"welcomed as {shown(welcome.username)} by {shown(welcome.server)}"


def _stripped() -> CheckResult:
    seen = "the header Authorization does not reach Chatterbox over HTTP"
    return failed(CheckName.TOKEN, seen, f"Let the proxy pass it. {HEADER} A login of the proxy's own takes it, too.")


def _refused(error: frames.ErrorFrame) -> CheckResult:
    seen = f"the gateway refuses, {shown(error.code)}: {shown(error.detail)}"
    if error.code in _SESSION:
        return warning(CheckName.TOKEN, seen, "The way is open; only your session is over: chatterbox login")
    return failed(CheckName.TOKEN, seen, advice_for(error.code))


def _silent(greeting: FirstFrames) -> CheckResult:
    if greeting.closed:
        seen = f"the connection opened, and ended before the gateway spoke: {shown(greeting.closed)}"
        return failed(CheckName.TOKEN, seen, f"See the logs of the proxy and of the gateway. {ROUTE}")
    advice = f"Something between holds frames back, or another program answers /ws. {ROUTE}"
    return failed(CheckName.TOKEN, "the connection opened, and nothing came over it", advice)
