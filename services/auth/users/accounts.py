"""What one can do with a username and a password: register, prove who one is, change the password."""

import contextlib
import logging
from collections.abc import Callable

from chatterbox.wire.auth_api import Revocation
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.text_rules import USERNAME_MAX_TYPED
from services.auth.auth_database import AuthDatabase, AuthTransaction
from services.auth.metrics import AuthMetrics, AuthOutcome
from services.auth.rules import password_policy, username_policy
from services.auth.rules.login_throttle import AddressRateLimit, BackoffPolicy, LoginThrottle
from services.auth.sessions import session_table
from services.auth.settings import AuthSettings
from services.auth.users import user_table
from services.auth.users.password_hasher import PasswordHasher
from services.auth.users.user_table import UserRow, UserTable

log = logging.getLogger("chatterbox.accounts")


def login_throttle(settings: AuthSettings) -> LoginThrottle:
    """The throttle that the settings describe."""
    return LoginThrottle(
        one=BackoffPolicy(settings.login_failures, settings.login_wait_max_s, forgive_s=600),
        account=BackoffPolicy(settings.account_failures, wait_max_s=60, forgive_s=60),
        address=BackoffPolicy(settings.address_failures, wait_max_s=60, forgive_s=60),
    )


class Accounts:
    """The rules of accounts. An unknown user and a wrong password can't be told apart, by answer or by time."""

    def __init__(
        self,
        settings: AuthSettings,
        database: AuthDatabase,
        users: UserTable,
        hasher: PasswordHasher,
        now_s: Callable[[], float],
        clock: Callable[[], float],
        metrics: AuthMetrics | None = None,
    ) -> None:
        """`now_s` is seconds since 1970, `clock` seconds that never jump: for how fast one may guess and register."""
        self._database = database
        self._users = users
        self._hasher = hasher
        self._now_s = now_s
        self._clock = clock
        self._metrics = metrics or AuthMetrics()
        self._throttle = login_throttle(settings)
        self._registrations = AddressRateLimit(settings.registrations_burst, settings.registrations_per_hour / 3600)

    async def register(self, username: str, password: str, address: str) -> None:
        """Make a user; raises `username_...`, `password_invalid` or `rate_limited`."""
        name = username_policy.check(username)
        password_policy.check(password, name.shown)
        if (wait_s := self._registrations.take(address, self._clock())) > 0:
            raise ChatError(Code.RATE_LIMITED, retry_after_s=wait_s)
        if await self._users.is_taken(name):
            raise ChatError(Code.USERNAME_TAKEN)
        hashed = await self._hasher.hash(password)
        user_id = await self._users.add(name, hashed, int(self._now_s()))
        self._metrics.registrations.inc()
        log.info("user.registered", extra={"user_id": user_id, "address": address})

    async def authenticate(self, username: str, password: str, address: str) -> UserRow:
        """Whose credentials these are; raises `credentials_invalid` or `login_throttled`."""
        user = await self._users.named(username)
        account = username_policy.folded(username[:USERNAME_MAX_TYPED])
        await self._prove(user, password, account, address)
        if user is None:
            raise ChatError(Code.CREDENTIALS_INVALID)
        return user

    async def change_password(self, user_id: int, sid: str, old: str, new: str, address: str) -> list[Revocation]:
        """Set a new password and end the user's other sessions; returns those.

        Raises `password_invalid`, `credentials_invalid` or `login_throttled`.
        """
        user = await self._users.numbered(user_id)
        if user is None:
            raise ChatError(Code.SESSION_ENDED)
        password_policy.check(new, user.username)
        await self._prove(user, old, username_policy.folded(user.username), address)
        hashed = await self._hasher.hash(new)

        async def change(transaction: AuthTransaction) -> list[Revocation]:
            if not await user_table.set_password(transaction, user, hashed):
                raise ChatError(Code.CREDENTIALS_INVALID)
            return await session_table.end_all(transaction, user_id, int(self._now_s()), but=sid)

        ended = await self._database.protect(change)
        log.info("password.changed", extra={"user_id": user_id, "sessions_ended": len(ended)})
        return ended

    async def ban(self, username: str, *, banned: bool) -> tuple[UserRow, list[Revocation]]:
        """Refuse this user's logins from now on, or allow them again; raises `user_unknown`. Also: what it ended."""
        user = await self._users.named(username)
        if user is None:
            raise ChatError(Code.USER_UNKNOWN)
        now_s = int(self._now_s())

        async def change(transaction: AuthTransaction) -> list[Revocation]:
            await user_table.set_banned(transaction, user, now_s if banned else None)
            return await session_table.end_all(transaction, user.user_id, now_s) if banned else []

        ended = await self._database.protect(change)
        log.info("user.banned" if banned else "user.unbanned", extra={"user_id": user.user_id})
        return user, ended

    async def _prove(self, user: UserRow | None, password: str, account: str, address: str) -> None:
        wait_s = self._throttle.wait_s(account, address, self._clock())
        if wait_s > 0:
            self._metrics.proofs.inc(AuthOutcome.THROTTLED)
            log.info("login.throttled", extra={"user_id": user and user.user_id, "address": address})
            raise ChatError(Code.LOGIN_THROTTLED, retry_after_s=wait_s)
        self._throttle.begin(account, address, self._clock())
        if not await self._is_right(user, password):
            self._throttle.fail(account, address, self._clock())
            self._metrics.proofs.inc(AuthOutcome.WRONG)
            log.info("login.failed", extra={"user_id": user and user.user_id, "address": address})
            raise ChatError(Code.CREDENTIALS_INVALID)
        self._throttle.succeed(account, address)
        self._metrics.proofs.inc(AuthOutcome.RIGHT)

    async def _is_right(self, user: UserRow | None, password: str) -> bool:
        if not password_policy.has_length(password):
            return False
        verdict = await self._hasher.verify(password, user.hashed_password if user else None)
        if user is None or user.banned or not verdict.right:
            return False
        if verdict.newer is not None:
            with contextlib.suppress(ChatError):  # a better hash can wait; a password change on a full disk can't
                await self._users.rehash(user, verdict.newer)
        return True
