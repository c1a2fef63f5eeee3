"""SQL of the users table."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from chatterbox.chassis.sqlite.reader_pool import RowSource
from chatterbox.chassis.sqlite.write_connection import Transaction
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.text_rules import USERNAME_MAX_TYPED
from services.auth.auth_database import AuthDatabase
from services.auth.rules import display_names
from services.auth.rules.confusables import skeletons
from services.auth.rules.invitations import InvitationCode
from services.auth.rules.username_policy import Username, folded, is_same_name

_SELECT = "SELECT id, username, hashed_password, password_number, banned IS NOT NULL FROM users"


@dataclass(frozen=True, slots=True)
class UserRow:
    """A row; `password_number` changes whenever the password does."""

    user_id: int
    username: str
    hashed_password: str
    password_number: int
    banned: bool


class UserTable:
    """Finds and creates users."""

    def __init__(self, database: AuthDatabase) -> None:
        self._database = database

    async def by_name(self, name: str) -> UserRow | None:
        """The user with this name in any spelling of it; a name that only looks like it is not found."""
        return await find_by_name(self._database, name)

    async def by_names(self, names: Sequence[str]) -> list[UserRow]:
        """The users with these names, as `by_name`, in one query."""
        typed = [name for name in names if len(name) <= USERNAME_MAX_TYPED]
        keys = json.dumps([skeletons(name).lower for name in typed])
        query = f"{_SELECT} WHERE name_key IN (SELECT value FROM json_each(?))"  # noqa: S608 - constants
        found = [UserRow(*row) for row in await self._database.rows(query, (keys,))]
        folded_names = set(map(folded, typed))
        return [user for user in found if folded(user.username) in folded_names]

    async def by_id(self, user_id: int) -> UserRow | None:
        found = await self._database.rows(f"{_SELECT} WHERE id = ?", (user_id,))
        return UserRow(*found[0]) if found else None

    async def is_taken(self, name: Username) -> bool:
        """Whether a user has this name or one that looks like it."""
        query = "SELECT 1 FROM users WHERE name_key = ? OR capital_key = ?"
        return bool(await self._database.rows(query, name.skeletons))

    async def is_imitated(self, display_name: str, user_id: int) -> bool:
        """Whether a display name of this user looks like the username of another one."""
        query = "SELECT 1 FROM users WHERE (name_key = ? OR capital_key = ?) AND id <> ?"
        forms = display_names.compared_forms(display_name)
        return any([await self._database.rows(query, (*form, user_id)) for form in forms])

    async def add(
        self, name: Username, hashed_password: str, now_s: int, invitation: InvitationCode | None = None
    ) -> int:
        """Create a user, use up the invitation, and return the id; raises `username_taken` or `invitation_invalid`."""
        statement = (
            "INSERT INTO users (username, name_key, capital_key, hashed_password, created)"
            " VALUES (?, ?, ?, ?, ?) RETURNING id"
        )
        try:
            async with self._database.transaction() as transaction:
                if invitation is not None:
                    await _use_up(transaction, invitation, now_s)
                rows = await transaction.rows(statement, (name.display, *name.skeletons, hashed_password, now_s))
        except sqlite3.IntegrityError:
            raise ChatError(Code.USERNAME_TAKEN) from None
        return int(rows[0][0])

    async def rehash(self, user: UserRow, hashed_password: str) -> None:
        """Replace the hash of the same password, unless the password was changed since `user` was read."""
        async with self._database.transaction() as transaction:
            await transaction.rows(
                "UPDATE users SET hashed_password = ? WHERE id = ? AND password_number = ?",
                (hashed_password, user.user_id, user.password_number),
            )


async def find_by_name(source: RowSource, name: str) -> UserRow | None:
    """As `UserTable.by_name`, in any open database of auth."""
    if len(name) > USERNAME_MAX_TYPED:
        return None
    found = await source.rows(f"{_SELECT} WHERE name_key = ?", (skeletons(name).lower,))
    user = UserRow(*found[0]) if found else None
    return user if user is not None and is_same_name(user.username, name) else None


async def _use_up(transaction: Transaction, invitation: InvitationCode, now_s: int) -> None:
    await transaction.rows("DELETE FROM used_invitations WHERE expires < ?", (now_s,))
    statement = "INSERT INTO used_invitations (number, expires) VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING number"
    if not await transaction.rows(statement, (invitation.number, invitation.expires_s)):
        raise ChatError(Code.INVITATION_INVALID)


async def set_password(transaction: Transaction, user: UserRow, hashed_password: str) -> bool:
    """Change the password; False if it was changed since `user` was read."""
    return bool(
        await transaction.rows(
            "UPDATE users SET hashed_password = ?, password_number = password_number + 1"
            " WHERE id = ? AND password_number = ? RETURNING id",
            (hashed_password, user.user_id, user.password_number),
        )
    )


async def set_banned(transaction: Transaction, user: UserRow, since_s: int | None) -> None:
    """Ban the user as of `since_s` (seconds since 1970), or lift the ban (None)."""
    await transaction.rows("UPDATE users SET banned = ? WHERE id = ?", (since_s, user.user_id))
