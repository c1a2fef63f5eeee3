"""The table of login sessions. A session lives until its last token expires, or until it is revoked."""

from dataclasses import dataclass

from chatterbox.wire.auth_api import Revocation
from services.auth.auth_database import AuthDatabase, AuthTransaction
from services.auth.users.user_table import UserRow

AHEAD_S = 2 * 86_400
"""Our clock may be ahead by so much, for a while: no session is forgotten whose tokens are valid by the right one."""


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A row; times in seconds since 1970."""

    sid: str
    created: int
    expires: int
    user_agent: str


class SessionTable:
    """Reads sessions, and forgets those that are over."""

    def __init__(self, database: AuthDatabase) -> None:
        self._database = database

    async def is_live(self, sid: str) -> bool:
        return bool(await self._database.read("SELECT 1 FROM sessions WHERE id = ? AND revoked IS NULL", sid))

    async def of_user(self, user_id: int, now_s: int) -> list[SessionRow]:
        """The user's sessions that live, newest first."""
        query = (
            "SELECT id, created, expires, user_agent FROM sessions"
            " WHERE user_id = ? AND revoked IS NULL AND expires > ? ORDER BY created DESC, id"
        )
        return [SessionRow(*row) for row in await self._database.read(query, user_id, now_s)]

    async def revoked(self, now_s: int) -> list[Revocation]:
        """The revoked sessions with a token that could still be shown to somebody, whose clock may be behind ours."""
        query = "SELECT id, expires FROM sessions WHERE revoked IS NOT NULL AND expires > ?"
        return [Revocation(*row) for row in await self._database.read(query, now_s - AHEAD_S)]

    async def forget_expired(self, now_s: int) -> None:
        async with self._database.transaction() as transaction:
            await transaction.run("DELETE FROM sessions WHERE expires <= ?", now_s - AHEAD_S)


async def begin(transaction: AuthTransaction, user: UserRow, session: SessionRow) -> bool:
    """Whether it was begun: not if the user was banned, or got another password, since `user` was read."""
    return bool(
        await transaction.run(
            "INSERT INTO sessions (id, user_id, created, expires, user_agent) SELECT ?, id, ?, ?, ? FROM users"
            " WHERE id = ? AND password_number = ? AND banned IS NULL RETURNING id",
            *(session.sid, session.created, session.expires, session.user_agent),
            *(user.user_id, user.password_number),
        )
    )


async def prolong(transaction: AuthTransaction, sid: str, now_s: int, token_s: int, session_max_s: int) -> int | None:
    """When the session's next token expires; None if the session is over."""
    rows = await transaction.run(
        "UPDATE sessions SET expires = max(expires, min(? + ?, created + ?)) WHERE id = ? AND revoked IS NULL"
        " RETURNING min(? + ?, created + ?)",
        *(now_s, token_s, session_max_s, sid, now_s, token_s, session_max_s),
    )
    return int(rows[0][0]) if rows else None


async def end(transaction: AuthTransaction, user_id: int, sid: str, now_s: int) -> list[Revocation]:
    """Revoke one session of this user; empty if there is none that lives."""
    statement = (
        "UPDATE sessions SET revoked = ? WHERE user_id = ? AND id = ? AND revoked IS NULL AND expires > ?"
        " RETURNING id, expires"
    )
    return [Revocation(*row) for row in await transaction.run(statement, now_s, user_id, sid, now_s)]


async def end_all(transaction: AuthTransaction, user_id: int, now_s: int, *, but: str = "") -> list[Revocation]:
    """Revoke every session of this user, except `but`."""
    statement = (
        "UPDATE sessions SET revoked = ? WHERE user_id = ? AND id <> ? AND revoked IS NULL AND expires > ?"
        " RETURNING id, expires"
    )
    return [Revocation(*row) for row in await transaction.run(statement, now_s, user_id, but, now_s)]


async def end_oldest(transaction: AuthTransaction, user_id: int, now_s: int, *, keep: int) -> list[Revocation]:
    """Revoke this user's sessions beyond the `keep` newest."""
    statement = (
        "UPDATE sessions SET revoked = ? WHERE id IN (SELECT id FROM sessions WHERE user_id = ? AND revoked IS NULL"
        " AND expires > ? ORDER BY created DESC, id LIMIT -1 OFFSET ?) RETURNING id, expires"
    )
    return [Revocation(*row) for row in await transaction.run(statement, now_s, user_id, now_s, keep)]
