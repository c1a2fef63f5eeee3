"""Routes to a server: its proxy and its trusted certificates, for HTTP, WebSocket and the doctor alike.

The proxy comes from HTTPS_PROXY or HTTP_PROXY (by the server's scheme), else ALL_PROXY, else the system's settings;
NO_PROXY exempts hosts. Names in lower case take precedence. Trusted are the system's authorities, and those in
SSL_CERT_FILE and SSL_CERT_DIR, as OpenSSL reads them.
"""

import os
import ssl
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


class UnusableEnvironment(ConnectionError):  # noqa: N818 - a sentence for people, like `Failure`
    """The environment makes connecting impossible; `str()` names the variable and the next step."""


@dataclass(frozen=True, slots=True)
class Route:
    """How to connect to a server: through `proxy` (an address, which may contain a password), or directly if None."""

    proxy: str | None = None
    proxy_source: str = ""
    """What names the proxy: an environment variable, or the system's settings."""

    def explain(self, why: str) -> str:
        """Add to the reason of a failure that a proxy is involved, and what names it."""
        if self.proxy is None:
            return why
        if "407" in why:  # Proxy Authentication Required
            example = "http://NAME:PASSWORD@HOST:PORT"
            return f"the proxy needs a login: set {self.proxy_source} to {example}, with special characters as %40 etc."
        return f"{why} (through the proxy {_without_password(self.proxy)}, set by {self.proxy_source})"


def route_to(server: str) -> Route:
    """Return the route to a server; raises `UnusableEnvironment` if its proxy can't be used."""
    from urllib.request import getproxies  # not before it is needed: it takes 5 ms of a command's start

    parts = urlsplit(server)
    host, port = parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme]
    proxies = getproxies()
    scheme = next((scheme for scheme in (parts.scheme, "all") if proxies.get(scheme)), None)
    if scheme is None or _is_exempt(host, port):
        return Route()
    address, source = proxies[scheme], _source(scheme, proxies[scheme])
    return Route(_checked(address if "://" in address else f"http://{address}", source, host), source)


def _is_exempt(host: str, port: int) -> bool:
    """Whether NO_PROXY names the host: also by a network (10.0.0.0/8), a pattern (*.example.org) or in brackets."""
    from urllib.request import proxy_bypass

    if proxy_bypass(f"{host}:{port}"):
        return True
    names = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    return any(_names(entry, host) for entry in names.lower().replace(",", " ").split())


def _names(entry: str, host: str) -> bool:
    try:
        return ip_address(host) in ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return entry.startswith("*.") and host.endswith(entry[1:])


def _source(scheme: str, value: str) -> str:
    name = f"{scheme}_proxy"
    named = (key for key in sorted(os.environ, reverse=True) if key.lower() == name and os.environ[key] == value)
    return next(named, "the system's settings")


def _checked(address: str, source: str, host: str) -> str:
    """The proxy's address in the form that both libraries accept."""
    advice = f"correct {source}, or add {host} to NO_PROXY"
    try:
        parts = urlsplit(address)
        proxy_host, port = parts.hostname, parts.port
        address.encode("ascii")
    except ValueError:
        proxy_host = port = None
    if proxy_host is None:
        raise UnusableEnvironment(f"{source} is not the address of a proxy: {advice}")
    if parts.scheme not in _DEFAULT_PORTS:
        kind = (
            "a SOCKS proxy" if parts.scheme.startswith("socks") else f"a proxy of an unknown kind ({parts.scheme}://)"
        )
        raise UnusableEnvironment(f"{source} names {kind}, and only HTTP proxies are supported: {advice}")
    login = f"{parts.username}:{parts.password or ''}@" if parts.username else ""
    proxy_host = f"[{proxy_host}]" if ":" in proxy_host else proxy_host
    return f"{parts.scheme}://{login}{proxy_host}:{port or _DEFAULT_PORTS[parts.scheme]}"


def _without_password(proxy: str) -> str:
    scheme, _, rest = proxy.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def uses_tls(server: str, route: Route) -> bool:
    """Whether the server or the proxy uses TLS, so that certificates matter."""
    return server.startswith("https:") or (route.proxy or "").startswith("https:")


def tls_context() -> ssl.SSLContext:
    """The certificates that are trusted; raises `UnusableEnvironment` if a variable that names them is wrong."""
    return _tls_context(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@lru_cache(maxsize=1)
def _tls_context(file: str | None, folder: str | None) -> ssl.SSLContext:
    """Load the authorities, which takes some 20 ms. OpenSSL reads both variables itself, but ignores invalid ones."""
    context = ssl.create_default_context()
    if file:
        try:
            context.load_verify_locations(cafile=file)
        except OSError as problem:
            why = "no certificates in it" if isinstance(problem, ssl.SSLError) else problem.strerror
            raise UnusableEnvironment(f"SSL_CERT_FILE can't be used ({file}: {why}): correct or unset it") from problem
    if folder and not any(Path(part).is_dir() for part in folder.split(os.pathsep)):
        raise UnusableEnvironment(f"SSL_CERT_DIR can't be used ({folder}: no such folder): correct or unset it")
    found = ssl.get_default_verify_paths()
    if found.cafile is None and found.capath is None:
        import certifi  # a system without authorities of its own, such as Python from python.org on macOS

        context.load_verify_locations(cafile=certifi.where())
    return context
