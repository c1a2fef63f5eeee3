"""The login session on disk: one file for each server, for its owner's eyes only, replaced in one piece."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx
import msgspec

from chatterbox.wire.reading import UnreadableError, read
from client.failures import Usage

DEFAULT_SERVER = "http://127.0.0.1:8000"


@dataclass(frozen=True, slots=True)
class Session:
    """Who is logged in where. Times are in seconds since 1970; the token stays out of any repr."""

    server: str
    username: str
    token: str = field(repr=False)
    session: str
    expires_at: float
    lifetime_s: float

    def is_due(self, now_s: float) -> bool:
        """Whether less than half of the token's lifetime is left: the time to renew it."""
        return now_s > self.renew_at

    @property
    def renew_at(self) -> float:
        return self.expires_at - self.lifetime_s / 2


def home(environ: Mapping[str, str]) -> Path:
    """The folder for what the client must remember (XDG Base Directory Specification 0.8: the state folder)."""
    state = environ.get("XDG_STATE_HOME", "")
    base = Path(state) if Path(state).is_absolute() else Path.home() / ".local" / "state"
    return base / "chatterbox"


def server_address(text: str) -> str:
    """Return a server's address as it is remembered and compared; raises `Usage` if it can't be one.

    >>> server_address("HTTPS://Chat.example.org/")
    'https://chat.example.org'
    """
    scheme, _, rest = text.strip().partition("://")
    host, slash, path = rest.rstrip("/").partition("/")
    address = f"{scheme.lower()}://{host.lower()}{slash}{path}"
    if scheme.lower() not in {"http", "https"} or not host or "@" in host or not _can_be_dialled(address):
        shown = f"{text[:100]!r}" if len(text) <= 100 else f"{text[:100]!r}..."
        raise Usage(f"{shown} is no server address. One looks like {DEFAULT_SERVER} or https://chat.example.org.")
    return address


def _can_be_dialled(address: str) -> bool:
    """Whether everything that takes an address takes this one, over HTTP and WebSocket."""
    if not address.isprintable() or any(map(str.isspace, address)):
        return False
    try:
        parts = urlsplit(address)
        parts.netloc.encode("idna")  # as a resolver does it
        named = bool(httpx.URL(address).host and parts.hostname)
        return named and parts.port != 0 and not {"?", "#"} & set(address)
    except (httpx.InvalidURL, ValueError):
        return False


class SessionFile:
    """Where the session of one server is kept."""

    def __init__(self, home: Path, server: str) -> None:
        self._home = home
        self.server = server
        self.path = home / "sessions" / f"{quote(server, safe='')}.json"

    def load(self) -> Session | None:
        """Read the session; None if there is none, or the file is not one."""
        try:
            return read(self.path.read_bytes(), Session)
        except (FileNotFoundError, UnreadableError):
            return None

    def save(self, session: Session) -> None:
        """Keep `session`, and its server as the one meant where none is named."""
        write_private(self.path, msgspec.json.encode(asdict(session)))
        write_private(self._home / "server", session.server.encode())

    def delete(self) -> None:
        self.path.unlink(missing_ok=True)


def saved_server(home: Path) -> str | None:
    """The server of the last login."""
    try:
        return (home / "server").read_text(encoding="utf-8").strip() or None
    except (FileNotFoundError, UnicodeDecodeError):
        return None


def private_folder(path: Path) -> Path:
    """Make `path` a folder that only its owner can enter."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.chmod(0o700)
    return path


def write_private(path: Path, data: bytes) -> None:
    """Replace a file in one piece; `mkstemp` makes it with mode 0600, so it is never open to others."""
    private_folder(path.parent)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
