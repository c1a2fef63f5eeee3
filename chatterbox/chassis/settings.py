"""Settings from environment variables: read once by a `__main__`, frozen, and passed down."""

import socket
import sys
from pathlib import Path
from typing import Annotated, NoReturn, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from chatterbox.chassis.core.caller_keys import CallerKeys, ServiceName
from chatterbox.chassis.core.host_names import AllowedHosts
from chatterbox.chassis.core.peer_address import TrustedProxies
from chatterbox.chassis.operator_errors import OperatorError
from chatterbox.wire.encryption.policy import DEFAULT_POLICY, EncryptionPolicy
from chatterbox.wire.limits import Limits

PREFIX = "CHATTERBOX_"
SERVICE_KEY_CHARS = 32


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        if parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0 and parts.path in {"", "/"}:
            return text
    except ValueError:
        pass
    raise ValueError(f"must look like http://127.0.0.1:8001, not {text!r}")


ServiceUrl = Annotated[str, AfterValidator(_url)]
"""The base URL of another service."""


def _proxies(text: str) -> str:
    TrustedProxies(text)
    return text


ProxyAddresses = Annotated[str, AfterValidator(_proxies)]
"""Trusted proxies, as `TrustedProxies` reads them."""


def _hosts(text: str) -> str:
    AllowedHosts(text.split(","))
    return text


HostNames = Annotated[str, AfterValidator(_hosts)]
"""Names of a server, separated by commas, as `AllowedHosts` reads them."""


def _digests(text: str) -> str:
    CallerKeys.parse(text)
    return text


Digests = Annotated[str, AfterValidator(_digests)]
"""Digests of the other services' keys, as `CallerKeys.parse` reads them."""


class Environment(BaseSettings):
    """Settings read from the environment: field `port` from the variable `CHATTERBOX_PORT`."""

    model_config = SettingsConfigDict(
        allow_inf_nan=False, env_prefix=PREFIX, frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    @classmethod
    def from_environment(cls) -> Self:
        """Read the environment; for an invalid value, print the variable and the reason and exit with status 2."""
        try:
            return cls()
        except ValidationError as problem:
            _explain_and_exit(problem)


class Settings(Environment):
    """Settings of every process."""

    host: str = "127.0.0.1"
    """The address to listen on; `0.0.0.0` for all network interfaces."""
    port: int = Field(8000, ge=0, le=65535)
    """The port to listen on; 0 chooses a free one."""
    domain: HostNames = ""
    """The public domain of this server, if it has one, such as `chat.example.org`; over
    HTTPS, responses then carry HSTS."""
    hosts: HostNames = ""
    """Further names by which clients reach this server, separated by commas; `*` allows every name. Loopback, IP
    addresses, `CHATTERBOX_HOST` and `CHATTERBOX_DOMAIN` are always allowed; others get 421, against DNS rebinding."""
    root_path: str = Field("", pattern=r"^(/[A-Za-z0-9._~-]+)*$")
    """The path below which a proxy publishes this server, such as `/chat`, if the proxy leaves it in requests."""
    trusted_proxies: ProxyAddresses = ""
    """Addresses or networks of proxies whose `X-Forwarded-For` is trusted, separated by commas; `*`: all peers."""
    data: Path = Path("data")
    """The folder for databases and keys; created if missing, readable by its owner only."""
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$")
    """Minimum level of log lines: debug, info, warning or error."""
    log_json: bool = False
    """Log one JSON object per line instead of text."""
    drain_s: float = Field(3, ge=0, le=300)
    """How long, after a signal to stop, clients are asked to reconnect elsewhere, spread over this time (seconds)."""
    service_key: SecretStr | None = None
    """The secret with which this service calls the others: at least 32 characters. The all-in-one process generates its
    own."""
    service_key_file: Path | None = None
    """A file that contains the service key, for secrets mounted into containers."""
    caller_keys: Digests = ""
    """For auth and history: the services that may call it, as `SERVICE:DIGEST` entries separated by spaces; a digest is
    the SHA-256 of that service's key, in hexadecimal. Empty: all services have the same key, with which each one may do
    what the others may."""
    caller_keys_file: Path | None = None
    """A file that contains the caller keys."""
    redis_url: SecretStr = SecretStr("")
    """The Redis URL, for services in separate processes: `redis://user:password@host:6379`, `rediss://` with TLS.
    Empty: no Redis; then messages reach other processes when heads are compared, seconds late."""
    redis_url_file: Path | None = None
    """A file that contains the Redis URL, with its password."""

    @field_validator("service_key")
    @classmethod
    def _check_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key and (problem := _key_problem(key.get_secret_value())):
            raise ValueError(problem)
        return key

    def allowed_hosts(self) -> AllowedHosts:
        """The names that requests may be addressed to; if it listens on all interfaces, this machine's name as well."""
        bound = socket.gethostname() if self.host in {"0.0.0.0", "::"} else self.host  # noqa: S104 - compared, not bound
        return AllowedHosts([bound, self.domain, *self.hosts.split(",")])

    def callers(self, service: ServiceName) -> CallerKeys:
        """The keys of the services that may call this one, and its own for commands; raises `OperatorError`."""
        digests = _secret(SecretStr(self.caller_keys), self.caller_keys_file, "caller_keys_file")
        if not digests:
            return CallerKeys.shared(self.own_key())
        try:
            return CallerKeys.parse(digests).with_key(service, self.own_key())
        except ValueError as problem:
            raise OperatorError(f"{self.caller_keys_file}: {problem}") from None

    def own_key(self) -> str:
        """The service key, which separate processes need; raises `OperatorError` if it is missing or invalid."""
        key = _secret(self.service_key, self.service_key_file, "service_key_file")
        if not key:
            raise OperatorError(
                f"set {PREFIX}SERVICE_KEY to this service's key, at least {SERVICE_KEY_CHARS} characters, "
                f"or {PREFIX}SERVICE_KEY_FILE to a file that contains it"
            )
        if problem := _key_problem(key):
            raise OperatorError(f"{self.service_key_file}: {problem}")
        return key

    def redis(self) -> str:
        """The Redis URL, or an empty string; raises `OperatorError` if its file can't be read."""
        return _secret(self.redis_url, self.redis_url_file, "redis_url_file")


class EncryptionSettings(Settings):
    """Settings of the processes that need to know which conversations are encrypted."""

    encryption: EncryptionPolicy = DEFAULT_POLICY
    """Which conversations are end-to-end encrypted: `off` (none), `allowed` (those that are begun so), `direct` (all
    new direct conversations; earlier ones that are not encrypted take no new messages) or `private` (as `direct`, and
    all new private rooms). The same for history and gateways."""


def _key_problem(key: str) -> str:
    """Why this is not a valid service key; empty if it is."""
    if len(key) < SERVICE_KEY_CHARS:
        return f"a service key must have at least {SERVICE_KEY_CHARS} characters, not {len(key)}"
    return "" if key.isascii() and key.isprintable() else "a service key must be one line of printable ASCII characters"


def _secret(value: SecretStr | None, file: Path | None, setting: str) -> str:
    """The value of a secret setting, or else the content of its file; empty if neither is set."""
    if value is not None and value.get_secret_value():
        return value.get_secret_value()
    if file is None:
        return ""
    try:
        content = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "not text"
        raise OperatorError(f"can't read {file} ({reason}); check {PREFIX}{setting.upper()}") from None
    if not content:
        raise OperatorError(f"{file} is empty; {PREFIX}{setting.upper()} must name a file that contains the secret")
    return content


def _explain_and_exit(problem: ValidationError) -> NoReturn:
    for error in problem.errors():
        variable = PREFIX + "_".join(map(str, error["loc"])).upper()
        sys.stderr.write(f"chatterbox: {variable}: {error['msg'].removeprefix('Value error, ')}\n")
    raise SystemExit(2)


MAX_LIMIT = 1_000_000_000
"""Upper bound of all limits, which clients can represent exactly."""


class LimitSettings(Environment):
    """Limits that an operator may change; defaults and meaning are in `chatterbox.wire.limits`."""

    sends_per_s: float = Field(Limits().sends_per_s, gt=0, le=MAX_LIMIT)
    """Messages per second that one user may send in the long run."""
    sends_burst: int = Field(Limits().sends_burst, ge=1, le=MAX_LIMIT)
    """Messages that one user may send at once."""
    commands_per_s: float = Field(Limits().commands_per_s, gt=0, le=MAX_LIMIT)
    """Commands per second on one connection in the long run."""
    commands_burst: int = Field(Limits().commands_burst, ge=1, le=MAX_LIMIT)
    """Commands at once on one connection."""
    changes_per_s: float = Field(Limits().changes_per_s, gt=0, le=MAX_LIMIT)
    """Joins, leaves, topics, invitations and new rooms per second by one user in the long run."""
    changes_burst: int = Field(Limits().changes_burst, ge=1, le=MAX_LIMIT)
    """Such changes at once by one user."""
    rooms_per_day: int = Field(Limits().rooms_per_day, ge=1, le=MAX_LIMIT)
    """Rooms that one user may create at once, and per day in the long run."""
    directs_per_day: int = Field(Limits().directs_per_day, ge=1, le=MAX_LIMIT)
    """Direct conversations that one user may begin at once, and per day in the long run."""
    invitations_per_day: int = Field(Limits().invitations_per_day, ge=1, le=MAX_LIMIT)
    """Invitations that one user may send at once, and per day in the long run."""
    reads_per_s: float = Field(Limits().reads_per_s, gt=0, le=MAX_LIMIT)
    """Reads of pages, rooms and members per second by one user in the long run."""
    reads_burst: int = Field(Limits().reads_burst, ge=1, le=MAX_LIMIT)
    """Reads at once by one user."""
    listings_per_s: float = Field(Limits().listings_per_s, gt=0, le=MAX_LIMIT)
    """Pages of the room list per second for one user in the long run."""
    listings_burst: int = Field(Limits().listings_burst, ge=1, le=MAX_LIMIT)
    """Pages of the room list at once for one user."""
    requests_per_s: float = Field(Limits().requests_per_s, gt=0, le=MAX_LIMIT)
    """HTTP requests per second from one network address (IPv6: from one /64) in the long run."""
    requests_burst: int = Field(Limits().requests_burst, ge=1, le=MAX_LIMIT)
    """HTTP requests at once from one network address."""
    connections_per_user: int = Field(Limits().connections_per_user, ge=1, le=MAX_LIMIT)
    """Live connections of one user."""
    connections_per_address: int = Field(Limits().connections_per_address, ge=1, le=MAX_LIMIT)
    """Live connections from one network address (IPv6: from one /64), and as many HTTP connections besides."""
    rooms_per_user: int = Field(Limits().rooms_per_user, ge=1, le=MAX_LIMIT)
    """Rooms that one user may be a member of."""
    directs_per_user: int = Field(Limits().directs_per_user, ge=1, le=MAX_LIMIT)
    """Direct conversations of one user, besides the rooms."""

    def limits(self) -> Limits:
        """The limits as sent to clients."""
        return Limits(**{name: getattr(self, name) for name in LimitSettings.model_fields})
