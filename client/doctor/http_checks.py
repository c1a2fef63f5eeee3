"""Judges what is answered over HTTP: by Chatterbox, or by something in front or instead of it. Pure."""

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
"""A page's title is looked for up to here."""
PATHS = "/register /login /logout /renew /password /sessions /messages /rooms /ws"
"""What a proxy must pass on, and what is below it."""
AWAY = {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
REDIRECTS = {301, 302, 303, 307, 308}
_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_SENTENCES = {
    Code.UNAVAILABLE: "Try again in a moment; if it stays, the logs of auth, gateway and history say what is away.",
    Code.RATE_LIMITED: "Wait, then try again.",
    Code.INTERNAL: "The server's log has the trace.",
    Code.TOO_MANY_CONNECTIONS: (
        "Close some connections. If they are not yours, the server takes everybody for its proxy: name the proxy's "
        "address in CHATTERBOX_TRUSTED_PROXIES (in front of the containers: CHATTERBOX_EDGE_TRUSTED_PROXIES)."
    ),
    Code.ORIGIN_REFUSED: "This client sends no Origin, so a proxy adds one: take that out.",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An HTTP answer, or none (then `problem` says why). Names of `headers` are in lower case; `at_s` is when, in
    seconds since 1970, by this machine's clock.
    """

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    took_s: float = 0.0
    at_s: float = 0.0
    problem: str = ""

    @property
    def refusal(self) -> RefusalBody | None:
        """The refusal, if Chatterbox wrote it."""
        try:
            refusal = decode_json(self.body, RefusalBody)
        except UnreadableError:
            return None
        return refusal if refusal.code in set(Code) else None

    @property
    def is_reference(self) -> bool:
        """Whether it is Chatterbox's own API reference."""
        return b'"openapi"' in self.body and b'"Chatterbox' in self.body

    @property
    def line(self) -> str:
        """Status and who answered, such as `502 Bad Gateway from nginx ("Sorry")`."""
        by = f" from {shown(self.headers['server'])}" if self.headers.get("server") else ""
        title = _TITLE.search(self.body[:TITLE_WITHIN_BYTES].decode(errors="replace"))
        return f"{status(self.status)}{by}" + (f' ("{shown(title[1])}")' if title else "")


def status(code: int) -> str:
    """A status with its words.

    >>> status(502)
    '502 Bad Gateway'
    """
    return f"{code} {HTTPStatus(code).phrase}" if code in set(HTTPStatus) else str(code)


def advice_for(code: str) -> str:
    """What to do about a refusal of the server's."""
    known = Code(code) if code in set(Code) else Code.INTERNAL
    return _SENTENCES.get(known, "The server itself refuses; its log says more.")


def judge_http(sessions: HttpAnswer, reference: HttpAnswer | None) -> CheckResult:
    """`sessions` is the answer to `/sessions` without a token; `reference` that to `/openapi.json`, if it was asked."""
    if sessions.problem:
        advice = "The port is open but no HTTP comes back: see the proxy's log, and that it is no port of another kind."
        return failed(CheckName.HTTP, shown(sessions.problem), advice)
    refusal = sessions.refusal
    if refusal is not None and sessions.status == HTTPStatus.UNAUTHORIZED:
        return ok(CheckName.HTTP, f"Chatterbox answers (in {duration(sessions.took_s)})")
    if refusal is not None:
        seen = f"Chatterbox answers {sessions.status} {refusal.code}: {shown(refusal.detail)}"
        return failed(CheckName.HTTP, seen, advice_for(refusal.code))
    if reference is not None and reference.is_reference:
        seen = f"/openapi.json is Chatterbox's, but /sessions is answered with {sessions.line}"
        return failed(CheckName.HTTP, seen, f"Let the proxy pass everything to Chatterbox, at least {PATHS}.")
    return failed(CheckName.HTTP, f"not Chatterbox: {sessions.line}", _not_ours(sessions))


def _not_ours(answer: HttpAnswer) -> str:
    if answer.status in AWAY:
        return (
            "A proxy answers, and does not reach Chatterbox behind it: start Chatterbox, and correct the address to "
            "which the proxy passes requests (nginx proxy_pass, Caddy reverse_proxy, HAProxy server)."
        )
    if answer.status in REDIRECTS:
        return f"It sends elsewhere: use the address to which it leads, {shown(answer.headers.get('location', '?'))}."
    if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED}:
        return (
            "A proxy in front asks for a login of its own: let it pass Chatterbox's paths without; tokens guard them."
        )
    if answer.status == HTTPStatus.NOT_FOUND:
        return f"See that the address is right, and that the proxy passes this host's {PATHS} to Chatterbox."
    if answer.status == HTTPStatus.OK and not answer.body:
        return "A proxy answers (Caddy does so) that has no site of this name: add the name to its configuration."
    return (
        "Another program answers there: see that host and port are right, and that the proxy passes them to Chatterbox."
    )


def judge_clock(answer: HttpAnswer) -> CheckResult:
    """Compare the `Date` of an answer (RFC 9110, whole seconds) with this machine's clock."""
    date_s = http_date_s(answer.headers.get("date", ""))
    if date_s is None or "age" in answer.headers:
        return skipped(CheckName.CLOCK, "the server tells no time")
    ahead_s = answer.at_s - (date_s + 0.5)
    if abs(ahead_s) <= SKEW_S:
        return ok(CheckName.CLOCK, "this machine and the server agree within seconds")
    way = "ahead of" if ahead_s > 0 else "behind"
    seen = f"this machine's clock is {_long(abs(ahead_s))} {way} the server's"
    return warning(CheckName.CLOCK, seen, "Let both be set by NTP: sessions end by the clock, and certificates too.")


def _long(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 300
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.0f} h"
    )
