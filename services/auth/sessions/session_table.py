"""SQL of the sessions table. A session is active until its last token can't be renewed any more, or it is revoked."""

from dataclasses import dataclass

from chatterbox.chassis.sqlite.write_connection import Transaction
from chatterbox.wire.auth_api import Revocation, newest_expired_s
from services.auth.auth_database import AuthDatabase
from services.auth.users.user_table import UserRow

CLOCK_ERROR_S = 2 * 86_400
"""Rows are kept this much longer than they are needed (seconds): if our clock is temporarily ahead by less, no session
is deleted, and no revocation left out, whose tokens are still valid by a correct clock."""
RENEWABLE_S = 7 * 86_400
"""How long after its expiry a token can be renewed (seconds), within the longest duration of a session: a computer may
sleep for days, and its user expects to stay logged in."""


def _newest_inactive_s(now_s: float) -> float:
    """Sessions whose last token expired at this time or before are over."""
    return newest_expired_s(now_s) - RENEWABLE_S


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A row; times in seconds since 1970."""

    sid: str
    created_s: int
    expires_s: int
    """When its last token expires."""
    user_agent: str


class SessionTable:
    """Queries over sessions, and the deletion of expired ones."""

    def __init__(self, database: AuthDatabase) -> None:
        self._database = database

    async def is_active(self, sid: str) -> bool:
        """Whether the session exists and is not revoked; expiry is left to the token's own `exp`."""
        return bool(await self._database.rows("SELECT 1 FROM sessions WHERE id = ? AND revoked IS NULL", (sid,)))

    async def of_user(self, user_id: int, now_s: int) -> list[SessionRow]:
        """The user's active sessions, newest first."""
        query = (
            "SELECT id, created, expires, user_agent FROM sessions"
            " WHERE user_id = ? AND revoked IS NULL AND expires > ? ORDER BY created DESC, id"
        )
        return [SessionRow(*row) for row in await self._database.rows(query, (user_id, _newest_inactive_s(now_s)))]

    async def revoked(self, now_s: int) -> list[Revocation]:
        """Revoked sessions with a token that another service, whose clock may be behind ours, could still accept."""
        query = "SELECT id, expires FROM sessions WHERE revoked IS NOT NULL AND expires > ?"
        return [Revocation(*row) for row in await self._database.rows(query, (now_s - CLOCK_ERROR_S,))]

    async def delete_expired(self, now_s: int) -> None:
        expired_s = _newest_inactive_s(now_s) - CLOCK_ERROR_S
        async with self._database.transaction() as transaction:
            await transaction.rows("DELETE FROM sessions WHERE expires <= ?", (expired_s,))


async def begin(transaction: Transaction, user: UserRow, session: SessionRow) -> bool:
    """Insert a session; False if the user has been banned or got another password since `user` was read."""
    return bool(
        await transaction.rows(
            "INSERT INTO sessions (id, user_id, created, expires, user_agent) SELECT ?, id, ?, ?, ? FROM users"
            " WHERE id = ? AND password_number = ? AND banned IS NULL RETURNING id",
            (
                *(session.sid, session.created_s, session.expires_s, session.user_agent),
                *(user.user_id, user.password_number),
            ),
        )
    )


async def extend(transaction: Transaction, sid: str, now_s: int, token_s: int, session_max_s: int) -> int | None:
    """Extend a session by one more token; returns when that token expires, or None if the session has ended."""
    rows = await transaction.rows(
        "UPDATE sessions SET expires = max(expires, min(? + ?, created + ?)) WHERE id = ? AND revoked IS NULL"
        " AND expires > ? AND created + ? > ? RETURNING min(? + ?, created + ?)",
        (
            *(now_s, token_s, session_max_s, sid),
            *(_newest_inactive_s(now_s), session_max_s, now_s),
            *(now_s, token_s, session_max_s),
        ),
    )
    return int(rows[0][0]) if rows else None


async def end(transaction: Transaction, user_id: int, sid: str, now_s: int) -> list[Revocation]:
    """Revoke one session of this user; empty if it does not exist or has ended."""
    statement = (
        "UPDATE sessions SET revoked = ? WHERE user_id = ? AND id = ? AND revoked IS NULL AND expires > ?"
        " RETURNING id, expires"
    )
    return [
        Revocation(*row) for row in await transaction.rows(statement, (now_s, user_id, sid, _newest_inactive_s(now_s)))
    ]


async def end_all(transaction: Transaction, user_id: int, now_s: int, *, keep_sid: str = "") -> list[Revocation]:
    """Revoke every session of this user except `keep_sid`."""
    statement = (
        "UPDATE sessions SET revoked = ? WHERE user_id = ? AND id <> ? AND revoked IS NULL AND expires > ?"
        " RETURNING id, expires"
    )
    return [
        Revocation(*row)
        for row in await transaction.rows(statement, (now_s, user_id, keep_sid, _newest_inactive_s(now_s)))
    ]


async def end_oldest(transaction: Transaction, user_id: int, now_s: int, *, keep: int) -> list[Revocation]:
    """Revoke this user's sessions except the `keep` newest."""
    statement = (
        "UPDATE sessions SET revoked = ? WHERE id IN (SELECT id FROM sessions WHERE user_id = ? AND revoked IS NULL"
        " AND expires > ? ORDER BY created DESC, id LIMIT -1 OFFSET ?) RETURNING id, expires"
    )
    return [
        Revocation(*row) for row in await transaction.rows(statement, (now_s, user_id, _newest_inactive_s(now_s), keep))
    ]
