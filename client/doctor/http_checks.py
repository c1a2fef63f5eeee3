"""Checks of HTTP responses: from Chatterbox, from a proxy in front of it, or from another program. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from chatterbox.wire.errors import Code
from chatterbox.wire.text_rules import http_date_s
from chatterbox.wire.untrusted_json import UnreadableError, decode_json
from client.doctor.verdict import CheckName, CheckResult, duration, failed, ok, shown, skipped, warning
from client.net.http_api import RefusalBody

SKEW_S = 5.0
TITLE_WITHIN_BYTES = 8_192
"""A page's title is searched up to here."""
PATHS = "/register /login /logout /renew /password /sessions /messages /rooms /ws"
"""Paths that a proxy must pass on, with everything below them."""
GATEWAY_ERRORS = {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
REDIRECTS = {301, 302, 303, 307, 308}
_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_ADVICE = {
    Code.UNAVAILABLE: "Try again in a moment. If it persists, check the logs of auth, gateway and history.",
    Code.RATE_LIMITED: "Wait, then try again.",
    Code.INTERNAL: "The server's log has a traceback.",
    Code.TOO_MANY_CONNECTIONS: (
        "Close some connections. If they are not yours, the server counts all clients as its proxy: put the proxy's "
        "address into CHATTERBOX_TRUSTED_PROXIES (in front of the containers: CHATTERBOX_EDGE_TRUSTED_PROXIES)."
    ),
    Code.ORIGIN_REFUSED: "This client sends no Origin, so a proxy adds one: remove that.",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An HTTP response, or none (then `problem` says why). Header names are in lower case; `at_s` is the time of the
    response in seconds since 1970, by this machine's clock.
    """

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    took_s: float = 0.0
    at_s: float = 0.0
    problem: str = ""

    @property
    def refusal(self) -> RefusalBody | None:
        """The error body, if it is Chatterbox's."""
        try:
            refusal = decode_json(self.body, RefusalBody)
        except UnreadableError:
            return None
        return refusal if refusal.code in set(Code) else None

    @property
    def is_reference(self) -> bool:
        """Whether the body is Chatterbox's API reference."""
        return b'"openapi"' in self.body and b'"Chatterbox' in self.body

    @property
    def line(self) -> str:
        """Status, server and page title, such as `502 Bad Gateway from nginx ("Sorry")`."""
        by = f" from {shown(self.headers['server'])}" if self.headers.get("server") else ""
        title = _TITLE.search(self.body[:TITLE_WITHIN_BYTES].decode(errors="replace"))
        return f"{status(self.status)}{by}" + (f' ("{shown(title[1])}")' if title else "")


def status(code: int) -> str:
    """A status code with its reason phrase.

    >>> status(502)
    '502 Bad Gateway'
    """
    return f"{code} {HTTPStatus(code).phrase}" if code in set(HTTPStatus) else str(code)


def advice_for(code: str) -> str:
    """What to do about an error code of the server."""
    known = Code(code) if code in set(Code) else Code.INTERNAL
    return _ADVICE.get(known, "The server itself refuses the request; its log says more.")


def judge_http(sessions: HttpAnswer, reference: HttpAnswer | None) -> CheckResult:
    """`sessions` is the response to `/sessions` without a token; `reference` to `/openapi.json`, if requested."""
    if sessions.problem:
        advice = "The port is open, but does not answer in HTTP: check the proxy's log, and that the port is right."
        return failed(CheckName.HTTP, shown(sessions.problem), advice)
    refusal = sessions.refusal
    if refusal is not None and sessions.status == HTTPStatus.UNAUTHORIZED:
        return ok(CheckName.HTTP, f"Chatterbox answers (in {duration(sessions.took_s)})")
    if refusal is not None:
        seen = f"Chatterbox answers {sessions.status} {refusal.code}: {shown(refusal.detail)}"
        return failed(CheckName.HTTP, seen, advice_for(refusal.code))
    if reference is not None and reference.is_reference:
        seen = f"/openapi.json is Chatterbox's, but /sessions answers with {sessions.line}"
        return failed(CheckName.HTTP, seen, f"Let the proxy pass everything to Chatterbox, at least {PATHS}.")
    return failed(CheckName.HTTP, f"not Chatterbox: {sessions.line}", _not_ours(sessions))


def _not_ours(answer: HttpAnswer) -> str:
    if answer.status in GATEWAY_ERRORS:
        return (
            "A proxy answers, but does not reach Chatterbox behind it: start Chatterbox, and correct the proxy's "
            "upstream address (nginx proxy_pass, Caddy reverse_proxy, HAProxy server)."
        )
    if answer.status in REDIRECTS:
        return f"It redirects: use the address that it redirects to, {shown(answer.headers.get('location', '?'))}."
    if answer.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return (
            "The proxy that the environment sets needs a login: put it into its variable (HTTPS_PROXY, HTTP_PROXY or "
            "ALL_PROXY) as http://NAME:PASSWORD@HOST:PORT, with special characters as %40 etc."
        )
    if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return "A proxy asks for a login of its own: let it pass Chatterbox's paths without one; tokens protect them."
    if answer.status == HTTPStatus.NOT_FOUND:
        return f"Check that the address is right, and that the proxy passes this host's {PATHS} to Chatterbox."
    if answer.status == HTTPStatus.OK and not answer.body:
        return "A proxy that has no site of this name answers (as Caddy does): add the name to its configuration."
    return "Another program answers: check host and port, and that the proxy passes this host's requests to Chatterbox."


def judge_clock(answer: HttpAnswer) -> CheckResult:
    """Compare the `Date` of a response (RFC 9110, whole seconds) with this machine's clock."""
    date_s = http_date_s(answer.headers.get("date", ""))
    if date_s is None or "age" in answer.headers:
        return skipped(CheckName.CLOCK, "the response has no usable Date")
    ahead_s = answer.at_s - (date_s + 0.5)
    if abs(ahead_s) <= SKEW_S:
        return ok(CheckName.CLOCK, "this machine and the server agree within 5 s")
    direction = "ahead of" if ahead_s > 0 else "behind"
    seen = f"this machine's clock is {_long(abs(ahead_s))} {direction} the server's"
    advice = "Synchronize both with NTP: sessions and certificates expire by the clock."
    return warning(CheckName.CLOCK, seen, advice)


def _long(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 300
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.0f} h"
    )
