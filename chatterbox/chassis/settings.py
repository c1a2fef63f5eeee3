"""Settings: read once, from the environment, by a `__main__`; frozen, handed down, documented where declared."""

import sys
from pathlib import Path
from typing import Annotated, NoReturn, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from chatterbox.chassis.operator_errors import OperatorError
from chatterbox.wire.limits import Limits

PREFIX = "CHATTERBOX_"
SERVICE_KEY_CHARS = 32


def _url(given: str) -> str:
    try:
        parts = urlsplit(given)
        if parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0 and parts.path in {"", "/"}:
            return given
    except ValueError:
        pass
    raise ValueError(f"must look like http://127.0.0.1:8001, not {given!r}")


ServiceUrl = Annotated[str, AfterValidator(_url)]
"""Where another service answers."""


class Environment(BaseSettings):
    """Settings that the environment gives. A field `port` is set by the variable `CHATTERBOX_PORT`."""

    model_config = SettingsConfigDict(
        allow_inf_nan=False, env_prefix=PREFIX, frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    @classmethod
    def from_environment(cls) -> Self:
        """Read the environment; on a wrong value say which variable and why, and exit with status 2."""
        try:
            return cls()
        except ValidationError as problem:
            _explain_and_exit(problem)


class Settings(Environment):
    """What every process is told."""

    host: str = "127.0.0.1"
    """The address to listen on; `0.0.0.0` for every network this machine is on."""
    port: int = Field(8000, ge=0, le=65535)
    """The port to listen on; 0 takes a free one."""
    data: Path = Path("data")
    """The folder for databases and keys; made if missing, readable by its owner only."""
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$")
    """How much is logged: debug, info, warning or error."""
    log_json: bool = False
    """Log one JSON object a line instead of text."""
    drain_s: float = Field(3, ge=0, le=300)
    """Seconds over which connections are asked to move when the process is told to stop."""
    service_key: SecretStr | None = None
    """What services show each other: at least 32 characters, the same for all of them. One process makes its own."""
    service_key_file: Path | None = None
    """A file that holds the service key; for secrets that are mounted into containers."""
    redis_url: SecretStr = SecretStr("")
    """Where Redis is, for services that run apart: `redis://user:password@host:6379`, `rediss://` with TLS. Empty: no
    Redis; then messages reach other processes when heads are compared, seconds late."""
    redis_url_file: Path | None = None
    """A file that holds the URL of Redis, with its password."""

    @field_validator("service_key")
    @classmethod
    def _key_will_do(cls, given: SecretStr | None) -> SecretStr | None:
        if given and (problem := _unfit(given.get_secret_value())):
            raise ValueError(problem)
        return given

    def shared_key(self) -> str:
        """The key that services show each other, for those that run apart; raises `OperatorError` without one."""
        key = _secret(self.service_key, self.service_key_file, "service_key_file")
        if not key:
            raise OperatorError(
                f"set {PREFIX}SERVICE_KEY to the key that all services share, at least {SERVICE_KEY_CHARS} characters, "
                f"or {PREFIX}SERVICE_KEY_FILE to a file that holds it"
            )
        if problem := _unfit(key):
            raise OperatorError(f"{self.service_key_file}: {problem}")
        return key

    def redis(self) -> str:
        """The URL of Redis, or nothing; raises `OperatorError` where the file can't be read."""
        return _secret(self.redis_url, self.redis_url_file, "redis_url_file")


def _unfit(key: str) -> str:
    """Why this can't be a service key; nothing if it can."""
    if len(key) < SERVICE_KEY_CHARS:
        return f"a service key has at least {SERVICE_KEY_CHARS} characters, this one {len(key)}"
    return "" if key.isascii() and key.isprintable() else "a service key is one line of ASCII characters"


def _secret(given: SecretStr | None, file: Path | None, setting: str) -> str:
    """A secret that was given itself, or else stands in a file."""
    if given is not None and given.get_secret_value():
        return given.get_secret_value()
    if file is None:
        return ""
    try:
        held = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as problem:
        why = problem.strerror if isinstance(problem, OSError) else "not text"
        raise OperatorError(f"can't read {file} ({why}); check {PREFIX}{setting.upper()}") from None
    if not held:
        raise OperatorError(f"{file} is empty; {PREFIX}{setting.upper()} must name a file that holds the secret")
    return held


def _explain_and_exit(problem: ValidationError) -> NoReturn:
    for error in problem.errors():
        variable = PREFIX + "_".join(map(str, error["loc"])).upper()
        sys.stderr.write(f"chatterbox: {variable}: {error['msg'].removeprefix('Value error, ')}\n")
    raise SystemExit(2)


MOST = 1_000_000_000
"""More is no limit, and clients could not read it."""


class LimitSettings(Environment):
    """The limits that an operator may set; `chatterbox.wire.limits` has the defaults and what they mean."""

    sends_per_s: float = Field(Limits().sends_per_s, gt=0, le=MOST)
    """Messages a second that one user may send in the long run."""
    sends_burst: int = Field(Limits().sends_burst, ge=1, le=MOST)
    """Messages that one user may send at once."""
    commands_per_s: float = Field(Limits().commands_per_s, gt=0, le=MOST)
    """Commands a second on one connection in the long run."""
    commands_burst: int = Field(Limits().commands_burst, ge=1, le=MOST)
    """Commands at once on one connection."""
    connections_per_user: int = Field(Limits().connections_per_user, ge=1, le=MOST)
    """Live connections of one user."""
    connections_per_address: int = Field(Limits().connections_per_address, ge=1, le=MOST)
    """Live connections from one network address."""
    rooms_per_user: int = Field(Limits().rooms_per_user, ge=1, le=MOST)
    """Rooms that one user may be a member of."""

    def limits(self) -> Limits:
        """The limits as they are told to clients."""
        return Limits(**{name: getattr(self, name) for name in LimitSettings.model_fields})
