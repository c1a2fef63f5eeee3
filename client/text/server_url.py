"""Normalises, validates and corrects server addresses. Pure."""

import re
from urllib.parse import urlsplit

from client.failures import UsageError

DEFAULT_SERVER = "http://127.0.0.1:8000"
_HERE = re.compile(r"(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:|/|$)")
"""Addresses of this machine, where servers usually don't use TLS."""
_LABEL = r"(?!xn--)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_PLAIN = re.compile(
    rf"https?://(?:127\.0\.0\.1|(?:{_LABEL}\.){{0,9}}(?!\d){_LABEL})(?::[1-9]\d{{0,3}}|:[1-5]\d{{4}})?(?:/[a-z0-9-]+){{0,9}}",
    re.ASCII,
)
"""Matches most addresses, all of them valid; others need a closer check."""


def server_address(text: str) -> str:
    """Return the normalised address of a server; raises `UsageError` if it is invalid.

    >>> server_address("HTTPS://Chat.example.org/")
    'https://chat.example.org'
    """
    address = written_address(text)
    scheme, _, rest = address.partition("://")
    host = rest.partition("/")[0]
    if scheme not in {"http", "https"} or not host or "@" in host or not _is_valid(address):
        shown = f"{text[:100]!r}" if len(text) <= 100 else f"{text[:100]!r}..."
        raise UsageError(f"Invalid server address {shown}. Use one like {DEFAULT_SERVER} or https://chat.example.org.")
    return address


def written_address(text: str) -> str:
    """The normalised address of a server, whether or not it is valid."""
    scheme, _, rest = text.strip().partition("://")
    host, slash, path = rest.rstrip("/").partition("/")
    return f"{scheme.lower()}://{host.lower()}{slash}{path}"


def likely_address(text: str) -> str | None:
    """The address that an invalid one was probably meant to be; None if it can't be guessed.

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


def _is_valid(address: str) -> bool:
    """Whether both HTTP and WebSocket connections accept the address."""
    if len(address) <= 255 and _PLAIN.fullmatch(address):
        return True
    import httpx  # imported here: it takes a quarter of a command's start

    if not address.isprintable() or any(map(str.isspace, address)):
        return False
    try:
        parts = urlsplit(address)
        parts.netloc.encode("idna")  # as a resolver encodes it
        named = bool(httpx.URL(address).host and parts.hostname)
        return named and parts.port != 0 and not {"?", "#"} & set(address)
    except (httpx.InvalidURL, ValueError):
        return False
