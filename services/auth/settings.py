"""Auth's settings."""

from pydantic import Field

from chatterbox.chassis.settings import Settings
from chatterbox.wire import auth_api


class AuthSettings(Settings):
    """Settings of auth alone."""

    token_s: int = Field(auth_api.MAX_TOKEN_S, ge=1, le=auth_api.MAX_TOKEN_S)
    """How long a token is valid (seconds). Clients renew it before it expires, without a new login."""
    session_max_s: int = Field(2_592_000, ge=60, le=31_536_000)
    """Longest duration of a session, however often its token is renewed (seconds; default 30 days)."""
    sessions_per_user: int = Field(100, ge=1)
    """Login sessions of one user at a time; one login more ends the oldest."""
    hash_concurrency: int = Field(2, ge=1, le=64)
    """Passwords hashed in parallel, each on its own thread with 19 MiB of memory."""
    hash_waiting: int = Field(64, ge=0)
    """Passwords that may wait to be hashed; further logins are refused with `unavailable`."""
    login_failures: int = Field(5, ge=1)
    """Wrong passwords for one account from one address before each further one adds a wait, which doubles each time."""
    login_wait_max_s: float = Field(300, gt=0)
    """The longest such wait (seconds)."""
    account_failures: int = Field(30, ge=1)
    """Wrong passwords for one account from all addresses before new addresses must wait, a minute at most."""
    address_failures: int = Field(50, ge=1)
    """Wrong passwords from one address for all accounts before it must wait, a minute at most."""
    logins_burst: int = Field(100, ge=1)
    """Logins at once to one account, with a right or a wrong password; password changes count as logins."""
    logins_per_hour: float = Field(120, gt=0)
    """Logins per hour to one account in the long run."""
    address_logins_burst: int = Field(500, ge=1)
    """Logins at once from one address, to all accounts."""
    address_logins_per_hour: float = Field(3600, gt=0)
    """Logins per hour from one address in the long run."""
    renewals_burst: int = Field(200, ge=1)
    """Token renewals at once by one user, over all sessions."""
    renewals_per_hour: float = Field(3600, gt=0)
    """Token renewals per hour by one user in the long run."""
    registrations_burst: int = Field(50, ge=1)
    """Registrations at once from one address."""
    registrations_per_hour: float = Field(120, gt=0)
    """Registrations per hour from one address in the long run."""
    trusted_proxies: str = ""
    """Addresses of proxies whose `X-Forwarded-For` header is trusted, separated by commas."""
