"""The login session on disk: one file for each server and profile, for its owner's eyes only, replaced in one piece."""

import os
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

import msgspec

from chatterbox.wire.reading import UnreadableError, read
from client.failures import Usage

DEFAULT_SERVER = "http://127.0.0.1:8000"
OTHERS = "others"
"""Said in the place of a session's id: all but this one."""


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


def server_address(text: str) -> str:
    """Return a server's address as it is remembered and compared; raises `Usage` if it can't be one.

    >>> server_address("HTTPS://Chat.example.org/")
    'https://chat.example.org'
    """
    address = written_address(text)
    scheme, _, rest = address.partition("://")
    host = rest.partition("/")[0]
    if scheme not in {"http", "https"} or not host or "@" in host or not _can_be_dialled(address):
        shown = f"{text[:100]!r}" if len(text) <= 100 else f"{text[:100]!r}..."
        raise Usage(f"{shown} is no server address. One looks like {DEFAULT_SERVER} or https://chat.example.org.")
    return address


def written_address(text: str) -> str:
    """A server's address as it is remembered and compared, whether or not it can be one."""
    scheme, _, rest = text.strip().partition("://")
    host, slash, path = rest.rstrip("/").partition("/")
    return f"{scheme.lower()}://{host.lower()}{slash}{path}"


def _can_be_dialled(address: str) -> bool:
    """Whether everything that takes an address takes this one, over HTTP and WebSocket."""
    import httpx  # only here: it takes a third of a second to import, and completion does without

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
    """Where the session of one server is kept. Each profile has its own: it may be of another user."""

    def __init__(self, home: Path, server: str, profile: str = "") -> None:
        self._home = home
        self.profile = profile
        self.server = server
        of_profile = f"@{quote(profile, safe='')}" if profile else ""
        self.path = home / "sessions" / f"{quote(server, safe='')}{of_profile}.json"

    def load(self) -> Session | None:
        """Read the session; None if there is none, or the file is not one."""
        try:
            return read(self.path.read_bytes(), Session)
        except (FileNotFoundError, UnreadableError):
            return None

    def save(self, session: Session) -> None:
        """Keep `session`; without a profile, also its server as the one meant where none is named."""
        replace_file(self.path, msgspec.json.encode(asdict(session)))
        if not self.profile:
            replace_file(self._home / "server", session.server.encode())

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


def replace_file(path: Path, data: bytes) -> None:
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
