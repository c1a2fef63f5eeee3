"""Judges the way to the server: its address, its name, the port, the certificate. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from client.doctor.verdict import CheckName, CheckResult, duration, failed, ok, shown, skipped, warning
from client.failures import UsageError
from client.text.server_url import server_address

SLOW_LOOKUP_S = 1.0
RENEW_DAYS = 14.0
"""A certificate with less left is warned of, or with less than a fifth of its life if it is a short-lived one."""
DAY_S = 86_400.0

_NOT_YET, _EXPIRED, _SELF_SIGNED, _OTHER_NAME = {9}, {10}, {18, 19}, {62, 63, 64}
"""OpenSSL's `X509_V_ERR_…` numbers."""
_NO_CHAIN = {2, 20, 21}
_PROXY_PORTS = {"https": 443, "socks5": 1080, "socks5h": 1080, "socks4": 1080, "socks4a": 1080}
_VIA = (
    "The environment names a proxy that can't be reached: correct HTTPS_PROXY or HTTP_PROXY, or name the server's "
    "host in NO_PROXY."
)


@dataclass(frozen=True, slots=True)
class Target:
    """What is examined. `hop_host` and `hop_port` are where the first connection goes: a proxy of the environment
    (then `via` is its address, without a password), else the server itself.
    """

    server: str
    host: str
    port: int
    secure: bool
    hop_host: str
    hop_port: int
    via: str = ""

    @property
    def is_local(self) -> bool:
        return is_loopback(self.host)


@dataclass(frozen=True, slots=True)
class ResolvedNames:
    """What the name led to."""

    addresses: tuple[str, ...]
    took_s: float
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ConnectAttempt:
    """One try to connect. `problem` is empty where it came about."""

    address: str
    took_s: float
    problem: str = ""
    refused: bool = False
    no_way: bool = False
    """This machine has no route to such addresses, as those without IPv6."""


@dataclass(frozen=True, slots=True)
class TlsResult:
    """A handshake: `version` and certificate where it went well, else `problem` and OpenSSL's numbers for it."""

    version: str = ""
    begins_s: float = 0.0
    ends_s: float = 0.0
    problem: str = ""
    verify_code: int = 0
    reason: str = ""


def target_of(address: str, via: str = "") -> Target:
    """Read an address; raises `UsageError` for what can't be one, with a sentence that says why."""
    server = server_address(address)
    try:
        parts = urlsplit(server)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise UsageError(f"{shown(address)!r} has a port, or brackets, that can't be.") from None
    if not parts.hostname:
        raise UsageError(f"{shown(address)!r} names no host.")
    if parts.query or parts.fragment or parts.path.rsplit("/", 1)[-1] in {"ws", "docs", "login"}:
        raise UsageError(f"{shown(address)!r} is more than the server's address: leave out what follows the host.")
    secure = parts.scheme == "https"
    if not via:
        return Target(server, parts.hostname, port, secure, parts.hostname, port)
    hop_host, hop_port, clean = _hop(via)
    return Target(server, parts.hostname, port, secure, hop_host, hop_port, clean)


def _hop(via: str) -> tuple[str, int, str]:
    """Host, port and address of a proxy, without its password."""
    try:
        parts = urlsplit(via)
        host, port = parts.hostname, parts.port or _PROXY_PORTS.get(parts.scheme, 80)
    except ValueError:
        host = None
    if host is None:
        raise UsageError("The environment names a proxy that has no address: see HTTPS_PROXY and HTTP_PROXY.")
    return host, port, f"{parts.scheme}://{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def judge_address(target: Target) -> CheckResult:
    via = f", by the proxy that the environment names: {shown(target.via)}" if target.via else ""
    return ok(CheckName.ADDRESS, f"{shown(target.server)}{via}")


def judge_names(target: Target, names: ResolvedNames) -> CheckResult:
    host = shown(target.hop_host)
    if names.problem or not names.addresses:
        seen = f"{host}: {shown(names.problem) or 'no address'} (in {duration(names.took_s)})"
        advice = f"See that {host} is written right, and that it has an A or AAAA record that is known here."
        return failed(CheckName.DNS, seen, _VIA if target.via else advice)
    seen = f"{', '.join(map(shown, names.addresses))} (in {duration(names.took_s)})"
    if names.took_s > SLOW_LOOKUP_S:
        return warning(CheckName.DNS, seen, "Looking names up is slow here: see which resolver this machine asks.")
    return ok(CheckName.DNS, seen)


def judge_tcp(target: Target, attempts: Sequence[ConnectAttempt]) -> CheckResult:
    good = [attempt for attempt in attempts if not attempt.problem]
    bad = [attempt for attempt in attempts if attempt.problem and not attempt.no_way and not target.is_local]
    if not good:
        return failed(CheckName.TCP, "; ".join(_attempt(target, each) for each in attempts), _way_in(target, attempts))
    seen = "; ".join(_attempt(target, each) for each in [*good, *bad])
    if bad:
        advice = "Some clients try that address first and wait: make it answer, or take its record out of the DNS."
        return warning(CheckName.TCP, seen, advice)
    return ok(CheckName.TCP, seen)


def _attempt(target: Target, attempt: ConnectAttempt) -> str:
    address = f"[{attempt.address}]" if ":" in attempt.address else attempt.address
    said = shown(attempt.problem) or f"connected in {duration(attempt.took_s)}"
    return f"{shown(address)}:{target.hop_port} {said}"


def _way_in(target: Target, attempts: Sequence[ConnectAttempt]) -> str:
    port = target.hop_port
    if target.via:
        return _VIA
    if any(attempt.refused for attempt in attempts):
        return (
            f"The machine is there, but nothing listens on port {port} at this address: start the server or the proxy, "
            "and let it listen on more than 127.0.0.1 if others are to reach it."
        )
    if all(attempt.no_way for attempt in attempts):
        return "There is no route from this machine to that address: see its network, then the address."
    return f"Whatever is sent there is dropped: open port {port} in the firewalls between, and see that it is up."


def judge_tls(target: Target, tls: TlsResult | None, now_s: float) -> CheckResult:
    """`tls` is None where there is none to look at."""
    if not target.secure:
        return _unencrypted(target)
    if tls is None:
        return skipped(CheckName.TLS, "can't be looked at through that proxy; the next line tells if it fails")
    if tls.problem:
        return failed(CheckName.TLS, shown(tls.problem), _tls_advice(target, tls))
    left_days = (tls.ends_s - now_s) / DAY_S
    seen = f"{shown(tls.version)}, certificate valid for {_days(left_days)}"
    if left_days < min(RENEW_DAYS, (tls.ends_s - tls.begins_s) / DAY_S / 5):
        return warning(CheckName.TLS, seen, "Renew it now, and see why that did not happen by itself (Caddy, certbot).")
    return ok(CheckName.TLS, seen)


def _days(days: float) -> str:
    return "less than a day" if days < 1 else "1 more day" if days < 2 else f"{int(days)} more days"


def _unencrypted(target: Target) -> CheckResult:
    if target.is_local:
        return ok(CheckName.TLS, "none, and none is needed within this machine")
    advice = (
        "Whoever is on the way can read passwords and messages. Put TLS in front: CHATTERBOX_DOMAIN with containers, "
        "or a proxy with a certificate; then use https://."
    )
    return warning(CheckName.TLS, "not encrypted", advice)


def _tls_advice(target: Target, tls: TlsResult) -> str:
    host = shown(target.host)
    if tls.verify_code in _EXPIRED:
        return "Renew the certificate, and load it: a proxy that was not reloaded goes on with the old one."
    if tls.verify_code in _NOT_YET:
        return "Its time has not come: see this machine's clock, then the certificate."
    if tls.verify_code in _SELF_SIGNED:
        return (
            "No authority that this machine trusts has signed it: get one that is (Caddy and certbot do, for nothing), "
            "or name your own authority's file in SSL_CERT_FILE."
        )
    if tls.verify_code in _NO_CHAIN:
        return (
            "The certificates between it and an authority are missing: give the proxy the full chain, or name your own "
            "authority's file in SSL_CERT_FILE."
        )
    if tls.verify_code in _OTHER_NAME:
        return f"The certificate is for another name: get one for {host}, or use the name that it is for."
    if tls.reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"}:
        return f"No TLS is spoken on port {target.port}: use http://, or the port on which the proxy has TLS."
    if "PROTOCOL" in tls.reason:
        return "The server's TLS is too old or too new for this machine: let it speak TLS 1.2 and 1.3."
    return f"See the proxy's log, and that it has a certificate for {host}."
