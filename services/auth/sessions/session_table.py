"""SQL of the sessions and revocations tables. A session is active until its last token can't be renewed any more. A
session that is ended before is moved to the revocations.
"""

from dataclasses import dataclass

from chatterbox.chassis.sqlite.reader_pool import Parameters
from chatterbox.chassis.sqlite.write_connection import Transaction
from chatterbox.wire.auth_api import newest_expired_s
from services.auth.auth_database import AuthDatabase
from services.auth.users.user_table import UserRow

CLOCK_ERROR_S = 2 * 86_400
"""Rows are kept this much longer than they are needed (seconds): if our clock is temporarily ahead by less, no session
is deleted, and no revocation left out, whose tokens are still valid by a correct clock."""
DELETED_AT_ONCE = 10_000
"""Rows deleted in one transaction: logins and logouts need not wait longer for their turn."""
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
    used_s: int
    """Its last login or renewal."""
    expires_s: int
    """When its last token expires."""
    user_agent: str
    address: str
    """The client's address at the last login or renewal."""


@dataclass(frozen=True, slots=True)
class EndedSession:
    """A session that ended before its last token expired; `expires_s` is when it does (seconds since 1970)."""

    sid: str
    expires_s: int


@dataclass(frozen=True, slots=True)
class RevocationPage:
    """Revoked sessions in the order of their numbers; `upto` is the last number, or None if there are none."""

    sids: list[str]
    upto: int | None


class SessionTable:
    """Queries over sessions and revocations, and the deletion of expired ones."""

    def __init__(self, database: AuthDatabase) -> None:
        self._database = database

    async def is_active(self, sid: str) -> bool:
        """Whether the session exists and has not ended; expiry is left to the token's own `exp`."""
        return bool(await self._database.rows("SELECT 1 FROM sessions WHERE id = ?", (sid,)))

    async def of_user(self, user_id: int, now_s: int) -> list[SessionRow]:
        """The user's active sessions, newest first."""
        query = (
            "SELECT id, created, used, expires, user_agent, address FROM sessions"
            " WHERE user_id = ? AND expires > ? ORDER BY created DESC, id"
        )
        return [SessionRow(*row) for row in await self._database.rows(query, (user_id, _newest_inactive_s(now_s)))]

    async def revoked(self, since: int, now_s: int, *, limit: int) -> RevocationPage:
        """At most `limit` revocations after number `since`, without those whose last token has expired for every
        service, also for one whose clock is behind ours.

        SQLite joins the ids, without the interpreter's lock: rows would take ten times as long.
        """
        query = (
            "SELECT group_concat(sid, ' '), max(rev) FROM"
            " (SELECT rev, sid FROM revocations WHERE rev > ? AND expires > ? ORDER BY rev LIMIT ?)"
        )
        ((sids, upto),) = await self._database.rows(query, (since, now_s - CLOCK_ERROR_S, limit))
        return RevocationPage(sids.split(" ") if sids else [], upto)

    async def delete_expired(self, now_s: int) -> None:
        """Delete expired sessions and revocations, in bounded transactions."""
        inactive_s, expired_s = _newest_inactive_s(now_s) - CLOCK_ERROR_S, now_s - CLOCK_ERROR_S
        for statement, until_s in ((_DELETE_SESSIONS, inactive_s), (_DELETE_REVOCATIONS, expired_s)):
            while await self._delete_some(statement, until_s):
                pass

    async def _delete_some(self, statement: str, expired_s: float) -> bool:
        async with self._database.transaction() as transaction:
            await transaction.rows(statement, (DELETED_AT_ONCE, expired_s))
            ((deleted,),) = await transaction.rows("SELECT changes()")
        return bool(deleted)


_DELETE_SESSIONS = (
    "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires <= ?2 ORDER BY expires LIMIT ?1)"
)
_DELETE_REVOCATIONS = (
    "DELETE FROM revocations WHERE rev IN (SELECT rev FROM revocations ORDER BY rev LIMIT ?1) AND expires <= ?2"
)
"""Of the oldest ones only. What ended later expires at most some days earlier, so no index is needed."""


async def begin(transaction: Transaction, user: UserRow, session: SessionRow) -> bool:
    """Insert a session; False if the user has been banned or got another password since `user` was read."""
    return bool(
        await transaction.rows(
            "INSERT INTO sessions (id, user_id, created, used, expires, user_agent, address)"
            " SELECT ?, id, ?, ?, ?, ?, ? FROM users"
            " WHERE id = ? AND password_number = ? AND banned IS NULL RETURNING id",
            (
                *(session.sid, session.created_s, session.used_s, session.expires_s),
                *(session.user_agent, session.address),
                *(user.user_id, user.password_number),
            ),
        )
    )


async def extend(
    transaction: Transaction, sid: str, address: str, now_s: int, *, token_s: int, session_max_s: int
) -> int | None:
    """Extend a session by one more token, requested from `address`.

    Returns when that token expires, or None if the session has ended.
    """
    rows = await transaction.rows(
        "UPDATE sessions SET expires = max(expires, min(? + ?, created + ?)), used = ?, address = ?"
        " WHERE id = ? AND expires > ? AND created + ? > ? RETURNING min(? + ?, created + ?)",
        (
            *(now_s, token_s, session_max_s, now_s, address),
            *(sid, _newest_inactive_s(now_s), session_max_s, now_s),
            *(now_s, token_s, session_max_s),
        ),
    )
    return int(rows[0][0]) if rows else None


async def end(transaction: Transaction, user_id: int, sid: str, now_s: int) -> list[EndedSession]:
    """End one session of this user; empty if it does not exist or has ended."""
    active_s = _newest_inactive_s(now_s)
    return await _revoke(transaction, "user_id = ? AND id = ? AND expires > ?", (user_id, sid, active_s))


async def end_all(transaction: Transaction, user_id: int, now_s: int, *, keep_sid: str = "") -> list[EndedSession]:
    """End every session of this user except `keep_sid`."""
    active_s = _newest_inactive_s(now_s)
    return await _revoke(transaction, "user_id = ? AND id <> ? AND expires > ?", (user_id, keep_sid, active_s))


async def end_oldest(transaction: Transaction, user_id: int, now_s: int, *, keep: int) -> list[EndedSession]:
    """End this user's sessions except the `keep` newest."""
    oldest = (
        "id IN (SELECT id FROM sessions WHERE user_id = ? AND expires > ? ORDER BY created DESC, id LIMIT -1 OFFSET ?)"
    )
    return await _revoke(transaction, oldest, (user_id, _newest_inactive_s(now_s), keep))


async def _revoke(transaction: Transaction, condition: str, parameters: Parameters) -> list[EndedSession]:
    """Move the sessions that meet `condition`, a constant, to the revocations, which numbers them."""
    insert = f"INSERT INTO revocations (sid, expires) SELECT id, expires FROM sessions WHERE {condition}"  # noqa: S608
    rows = await transaction.rows(f"{insert} RETURNING sid, expires", parameters)
    if rows:
        await transaction.rows(f"DELETE FROM sessions WHERE {condition}", parameters)  # noqa: S608
    return [EndedSession(*row) for row in rows]
