"""Addresses of servers: how one is remembered and compared, and what was meant by one that is none. Pure."""

import re
from urllib.parse import urlsplit

from client.failures import UsageError

DEFAULT_SERVER = "http://127.0.0.1:8000"
_HERE = re.compile(r"(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:|/|$)")
"""Addresses of this machine, where a server speaks no TLS as a rule."""
_LABEL = r"(?!xn--)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_PLAIN = re.compile(
    rf"https?://(?:127\.0\.0\.1|(?:{_LABEL}\.){{0,9}}(?!\d){_LABEL})(?::[1-9]\d{{0,3}}|:[1-5]\d{{4}})?(?:/[a-z0-9-]+){{0,9}}",
    re.ASCII,
)
"""What nearly all addresses look like; of these it is known that they can be dialled."""


def server_address(text: str) -> str:
    """Return a server's address as it is remembered and compared; raises `UsageError` if it can't be one.

    >>> server_address("HTTPS://Chat.example.org/")
    'https://chat.example.org'
    """
    address = written_address(text)
    scheme, _, rest = address.partition("://")
    host = rest.partition("/")[0]
    if scheme not in {"http", "https"} or not host or "@" in host or not _can_be_dialled(address):
        shown = f"{text[:100]!r}" if len(text) <= 100 else f"{text[:100]!r}..."
        raise UsageError(f"{shown} is no server address. One looks like {DEFAULT_SERVER} or https://chat.example.org.")
    return address


def written_address(text: str) -> str:
    """A server's address as it is remembered and compared, whether or not it can be one."""
    scheme, _, rest = text.strip().partition("://")
    host, slash, path = rest.rstrip("/").partition("/")
    return f"{scheme.lower()}://{host.lower()}{slash}{path}"


def likely_address(text: str) -> str | None:
    """The address that somebody probably meant who wrote one that is none.

    >>> likely_address("chat.example.org"), likely_address("ws://127.0.0.1:8000")
    ('https://chat.example.org', 'http://127.0.0.1:8000')
    """
    scheme, separator, rest = text.strip().rpartition("://")
    is_open = scheme.casefold() in {"ws", "htp", "http"} if separator else _HERE.match(rest)
    address = f"http{'' if is_open else 's'}://{rest}"
    try:
        return server_address(address)
    except UsageError:
        return None


def _can_be_dialled(address: str) -> bool:
    """Whether everything that takes an address takes this one, over HTTP and WebSocket."""
    if len(address) <= 255 and _PLAIN.fullmatch(address):
        return True
    import httpx  # only here: to import it takes a quarter of the start of a command

    if not address.isprintable() or any(map(str.isspace, address)):
        return False
    try:
        parts = urlsplit(address)
        parts.netloc.encode("idna")  # as a resolver does it
        named = bool(httpx.URL(address).host and parts.hostname)
        return named and parts.port != 0 and not {"?", "#"} & set(address)
    except (httpx.InvalidURL, ValueError):
        return False
