"""Auth's settings."""

from typing import Literal

from pydantic import Field

from chatterbox.chassis.settings import Settings
from chatterbox.wire import auth_api, rate_limits


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
    login_failures: int = Field(rate_limits.WRONG_PASSWORDS.bound.free, ge=1)
    """Wrong passwords for one account from one address before each further one adds a wait, which doubles each time."""
    login_wait_max_s: float = Field(rate_limits.WRONG_PASSWORDS.bound.wait_max_s, gt=0)
    """The longest such wait (seconds)."""
    account_failures: int = Field(rate_limits.WRONG_PASSWORDS_OF_ACCOUNT.bound.free, ge=1)
    """Wrong passwords for one account from all addresses before new addresses must wait, a minute at most."""
    address_failures: int = Field(rate_limits.WRONG_PASSWORDS_FROM_ADDRESS.bound.free, ge=1)
    """Wrong passwords from one address for all accounts before it must wait, a minute at most."""
    logins_burst: int = Field(rate_limits.LOGINS.bound.burst, ge=1)
    """Logins at once to one account, with a right or a wrong password; password changes count as logins."""
    logins_per_hour: float = Field(rate_limits.LOGINS.bound.amount, gt=0)
    """Logins per hour to one account in the long run."""
    address_logins_burst: int = Field(rate_limits.LOGINS_FROM_ADDRESS.bound.burst, ge=1)
    """Logins at once from one address, to all accounts."""
    address_logins_per_hour: float = Field(rate_limits.LOGINS_FROM_ADDRESS.bound.amount, gt=0)
    """Logins per hour from one address in the long run."""
    renewals_burst: int = Field(rate_limits.RENEWALS.bound.burst, ge=1)
    """Token renewals at once by one user, over all sessions."""
    renewals_per_hour: float = Field(rate_limits.RENEWALS.bound.amount, gt=0)
    """Token renewals per hour by one user in the long run."""
    registration: Literal["open", "invite", "closed"] = "open"
    """Who may register: `open`: everyone. `invite`: holders of a code that `python -m services.auth invite` printed.
    `closed`: no one."""
    registrations_burst: int = Field(rate_limits.REGISTRATIONS.bound.burst, ge=1)
    """Registrations at once from one address."""
    registrations_per_hour: float = Field(rate_limits.REGISTRATIONS.bound.amount, gt=0)
    """Registrations per hour from one address in the long run."""
