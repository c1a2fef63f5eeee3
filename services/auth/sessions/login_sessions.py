"""Login sessions: start them, renew their tokens, list and end them.

The end of a session is committed first and published afterwards. If the broker loses it, the other services learn of
it when they next fetch the revocations.
"""

import logging
import secrets
from collections.abc import Callable, Sequence
from typing import NamedTuple

from chatterbox.chassis.broker import Broker, BrokerError
from chatterbox.chassis.core.rate_limiter import RateLimiter
from chatterbox.chassis.deadlines import deadline
from chatterbox.wire.auth_api import Claims, Revocations, is_expired
from chatterbox.wire.broker_events import CONTROL, SessionRevoked, encode_control
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.rate_limits import RENEWALS
from services.auth.auth_database import AuthDatabase
from services.auth.metrics import AuthMetrics
from services.auth.sessions import session_table
from services.auth.sessions.session_table import EndedSession, SessionRow, SessionTable
from services.auth.sessions.signing_keys import KeyRing
from services.auth.settings import AuthSettings
from services.auth.users.user_table import UserRow

log = logging.getLogger("chatterbox.login_sessions")

PUBLISH_S = 2.0
"""How long a logout waits for the broker (seconds)."""
REVOCATIONS_PER_PAGE = 20_000
"""Revocations in one response: 0.7 MB, which is read or written in a few milliseconds."""
_USER_AGENT_CHARS = 200


class IssuedToken(NamedTuple):
    """A signed token, its claims, and how long it is valid (seconds)."""

    token: str
    claims: Claims
    expires_in_s: int


class LoginSessions:
    """The rules of login sessions."""

    def __init__(
        self,
        settings: AuthSettings,
        database: AuthDatabase,
        key_ring: KeyRing,
        broker: Broker,
        now_s: Callable[[], float],
        clock: Callable[[], float],
        metrics: AuthMetrics | None = None,
    ) -> None:
        """`now_s` is seconds since 1970; `clock` is monotonic seconds, for the limit of renewals."""
        self._settings = settings
        self._database = database
        self._table = SessionTable(database)
        self._key_ring = key_ring
        self._broker = broker
        self._now_s = now_s
        self._clock = clock
        self._renewals: RateLimiter[str] = RateLimiter(
            RENEWALS.bound._replace(burst=settings.renewals_burst, amount=settings.renewals_per_hour)
        )
        self._metrics = metrics or AuthMetrics()
        self._epoch = secrets.token_hex(8)

    async def begin(self, user: UserRow, user_agent: str, address: str) -> IssuedToken:
        """Start a session; raises `credentials_invalid` if the user was banned or changed password just now."""
        now_s = int(self._now_s())
        valid_s = min(self._settings.token_s, self._settings.session_max_s)
        session = SessionRow(
            sid=secrets.token_hex(16),
            created_s=now_s,
            used_s=now_s,
            expires_s=now_s + valid_s,
            user_agent=_printable(user_agent),
            address=address,
        )
        async with self._database.transaction() as transaction:
            if not await session_table.begin(transaction, user, session):
                raise ChatError(Code.CREDENTIALS_INVALID)
            keep = self._settings.sessions_per_user
            ended = await session_table.end_oldest(transaction, user.user_id, now_s, keep=keep)
        self._metrics.sessions_opened.inc()
        log.info("session.opened", extra={"user_id": user.user_id, "session": session.sid, "address": address})
        await self.publish_ended(ended)
        return self._issue(str(user.user_id), user.username, session.sid, now_s, session.expires_s)

    async def renew(self, claims: Claims, address: str) -> IssuedToken:
        """A new token for the same session; the old one, which may have expired, stays as it is.

        Raises `session_ended` or `rate_limited`.
        """
        if (wait_s := self._renewals.take(claims.sub, self._clock())) > 0:
            detail = f"Too many token renewals: {self._renewals} for one user. Use the token that you have."
            raise ChatError(Code.RATE_LIMITED, detail, retry_after_s=wait_s)
        now_s = int(self._now_s())
        async with self._database.transaction() as transaction:
            expires_s = await session_table.extend(
                transaction,
                claims.sid,
                address,
                now_s,
                token_s=self._settings.token_s,
                session_max_s=self._settings.session_max_s,
            )
        if expires_s is None:
            raise ChatError(Code.SESSION_ENDED)
        return self._issue(claims.sub, claims.name, claims.sid, now_s, expires_s)

    async def require_active(self, claims: Claims) -> None:
        """Raise `session_ended` unless the session of these verified claims is active."""
        if not await self._table.is_active(claims.sid):
            raise ChatError(Code.SESSION_ENDED)

    async def of_user(self, user_id: int) -> list[SessionRow]:
        """The user's active sessions, newest first."""
        now_s = int(self._now_s())
        return [row for row in await self._table.of_user(user_id, now_s) if self._is_active(row, now_s)]

    def _is_active(self, session: SessionRow, now_s: int) -> bool:
        """Whether its last token is valid, or can be renewed."""
        return not is_expired(session.expires_s, now_s) or now_s < self.ends_s(session)

    def ends_s(self, session: SessionRow) -> int:
        """When the session ends, however often its token is renewed (seconds since 1970)."""
        return session.created_s + self._settings.session_max_s

    async def revocations(self, epoch: str, since: int) -> Revocations:
        """The revocations after number `since` of `epoch`, or from the first one if that is not our epoch."""
        since = since if epoch == self._epoch else 0
        page = await self._table.revoked(since, int(self._now_s()), limit=REVOCATIONS_PER_PAGE)
        is_last = len(page.sids) < REVOCATIONS_PER_PAGE
        return Revocations(self._epoch, since if page.upto is None else page.upto, is_last, page.sids)

    async def end(self, user_id: int, sid: str) -> None:
        """End one session of this user; raises `session_unknown`."""
        now_s = int(self._now_s())
        ended = await self._database.urgent(lambda transaction: session_table.end(transaction, user_id, sid, now_s))
        if not ended:
            raise ChatError(Code.SESSION_UNKNOWN)
        await self.publish_ended(ended)

    async def end_all(self, user_id: int) -> None:
        now_s = int(self._now_s())
        ended = await self._database.urgent(lambda transaction: session_table.end_all(transaction, user_id, now_s))
        await self.publish_ended(ended)

    async def delete_expired(self) -> None:
        await self._table.delete_expired(int(self._now_s()))

    async def publish_ended(self, ended: Sequence[EndedSession]) -> None:
        """Publish sessions whose end is committed; a broker failure is logged, not raised."""
        if not ended:
            return
        self._metrics.sessions_ended.inc(len(ended))
        for session in ended:
            log.info("session.ended", extra={"session": session.sid})
        events = [SessionRevoked(session.sid, session.expires_s) for session in ended]
        try:
            async with deadline(PUBLISH_S):
                await self._broker.publish([(CONTROL, encode_control(event)) for event in events])
        except (BrokerError, TimeoutError) as problem:
            self._metrics.revocations_unpublished.inc(len(ended))
            log.warning("revocation.publish_failed", extra={"sessions": len(ended), "why": str(problem) or "timeout"})

    def _issue(self, sub: str, name: str, sid: str, now_s: int, expires_s: int) -> IssuedToken:
        claims = Claims(sub=sub, name=name, sid=sid, jti=secrets.token_hex(16), iat=now_s, exp=expires_s)
        return IssuedToken(self._key_ring.signing_key().sign(claims), claims, expires_s - now_s)


def _printable(user_agent: str) -> str:
    """The header as it is stored: cut off, with control characters replaced, so that it is safe to display."""
    return "".join(character if character.isprintable() else "?" for character in user_agent[:_USER_AGENT_CHARS])
