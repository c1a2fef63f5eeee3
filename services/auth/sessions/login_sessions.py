"""What one can do with a login session: begin it, renew its token, look at one's sessions, end them.

An end is committed first and announced after. An announcement that gets lost delays others at most until they ask
for the revocations anew.
"""

import logging
import secrets
from collections.abc import Callable, Sequence
from typing import NamedTuple

from chatterbox.chassis.broker import Broker, BrokerError
from chatterbox.chassis.deadlines import deadline
from chatterbox.wire.auth_api import Claims, Revocation
from chatterbox.wire.broker_events import CONTROL, SessionRevoked, encode_control
from chatterbox.wire.errors import ChatError, Code
from services.auth.auth_database import AuthDatabase
from services.auth.metrics import AuthMetrics
from services.auth.sessions import session_table
from services.auth.sessions.session_table import SessionRow, SessionTable
from services.auth.sessions.signing_keys import KeyRing
from services.auth.settings import AuthSettings
from services.auth.users.user_table import UserRow

log = logging.getLogger("chatterbox.login_sessions")

ANNOUNCE_S = 2.0
"""Nobody's logout waits longer for the broker (seconds)."""
_USER_AGENT_CHARS = 200


class IssuedToken(NamedTuple):
    """A token, the claims that it makes, and the seconds that it is valid for."""

    token: str
    claims: Claims
    expires_in: int


class LoginSessions:
    """The rules of login sessions."""

    def __init__(
        self,
        settings: AuthSettings,
        database: AuthDatabase,
        ring: KeyRing,
        broker: Broker,
        now_s: Callable[[], float],
        metrics: AuthMetrics | None = None,
    ) -> None:
        self._settings = settings
        self._database = database
        self._sessions = SessionTable(database)
        self._ring = ring
        self._broker = broker
        self._now_s = now_s
        self._metrics = metrics or AuthMetrics()

    async def begin(self, user: UserRow, user_agent: str) -> IssuedToken:
        """A new session; raises `credentials_invalid` if the user was banned, or changed password, a moment ago."""
        now_s = int(self._now_s())
        lasts_s = min(self._settings.token_s, self._settings.session_max_s)
        session = SessionRow(secrets.token_hex(16), now_s, now_s + lasts_s, _inert(user_agent))
        async with self._database.transaction() as transaction:
            if not await session_table.begin(transaction, user, session):
                raise ChatError(Code.CREDENTIALS_INVALID)
            keep = self._settings.sessions_per_user
            ended = await session_table.end_oldest(transaction, user.user_id, now_s, keep=keep)
        self._metrics.sessions_opened.inc()
        log.info("session.opened", extra={"user_id": user.user_id, "session": session.sid})
        await self.announce(ended)
        return self._issue(str(user.user_id), user.username, session.sid, now_s, session.expires)

    async def renew(self, claims: Claims) -> IssuedToken:
        """A later token of the same session; the older one stays valid. Raises `session_ended` or `token_expired`."""
        now_s = int(self._now_s())
        async with self._database.transaction() as transaction:
            expires = await session_table.prolong(
                transaction, claims.sid, now_s, self._settings.token_s, self._settings.session_max_s
            )
        if expires is None:
            raise ChatError(Code.SESSION_ENDED)
        if expires <= now_s:
            raise ChatError(Code.TOKEN_EXPIRED)
        return self._issue(claims.sub, claims.name, claims.sid, now_s, expires)

    async def require_live(self, claims: Claims) -> None:
        """Raise `session_ended` unless the session of these verified claims goes on."""
        if not await self._sessions.is_live(claims.sid):
            raise ChatError(Code.SESSION_ENDED)

    async def of_user(self, user_id: int) -> list[SessionRow]:
        return await self._sessions.of_user(user_id, int(self._now_s()))

    async def revoked(self) -> list[Revocation]:
        return await self._sessions.revoked(int(self._now_s()))

    async def end(self, user_id: int, sid: str) -> None:
        """End one session of this user; raises `session_unknown`."""
        now_s = int(self._now_s())
        ended = await self._database.protect(lambda transaction: session_table.end(transaction, user_id, sid, now_s))
        if not ended:
            raise ChatError(Code.SESSION_UNKNOWN)
        await self.announce(ended)

    async def end_all(self, user_id: int) -> None:
        now_s = int(self._now_s())
        ended = await self._database.protect(lambda transaction: session_table.end_all(transaction, user_id, now_s))
        await self.announce(ended)

    async def forget_expired(self) -> None:
        await self._sessions.forget_expired(int(self._now_s()))

    async def announce(self, ended: Sequence[Revocation]) -> None:
        """Tell everyone of sessions that have ended; the database says so already."""
        if not ended:
            return
        self._metrics.sessions_ended.inc(len(ended))
        for revocation in ended:
            log.info("session.ended", extra={"session": revocation.sid})
        try:
            async with deadline(ANNOUNCE_S):
                await self._broker.publish(
                    [(CONTROL, encode_control(SessionRevoked(sid, end))) for sid, end in _pairs(ended)]
                )
        except (BrokerError, TimeoutError) as problem:
            self._metrics.unannounced.inc(len(ended))
            log.warning("revocation.publish_failed", extra={"sessions": len(ended), "why": str(problem) or "timeout"})

    def _issue(self, sub: str, name: str, sid: str, now_s: int, expires: int) -> IssuedToken:
        claims = Claims(sub=sub, name=name, sid=sid, jti=secrets.token_hex(16), iat=now_s, exp=expires)
        return IssuedToken(self._ring.signing().sign(claims), claims, expires - now_s)


def _pairs(ended: Sequence[Revocation]) -> list[tuple[str, int]]:
    return [(revocation.sid, revocation.expires) for revocation in ended]


def _inert(user_agent: str) -> str:
    """What a stranger's program calls itself, safe to show."""
    return "".join(character if character.isprintable() else "?" for character in user_agent[:_USER_AGENT_CHARS])
