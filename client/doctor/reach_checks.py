"""Checks of the network path to a server: address, DNS, TCP port, TLS certificate. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from client.doctor.verdict import CheckName, CheckResult, duration, failed, ok, shown, skipped, warning
from client.failures import UsageError
from client.text.server_url import server_address

SLOW_LOOKUP_S = 1.0
RENEW_DAYS = 14.0
"""Warn about a certificate that expires sooner, or within the last fifth of its lifetime if that is less."""
DAY_S = 86_400.0

_NOT_YET, _EXPIRED, _SELF_SIGNED, _OTHER_NAME = {9}, {10}, {18, 19}, {62, 63, 64}
"""OpenSSL's `X509_V_ERR_…` numbers."""
_NO_CHAIN = {2, 20, 21}
_PROXY_PORTS = {"https": 443, "socks5": 1080, "socks5h": 1080, "socks4": 1080, "socks4a": 1080}
_PROXY_ADVICE = (
    "The proxy that the environment sets can't be reached: correct HTTPS_PROXY, HTTP_PROXY or ALL_PROXY, or add the "
    "server's host to NO_PROXY."
)


@dataclass(frozen=True, slots=True)
class Target:
    """The server to check. The first connection goes to `hop_host` and `hop_port`: the proxy that the environment sets
    (then `proxy` is its address, without the password), else the server itself.
    """

    server: str
    host: str
    port: int
    secure: bool
    hop_host: str
    hop_port: int
    proxy: str = ""

    @property
    def is_local(self) -> bool:
        return is_loopback(self.host)


@dataclass(frozen=True, slots=True)
class ResolvedNames:
    """The addresses that a name resolved to, or the `problem`."""

    addresses: tuple[str, ...]
    took_s: float
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ConnectAttempt:
    """One attempt to connect. `problem` is empty if it succeeded."""

    address: str
    took_s: float
    problem: str = ""
    refused: bool = False
    no_route: bool = False
    """This machine has no route to addresses of this family, for example no IPv6."""


@dataclass(frozen=True, slots=True)
class TlsResult:
    """A TLS handshake: `version` and the certificate's validity, or `problem` and OpenSSL's codes for it."""

    version: str = ""
    valid_from_s: float = 0.0
    valid_until_s: float = 0.0
    problem: str = ""
    verify_code: int = 0
    reason: str = ""


def target_of(address: str, proxy: str = "") -> Target:
    """Parse an address; raises `UsageError` with the reason if it is invalid."""
    server = server_address(address)
    try:
        parts = urlsplit(server)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise UsageError(f"{shown(address)!r} has an invalid port or invalid brackets.") from None
    if not parts.hostname:
        raise UsageError(f"{shown(address)!r} has no host.")
    if parts.query or parts.fragment or parts.path.rsplit("/", 1)[-1] in {"ws", "docs", "login"}:
        raise UsageError(f"{shown(address)!r} is not only the server's address: remove what follows the host.")
    secure = parts.scheme == "https"
    if not proxy:
        return Target(server, parts.hostname, port, secure, parts.hostname, port)
    hop_host, hop_port, clean = _hop(proxy)
    return Target(server, parts.hostname, port, secure, hop_host, hop_port, clean)


def _hop(proxy: str) -> tuple[str, int, str]:
    """Host, port and address of a proxy, without its password."""
    try:
        parts = urlsplit(proxy)
        host, port = parts.hostname, parts.port or _PROXY_PORTS.get(parts.scheme, 80)
    except ValueError:
        host = None
    if host is None:
        raise UsageError("The environment sets a proxy without a valid address: check HTTPS_PROXY and HTTP_PROXY.")
    return host, port, f"{parts.scheme}://{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether `host` is a loopback address or `localhost`."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def judge_address(target: Target) -> CheckResult:
    proxy = f", through the proxy of the environment: {shown(target.proxy)}" if target.proxy else ""
    return ok(CheckName.ADDRESS, f"{shown(target.server)}{proxy}")


def judge_dns(target: Target, names: ResolvedNames) -> CheckResult:
    host = shown(target.hop_host)
    if names.problem or not names.addresses:
        seen = f"{host}: {shown(names.problem) or 'no address'} (in {duration(names.took_s)})"
        advice = f"Check the spelling of {host}, and that it has an A or AAAA record that this machine can resolve."
        return failed(CheckName.DNS, seen, _PROXY_ADVICE if target.proxy else advice)
    seen = f"{', '.join(map(shown, names.addresses))} (in {duration(names.took_s)})"
    if names.took_s > SLOW_LOOKUP_S:
        return warning(CheckName.DNS, seen, "Name resolution is slow here: check the resolver of this machine.")
    return ok(CheckName.DNS, seen)


def judge_tcp(target: Target, attempts: Sequence[ConnectAttempt]) -> CheckResult:
    good = [attempt for attempt in attempts if not attempt.problem]
    bad = [attempt for attempt in attempts if attempt.problem and not attempt.no_route and not target.is_local]
    if not good:
        return failed(
            CheckName.TCP, "; ".join(_attempt(target, each) for each in attempts), _tcp_advice(target, attempts)
        )
    seen = "; ".join(_attempt(target, each) for each in [*good, *bad])
    if bad:
        advice = "Some clients try that address first and wait: make it answer, or remove its DNS record."
        return warning(CheckName.TCP, seen, advice)
    return ok(CheckName.TCP, seen)


def _attempt(target: Target, attempt: ConnectAttempt) -> str:
    address = f"[{attempt.address}]" if ":" in attempt.address else attempt.address
    outcome = shown(attempt.problem) or f"connected in {duration(attempt.took_s)}"
    return f"{shown(address)}:{target.hop_port} {outcome}"


def _tcp_advice(target: Target, attempts: Sequence[ConnectAttempt]) -> str:
    port = target.hop_port
    if target.proxy:
        return _PROXY_ADVICE
    if any(attempt.refused for attempt in attempts):
        return (
            f"The host is up, but nothing listens on port {port} at this address: start the server or the proxy, and "
            "make it listen on more than 127.0.0.1 if other machines should reach it."
        )
    if all(attempt.no_route for attempt in attempts):
        return "This machine has no route to that address: check its network, then the address."
    return f"Packets to it are dropped: open port {port} in the firewalls in between, and check that the host is up."


def judge_tls(target: Target, tls: TlsResult | None, now_s: float) -> CheckResult:
    """`tls` is None if the handshake could not be tested."""
    if not target.secure:
        return _unencrypted(target)
    if tls is None:
        return skipped(CheckName.TLS, "can't be tested through this kind of proxy; the http check fails if TLS does")
    if tls.problem:
        return failed(CheckName.TLS, shown(tls.problem), _tls_advice(target, tls))
    left_days = (tls.valid_until_s - now_s) / DAY_S
    seen = f"{shown(tls.version)}, certificate valid for {_days(left_days)}"
    if left_days < min(RENEW_DAYS, (tls.valid_until_s - tls.valid_from_s) / DAY_S / 5):
        return warning(CheckName.TLS, seen, "Renew it now, and find out why automatic renewal failed (Caddy, certbot).")
    return ok(CheckName.TLS, seen)


def _days(days: float) -> str:
    return "less than a day" if days < 1 else "1 more day" if days < 2 else f"{int(days)} more days"


def _unencrypted(target: Target) -> CheckResult:
    if target.is_local:
        return ok(CheckName.TLS, "none, and none is needed on this machine")
    advice = (
        "Anyone on the network path can read passwords and messages. Add TLS: CHATTERBOX_DOMAIN with containers, or a "
        "proxy with a certificate; then use https://."
    )
    return warning(CheckName.TLS, "not encrypted", advice)


def _tls_advice(target: Target, tls: TlsResult) -> str:
    host = shown(target.host)
    if tls.verify_code in _EXPIRED:
        return "Renew the certificate and reload the proxy: until then it serves the old one."
    if tls.verify_code in _NOT_YET:
        return "The certificate is not valid yet: check this machine's clock, then the certificate."
    if tls.verify_code in _SELF_SIGNED:
        return (
            "No authority that this machine trusts has signed the certificate: get one that is (free with Caddy or "
            "certbot), or set SSL_CERT_FILE to the file of your own authority."
        )
    if tls.verify_code in _NO_CHAIN:
        return (
            "Intermediate certificates are missing: give the proxy the full chain, or set SSL_CERT_FILE to the file of "
            "your own authority."
        )
    if tls.verify_code in _OTHER_NAME:
        return f"The certificate is for another name: get one for {host}, or use the name in the certificate."
    if tls.reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"}:
        return f"Port {target.port} does not use TLS: use http://, or the port on which the proxy serves TLS."
    if "PROTOCOL" in tls.reason:
        return "The server and this machine have no TLS version in common: enable TLS 1.2 and 1.3 on the server."
    return f"Check the proxy's log, and that it has a certificate for {host}."
