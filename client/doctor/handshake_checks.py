"""Checks of the WebSocket handshake and the gateway's first frame: do `Upgrade` and the token get through. Pure."""

from dataclasses import dataclass
from http import HTTPStatus

from chatterbox.wire import frames
from chatterbox.wire.errors import Code
from client.doctor.http_checks import GATEWAY_ERRORS, REDIRECTS, HttpAnswer, advice_for
from client.doctor.verdict import CheckName, CheckResult, duration, failed, ok, shown, warning

UPGRADE = (
    "Let the proxy pass the headers Upgrade and Connection on /ws. nginx: proxy_http_version 1.1; proxy_set_header "
    'Upgrade $http_upgrade; proxy_set_header Connection "upgrade". Caddy: reverse_proxy passes them by default: remove '
    "header_up lines for them. HAProxy: mode http passes them: remove del-header and set-header lines for them."
)
ROUTE = "Let the proxy pass /ws to the same Chatterbox (with one gateway or more behind it)."
HEADER = "nginx: proxy_set_header Authorization $http_authorization; elsewhere, remove what deletes or replaces it."
_SESSION = {Code.TOKEN_INVALID, Code.TOKEN_EXPIRED, Code.SESSION_ENDED}


@dataclass(frozen=True, slots=True)
class FailedHandshake:
    """A failed handshake: an HTTP response, an invalid response (`malformed`), or none."""

    answer: HttpAnswer
    malformed: bool = False


@dataclass(frozen=True, slots=True)
class FirstFrame:
    """The gateway's first frame. `by_frame`: the header had no effect, so the token was sent in a frame."""

    frame: frames.Welcome | frames.ErrorFrame | None
    by_frame: bool = False
    closed: str = ""
    """Why the connection closed, if it did."""


def judge_opened(handshake_s: float) -> CheckResult:
    return ok(CheckName.WEBSOCKET, f"opened (in {duration(handshake_s)})")


def judge_failed_handshake(handshake: FailedHandshake) -> CheckResult:
    """Explain a failed handshake, after the HTTP check found Chatterbox."""
    if handshake.malformed:
        seen = f"invalid response to the handshake: {shown(handshake.answer.problem)}"
        return failed(CheckName.WEBSOCKET, seen, UPGRADE)
    if handshake.answer.problem:
        seen = f"no response to the handshake: {shown(handshake.answer.problem)}"
        advice = f"A proxy that does not support WebSockets closes it. {UPGRADE}"
        return failed(CheckName.WEBSOCKET, seen, advice)
    return _answered(handshake.answer)


def _answered(answer: HttpAnswer) -> CheckResult:
    refusal = answer.refusal
    if refusal is None:
        return failed(CheckName.WEBSOCKET, f"a proxy answers the handshake with {answer.line}", _advice(answer))
    if refusal.code in {Code.NOT_FOUND, Code.METHOD_NOT_ALLOWED}:
        seen = f"the handshake arrived as a plain request ({answer.status} {refusal.code})"
        return failed(CheckName.WEBSOCKET, seen, UPGRADE)
    seen = f"Chatterbox refuses the handshake, {answer.status} {refusal.code}: {shown(refusal.detail)}"
    return failed(CheckName.WEBSOCKET, seen, advice_for(refusal.code))


def _advice(answer: HttpAnswer) -> str:
    if answer.status in GATEWAY_ERRORS:
        return f"The proxy does not reach a gateway for /ws, though it reaches auth and history: start one. {ROUTE}"
    if answer.status in REDIRECTS:
        return f"/ws redirects to {shown(answer.headers.get('location', '?'))}. {ROUTE}"
    if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED}:
        return "Let the proxy pass /ws without a login or access rule of its own; tokens protect it."
    if answer.status == HTTPStatus.NOT_FOUND:
        return f"{ROUTE} {UPGRADE}"
    if answer.status in {HTTPStatus.OK, HTTPStatus.BAD_REQUEST, HTTPStatus.UPGRADE_REQUIRED}:
        return UPGRADE
    return f"The response must be 101. {ROUTE} {UPGRADE}"


def judge_token(first: FirstFrame, http: HttpAnswer) -> CheckResult:
    """With a login: `http` is the response to `/sessions` with the session's token."""
    frame = first.frame
    if isinstance(frame, frames.ErrorFrame):
        return _refused(frame)
    if frame is None:
        return _no_frame(first)
    if http.refusal is not None and http.refusal.code == Code.TOKEN_MISSING:
        return _header_removed()
    if first.by_frame:
        advice = f"This client works without it, but others need the header Authorization on /ws. {HEADER}"
        seen = f"{_welcomed(frame)}, but only by a frame: the header does not get through"
        return warning(CheckName.TOKEN, seen, advice)
    return ok(CheckName.TOKEN, _welcomed(frame))


def judge_no_token(first: FirstFrame, http: HttpAnswer) -> CheckResult:
    """Without a login: `http` is the response to `/sessions` with an invalid token."""
    frame = first.frame
    if http.refusal is not None and http.refusal.code == Code.TOKEN_MISSING:
        return _header_removed()
    if isinstance(frame, frames.ErrorFrame) and frame.code == Code.TOKEN_MISSING:
        return ok(CheckName.TOKEN, "the gateway is reachable and asks for a token (log in to check more)")
    if isinstance(frame, frames.ErrorFrame):
        return _refused(frame)
    return _no_frame(first)


def _welcomed(welcome: frames.Welcome) -> str:
    return f"welcomed as {shown(welcome.username)} by {shown(welcome.server)}"


def _header_removed() -> CheckResult:
    seen = "the header Authorization does not reach Chatterbox over HTTP"
    advice = f"Let the proxy pass it. {HEADER} A login of the proxy itself uses the header, too."
    return failed(CheckName.TOKEN, seen, advice)


def _refused(error: frames.ErrorFrame) -> CheckResult:
    seen = f"the gateway answers with the error {shown(error.code)}: {shown(error.detail)}"
    if error.code in _SESSION:
        return warning(CheckName.TOKEN, seen, "The connection works, but your session has ended: chatterbox login")
    return failed(CheckName.TOKEN, seen, advice_for(error.code))


def _no_frame(first: FirstFrame) -> CheckResult:
    if first.closed:
        seen = f"the connection opened, but closed before the gateway's first frame: {shown(first.closed)}"
        return failed(CheckName.TOKEN, seen, f"Check the logs of the proxy and the gateway. {ROUTE}")
    advice = f"A proxy buffers frames, or another program answers /ws. {ROUTE}"
    return failed(CheckName.TOKEN, "the connection opened, but no frame arrived", advice)
