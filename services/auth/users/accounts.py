"""Accounts: registration, password check at login, password change, bans."""

import contextlib
import logging
from collections.abc import Callable

from chatterbox.chassis.sqlite.write_connection import Transaction
from chatterbox.wire.auth_api import Revocation
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.text_rules import USERNAME_MAX_TYPED
from services.auth.auth_database import AuthDatabase
from services.auth.metrics import AuthMetrics, AuthOutcome
from services.auth.rules import password_policy, username_policy
from services.auth.rules.invitations import InvitationCode, read_code
from services.auth.rules.login_throttle import AddressRateLimit, BackoffPolicy, LoginThrottle
from services.auth.sessions import session_table
from services.auth.settings import AuthSettings
from services.auth.users import user_table
from services.auth.users.invitation_key import invitation_key
from services.auth.users.password_hasher import PasswordHasher
from services.auth.users.user_table import UserRow, UserTable

log = logging.getLogger("chatterbox.accounts")


def login_throttle(settings: AuthSettings) -> LoginThrottle:
    """The login throttle with the configured limits."""
    return LoginThrottle(
        account_from_address=BackoffPolicy(settings.login_failures, settings.login_wait_max_s, forgive_s=600),
        account=BackoffPolicy(settings.account_failures, wait_max_s=60, forgive_s=60),
        address=BackoffPolicy(settings.address_failures, wait_max_s=60, forgive_s=60),
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
        self._throttle = login_throttle(settings)
        self._registrations = AddressRateLimit(settings.registrations_burst, settings.registrations_per_hour / 3600)

    async def register(self, username: str, password: str, address: str, code: str = "") -> None:
        """Create a user, with an invitation code if registration is by invitation.

        Raises `registration_closed`, `invitation_invalid`, `username_...`, `password_invalid` or `rate_limited`.
        """
        if self._settings.registration == "closed":
            raise ChatError(Code.REGISTRATION_CLOSED)
        name = username_policy.check(username)
        password_policy.check(password, name.display)
        if (wait_s := self._registrations.take(address, self._clock())) > 0:
            raise ChatError(Code.RATE_LIMITED, retry_after_s=wait_s)
        invitation = self._invitation(code) if self._settings.registration == "invite" else None
        if await self._users.is_taken(name):
            raise ChatError(Code.USERNAME_TAKEN)
        hashed = await self._hasher.hash(password)
        user_id = await self._users.add(name, hashed, int(self._now_s()), invitation)
        self._metrics.registrations.inc()
        log.info("user.registered", extra={"user_id": user_id, "address": address})

    def _invitation(self, code: str) -> InvitationCode:
        invitation = read_code(invitation_key(self._settings.data), code, self._now_s())
        if invitation is None:
            raise ChatError(Code.INVITATION_INVALID)
        return invitation

    async def authenticate(self, username: str, password: str, address: str) -> UserRow:
        """The user with these credentials; raises `credentials_invalid` or `login_throttled`."""
        user = await self._users.by_name(username)
        account = username_policy.folded(username[:USERNAME_MAX_TYPED])
        await self._check_password(user, password, account, address)
        if user is None:
            raise ChatError(Code.CREDENTIALS_INVALID)
        return user

    async def change_password(self, user_id: int, sid: str, old: str, new: str, address: str) -> list[Revocation]:
        """Set a new password and end the user's other sessions; returns those.

        Raises `password_invalid`, `credentials_invalid` or `login_throttled`.
        """
        user = await self._users.by_id(user_id)
        if user is None:
            raise ChatError(Code.SESSION_ENDED)
        password_policy.check(new, user.username)
        await self._check_password(user, old, username_policy.folded(user.username), address)
        hashed = await self._hasher.hash(new)

        async def change(transaction: Transaction) -> list[Revocation]:
            if not await user_table.set_password(transaction, user, hashed):
                raise ChatError(Code.CREDENTIALS_INVALID)
            return await session_table.end_all(transaction, user_id, int(self._now_s()), keep_sid=sid)

        ended = await self._database.urgent(change)
        log.info("password.changed", extra={"user_id": user_id, "sessions_ended": len(ended)})
        return ended

    async def set_banned(self, username: str, *, banned: bool) -> tuple[UserRow, list[Revocation]]:
        """Ban a user and end all sessions, or lift the ban; returns the user and the ended sessions.

        Raises `user_unknown`.
        """
        user = await self._users.by_name(username)
        if user is None:
            raise ChatError(Code.USER_UNKNOWN)
        now_s = int(self._now_s())

        async def change(transaction: Transaction) -> list[Revocation]:
            await user_table.set_banned(transaction, user, now_s if banned else None)
            return await session_table.end_all(transaction, user.user_id, now_s) if banned else []

        ended = await self._database.urgent(change)
        log.info("user.banned" if banned else "user.unbanned", extra={"user_id": user.user_id})
        return user, ended

    async def _check_password(self, user: UserRow | None, password: str, account: str, address: str) -> None:
        wait_s = self._throttle.wait_s(account, address, self._clock())
        if wait_s > 0:
            self._metrics.logins.inc(AuthOutcome.THROTTLED)
            log.info("login.throttled", extra={"user_id": user and user.user_id, "address": address})
            raise ChatError(Code.LOGIN_THROTTLED, retry_after_s=wait_s)
        self._throttle.begin(account, address, self._clock())
        if not await self._is_right(user, password):
            self._throttle.fail(account, address, self._clock())
            self._metrics.logins.inc(AuthOutcome.WRONG)
            log.info("login.failed", extra={"user_id": user and user.user_id, "address": address})
            raise ChatError(Code.CREDENTIALS_INVALID)
        self._throttle.succeed(account, address)
        self._metrics.logins.inc(AuthOutcome.RIGHT)

    async def _is_right(self, user: UserRow | None, password: str) -> bool:
        if not password_policy.has_valid_length(password):
            return False
        result = await self._hasher.verify(password, user.hashed_password if user else None)
        if user is None or user.banned or not result.is_right:
            return False
        if result.new_hash is not None:
            with contextlib.suppress(ChatError):  # login must not fail because the new hash can't be stored
                await self._users.rehash(user, result.new_hash)
        return True
