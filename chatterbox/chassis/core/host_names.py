"""Which names a server answers to, and whether a web page comes from it: `Host` and `Origin` headers. Pure."""

import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import NamedTuple

_ANY = "*"
_LOOPBACK = "localhost"
_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+,;=-]*)(?::([0-9]{0,5}))?")
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?\.?")


class HostPort(NamedTuple):
    """A name or address in lower case, IPv6 in brackets; the port is None if it was left out."""

    host: str
    port: int | None


def host_port(header: str) -> HostPort:
    """Parse a `Host` header (RFC 9110 section 7.2); raises `ValueError`.

    >>> host_port("Chat.Example.org:443"), host_port("[::1]")
    (HostPort(host='chat.example.org', port=443), HostPort(host='[::1]', port=None))
    """
    found = _HOST.fullmatch(header)
    if found is None or int(found[2] or 0) > 65_535:
        raise ValueError("not a valid Host header")
    return HostPort(found[1].lower(), int(found[2]) if found[2] else None)


def normal_origin(origin: str) -> str:
    """An origin with its scheme and host in lower case and its port explicit (RFC 6454 section 4).

    Text that is no origin of a web server is returned as it is.

    >>> normal_origin("HTTPS://Chat.Example.org"), normal_origin("null")
    ('https://chat.example.org:443', 'null')
    """
    scheme, separator, rest = origin.partition("://")
    default = _DEFAULT_PORTS.get(scheme.lower())
    if not separator or default is None:
        return origin
    try:
        host, port = host_port(rest)
    except ValueError:
        return origin
    return f"{scheme.lower()}://{host}:{port or default}"


def is_same_origin(origin: str, host: str) -> bool:
    """Whether a page of this origin came from the server that was called as `host`.

    The scheme is not compared: behind a TLS proxy the server does not know it.
    """
    origin = normal_origin(origin)
    return any(origin == normal_origin(f"{scheme}://{host}") for scheme in _DEFAULT_PORTS)


class AllowedHosts:
    """The names that requests may be addressed to, against DNS rebinding: loopback, `names`, and every IP address.

    A web page that makes its own name resolve to this server's address sends that name in `Host`; it can't send an
    address. The name `*` allows every name. Raises `ValueError` for a name with a scheme, a port or a path.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = {_LOOPBACK}
        for name in filter(None, (name.strip().lower() for name in names)):
            if name != _ANY and not _is_address(name) and not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not a host name; write names such as chat.example.org")
            self._names.add(name.removesuffix("."))

    def allows(self, header: str) -> bool:
        """Whether a request with this `Host` header is for this server; the port is not compared."""
        try:
            host = host_port(header).host.removesuffix(".")
        except ValueError:
            return False
        return _ANY in self._names or host in self._names or host.endswith(f".{_LOOPBACK}") or _is_address(host)


def _is_address(host: str) -> bool:
    try:
        ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True
