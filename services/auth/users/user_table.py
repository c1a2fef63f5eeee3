"""The table of users."""

import sqlite3
from dataclasses import dataclass

from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.text_rules import USERNAME_MAX_TYPED
from services.auth.auth_database import AuthDatabase, AuthTransaction
from services.auth.rules.confusables import skeletons
from services.auth.rules.username_policy import Username, same

_COLUMNS = "SELECT id, username, hashed_password, password_number, banned IS NOT NULL FROM users"


@dataclass(frozen=True, slots=True)
class UserRow:
    """A row; `password_number` tells whether the password was changed since it was read."""

    user_id: int
    username: str
    hashed_password: str
    password_number: int
    banned: bool


class UserTable:
    """Finds and makes users."""

    def __init__(self, database: AuthDatabase) -> None:
        self._database = database

    async def named(self, name: str) -> UserRow | None:
        """The user of this name, however it is spelled; not one whose name only looks like it."""
        if len(name) > USERNAME_MAX_TYPED:
            return None
        key = skeletons(name).small
        found = [UserRow(*row) for row in await self._database.read(f"{_COLUMNS} WHERE name_key = ?", key)]
        return found[0] if found and same(found[0].username, name) else None

    async def numbered(self, user_id: int) -> UserRow | None:
        found = await self._database.read(f"{_COLUMNS} WHERE id = ?", user_id)
        return UserRow(*found[0]) if found else None

    async def is_taken(self, name: Username) -> bool:
        """Whether somebody has this name or one that looks like it."""
        query = "SELECT 1 FROM users WHERE name_key = ? OR capital_key = ?"
        return bool(await self._database.read(query, *name.alike))

    async def add(self, name: Username, hashed_password: str, now_s: int) -> int:
        """Make a user and return the id; raises `username_taken`."""
        statement = (
            "INSERT INTO users (username, name_key, capital_key, hashed_password, created)"
            " VALUES (?, ?, ?, ?, ?) RETURNING id"
        )
        try:
            async with self._database.transaction() as transaction:
                rows = await transaction.run(statement, name.shown, *name.alike, hashed_password, now_s)
        except sqlite3.IntegrityError:
            raise ChatError(Code.USERNAME_TAKEN) from None
        return int(rows[0][0])

    async def rehash(self, user: UserRow, hashed_password: str) -> None:
        """Keep another hash of the same password, unless it was changed meanwhile."""
        async with self._database.transaction() as transaction:
            await transaction.run(
                "UPDATE users SET hashed_password = ? WHERE id = ? AND password_number = ?",
                *(hashed_password, user.user_id, user.password_number),
            )


async def set_password(transaction: AuthTransaction, user: UserRow, hashed_password: str) -> bool:
    """Whether it was set: not if it has been changed since `user` was read."""
    return bool(
        await transaction.run(
            "UPDATE users SET hashed_password = ?, password_number = password_number + 1"
            " WHERE id = ? AND password_number = ? RETURNING id",
            *(hashed_password, user.user_id, user.password_number),
        )
    )


async def set_banned(transaction: AuthTransaction, user: UserRow, since_s: int | None) -> None:
    await transaction.run("UPDATE users SET banned = ? WHERE id = ?", since_s, user.user_id)
