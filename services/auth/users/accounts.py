"""Accounts: registration, password check at login, password change, bans."""

import asyncio
import contextlib
import logging
import math
from collections.abc import Awaitable, Callable

from chatterbox.chassis.core.rate_limiter import RateLimiter
from chatterbox.chassis.observability.rate_limited_log import RateLimitedLog
from chatterbox.chassis.sqlite.write_connection import Transaction
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.rate_limits import (
    LOGINS,
    LOGINS_FROM_ADDRESS,
    REGISTRATIONS,
    WRONG_PASSWORDS_FROM_ADDRESS,
    WRONG_PASSWORDS_OF_ACCOUNT,
)
from chatterbox.wire.text_rules import USERNAME_MAX_TYPED
from services.auth.auth_database import AuthDatabase
from services.auth.metrics import AuthMetrics, AuthOutcome
from services.auth.rules import password_policy, reset_codes, username_policy
from services.auth.rules.invitations import InvitationCode, read_code
from services.auth.rules.login_throttle import BackoffPolicy, LoginRate, LoginThrottle
from services.auth.sessions import session_table
from services.auth.sessions.session_table import EndedSession
from services.auth.settings import AuthSettings
from services.auth.users import user_table
from services.auth.users.code_keys import invitation_key, reset_key
from services.auth.users.password_hasher import PasswordHasher
from services.auth.users.user_table import UserRow, UserTable

log = logging.getLogger("chatterbox.accounts")


def login_throttle(settings: AuthSettings) -> LoginThrottle:
    """The login throttle with the configured limits."""
    return LoginThrottle(
        account_from_address=BackoffPolicy(settings.login_failures, settings.login_wait_max_s, forgive_s=600),
        account=BackoffPolicy(settings.account_failures, WRONG_PASSWORDS_OF_ACCOUNT.bound.wait_max_s, forgive_s=60),
        address=BackoffPolicy(settings.address_failures, WRONG_PASSWORDS_FROM_ADDRESS.bound.wait_max_s, forgive_s=60),
    )


def login_rate(settings: AuthSettings) -> LoginRate:
    """The limits of logins with the configured values."""
    return LoginRate(
        account=LOGINS.bound._replace(burst=settings.logins_burst, amount=settings.logins_per_hour),
        address=LOGINS_FROM_ADDRESS.bound._replace(
            burst=settings.address_logins_burst, amount=settings.address_logins_per_hour
        ),
    )


class Accounts:
    """The rules of accounts. Unknown users and wrong passwords get the same response in the same time."""

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
        """`now_s` is seconds since 1970; `clock` is monotonic seconds, for login throttle and registration limit."""
        self._settings = settings
        self._database = database
        self._users = users
        self._hasher = hasher
        self._now_s = now_s
        self._clock = clock
        self._metrics = metrics or AuthMetrics()
        self._failed_line = RateLimitedLog(log, "login.failed", logging.INFO, clock=clock)
        self._throttled_line = RateLimitedLog(log, "login.throttled", logging.INFO, clock=clock)
        self._throttle = login_throttle(settings)
        self._login_rate = login_rate(settings)
        self._outcomes = _Outcomes(settings.hash_waiting)
        self._registrations: RateLimiter[str] = RateLimiter(
            REGISTRATIONS.bound._replace(burst=settings.registrations_burst, amount=settings.registrations_per_hour),
            name=REGISTRATIONS.name,
        )

    async def register(self, username: str, password: str, address: str, code: str = "") -> None:
        """Create a user, with an invitation code if registration is by invitation.

        Raises `registration_closed`, `invitation_invalid`, `username_...`, `password_invalid` or `rate_limited`.
        """
        if self._settings.registration == "closed":
            raise ChatError(Code.REGISTRATION_CLOSED)
        name = username_policy.check(username)
        password_policy.check(password, name.display)
        self._registrations.spend(address, self._clock())
        invitation = self._invitation(code) if self._settings.registration == "invite" else None
        if await self._users.is_taken(name):
            raise ChatError(Code.USERNAME_TAKEN)
        hashed = await self._hasher.hash(password, address)
        user_id = await self._users.add(name, hashed, int(self._now_s()), invitation)
        self._metrics.registrations.inc()
        log.info("user.registered", extra={"user_id": user_id, "address": address})

    def _invitation(self, code: str) -> InvitationCode:
        invitation = read_code(invitation_key(self._settings.data), code, self._now_s())
        if invitation is None:
            raise ChatError(Code.INVITATION_INVALID)
        return invitation

    async def authenticate(self, username: str, password: str, address: str) -> UserRow:
        """The user with these credentials; raises `credentials_invalid`, `login_throttled` or `rate_limited`."""
        user = await self._users.by_name(username)
        account = username_policy.folded(username[:USERNAME_MAX_TYPED])
        is_right = await self._attempt(user, account, address, lambda: self._is_right(user, password, address))
        if user is None or not is_right:
            raise ChatError(Code.CREDENTIALS_INVALID)
        return user

    async def change_password(self, user_id: int, sid: str, old: str, new: str, address: str) -> list[EndedSession]:
        """Set a new password and end the user's other sessions; returns those.

        Raises `password_invalid`, `credentials_invalid`, `login_throttled` or `rate_limited`.
        """
        user = await self._users.by_id(user_id)
        if user is None:
            raise ChatError(Code.SESSION_ENDED)
        password_policy.check(new, user.username)
        account = username_policy.folded(user.username)
        if not await self._attempt(user, account, address, lambda: self._is_right(user, old, address)):
            raise ChatError(Code.CREDENTIALS_INVALID)
        ended = await self._set_password(user, new, address, keep_sid=sid)
        if ended is None:
            raise ChatError(Code.CREDENTIALS_INVALID)
        return ended

    async def reset_password(self, username: str, code: str, new: str, address: str) -> list[EndedSession]:
        """Set a new password with a reset code of the operator and end all sessions; returns those.

        Raises `password_invalid`, `reset_code_invalid`, `login_throttled` or `rate_limited`: attempts count as logins.
        """
        password_policy.check(new, username)
        user = await self._users.by_name(username)
        account = username_policy.folded(username[:USERNAME_MAX_TYPED])

        async def is_right() -> bool:
            return self._is_reset_code(user, code)

        if not await self._attempt(user, account, address, is_right) or user is None:
            raise ChatError(Code.RESET_CODE_INVALID)
        ended = await self._set_password(user, new, address)
        if ended is None:
            raise ChatError(Code.RESET_CODE_INVALID)
        return ended

    def _is_reset_code(self, user: UserRow | None, code: str) -> bool:
        """Unknown users take as long as others."""
        replaced = reset_codes.ReplacedPassword(*((user.user_id, user.password_number) if user else (0, 0)))
        is_valid = reset_codes.is_valid(reset_key(self._settings.data), code, replaced, self._now_s())
        return is_valid and user is not None and not user.banned

    async def _set_password(
        self, user: UserRow, new: str, address: str, *, keep_sid: str = ""
    ) -> list[EndedSession] | None:
        """Set the password and end the sessions except `keep_sid`; None if it was changed since `user` was read."""
        hashed = await self._hasher.hash(new, address)

        async def change(transaction: Transaction) -> list[EndedSession] | None:
            if not await user_table.set_password(transaction, user, hashed):
                return None
            return await session_table.end_all(transaction, user.user_id, int(self._now_s()), keep_sid=keep_sid)

        ended = await self._database.urgent(change)
        if ended is not None:
            log.info("password.changed", extra={"user_id": user.user_id, "sessions_ended": len(ended)})
        return ended

    async def set_banned(self, username: str, *, banned: bool) -> tuple[UserRow, list[EndedSession]]:
        """Ban a user and end all sessions, or lift the ban; returns the user and the ended sessions.

        Raises `user_unknown`.
        """
        user = await self._users.by_name(username)
        if user is None:
            raise ChatError(Code.USER_UNKNOWN)
        now_s = int(self._now_s())

        async def change(transaction: Transaction) -> list[EndedSession]:
            await user_table.set_banned(transaction, user, now_s if banned else None)
            return await session_table.end_all(transaction, user.user_id, now_s) if banned else []

        ended = await self._database.urgent(change)
        log.info("user.banned" if banned else "user.unbanned", extra={"user_id": user.user_id})
        return user, ended

    async def _attempt(
        self, user: UserRow | None, account: str, address: str, check: Callable[[], Awaitable[bool]]
    ) -> bool:
        """Run `check` of a secret, throttled and counted; returns whether it was right."""
        await self._begin_attempt(user, account, address)
        try:
            is_right = await check()
        except ChatError:  # it was not hashed
            self._throttle.withdraw(account, address)
            raise
        except BaseException:
            self._throttle.fail(account, address, self._clock())
            raise
        else:
            if is_right:
                self._throttle.succeed(account, address)
            else:
                self._throttle.fail(account, address, self._clock())
        finally:
            self._outcomes.notify()
        self._metrics.logins.inc(AuthOutcome.RIGHT if is_right else AuthOutcome.WRONG)
        if not is_right:
            self._failed_line.write(user_id=user and user.user_id, address=address)
        return is_right

    async def _begin_attempt(self, user: UserRow | None, account: str, address: str) -> None:
        """Start an attempt, after the outcomes of pending ones if they could use up the free failures."""
        while True:
            now_s = self._clock()
            if (wait_s := self._throttle.wait_s(account, address, now_s)) > 0:
                raise self._refusal(user, address, ChatError(Code.LOGIN_THROTTLED, retry_after_s=wait_s))
            if (wait_s := self._login_rate.wait_s(account, address, now_s)) > 0:
                detail = f"Too many logins: {self._login_rate}. Try again in {math.ceil(wait_s)} s."
                raise self._refusal(user, address, ChatError(Code.RATE_LIMITED, detail, retry_after_s=wait_s))
            if not self._throttle.must_await_outcome(account, address, now_s):
                break
            await self._outcomes.wait()
        self._throttle.begin(account, address, now_s)
        self._login_rate.count(account, address, now_s)

    def _refusal(self, user: UserRow | None, address: str, refusal: ChatError) -> ChatError:
        self._metrics.logins.inc(AuthOutcome.THROTTLED)
        self._throttled_line.write(user_id=user and user.user_id, address=address, code=refusal.code)
        return refusal

    async def _is_right(self, user: UserRow | None, password: str, address: str) -> bool:
        if not password_policy.is_checkable(password):
            return False
        result = await self._hasher.verify(password, user.hashed_password if user else None, address)
        if user is None or user.banned or not result.is_right:
            return False
        if result.new_hash is not None:
            with contextlib.suppress(ChatError):  # login must not fail because the new hash can't be stored
                await self._users.rehash(user, result.new_hash)
        return True


class _Outcomes:
    """Lets at most `limit` logins wait until the outcome of another one is known."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting = 0
        self._next = asyncio.Event()

    async def wait(self) -> None:
        """Return after the next outcome; raises `unavailable` when too many are waiting."""
        if self._waiting >= self._limit:
            raise ChatError(
                Code.UNAVAILABLE,
                f"More than {self._limit} logins are waiting for the outcome of others. Try again.",
                retry_after_s=1.0,
            )
        self._waiting += 1
        try:
            await self._next.wait()
        finally:
            self._waiting -= 1

    def notify(self) -> None:
        self._next.set()
        self._next = asyncio.Event()
