"""What auth is told."""

from pydantic import Field

from chatterbox.chassis.settings import Settings
from chatterbox.wire import auth_api


class AuthSettings(Settings):
    """Auth's own settings."""

    token_s: int = Field(auth_api.LONGEST_S, ge=1, le=auth_api.LONGEST_S)
    """Seconds that a token is valid; a client renews it before, without a new login."""
    session_max_s: int = Field(2_592_000, ge=60, le=31_536_000)
    """Seconds after which a session ends however often its token was renewed (30 days)."""
    sessions_per_user: int = Field(100, ge=1)
    """Login sessions that one user may have at once; a further login ends the oldest."""
    hash_concurrency: int = Field(2, ge=1, le=64)
    """Passwords hashed at once, each on a thread of its own with 19 MiB of memory."""
    hash_waiting: int = Field(64, ge=0)
    """Logins that may wait for their turn to be hashed; further ones are told `unavailable`."""
    login_failures: int = Field(5, ge=1)
    """Wrong passwords for one account from one address before each further one costs a wait, doubling each time."""
    login_wait_max_s: float = Field(300, gt=0)
    """The longest such wait (seconds)."""
    account_failures: int = Field(30, ge=1)
    """Wrong passwords for one account from all addresses before new addresses must wait, a minute at most."""
    address_failures: int = Field(50, ge=1)
    """Wrong passwords from one address for all accounts before it must wait, a minute at most."""
    registrations_burst: int = Field(50, ge=1)
    """Registrations at once from one address."""
    registrations_per_hour: float = Field(120, gt=0)
    """Registrations an hour from one address in the long run."""
    trusted_proxies: str = ""
    """Addresses of proxies whose `X-Forwarded-For` is believed, separated by commas."""
