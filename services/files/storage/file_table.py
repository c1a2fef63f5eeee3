"""Rows of files, unfinished uploads and avatars."""

from collections.abc import Sequence
from typing import NamedTuple

from chatterbox.chassis.sqlite.reader_pool import Row
from chatterbox.chassis.sqlite.write_connection import Transaction
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.frames.message import AttachedFile
from services.files.storage.files_database import FilesDatabase


class StoredFile(NamedTuple):
    """A complete file. The fields are the columns, in their order."""

    id: str
    user_id: int
    room_id: int
    name: str
    type: str
    size: int
    uploaded: int
    width: int
    height: int
    sha256: str
    created_ms: int

    def attached(self) -> AttachedFile:
        """As messages name it."""
        return AttachedFile(
            id=self.id, name=self.name, type=self.type, size=self.size, width=self.width, height=self.height
        )


class PendingUpload(NamedTuple):
    """An upload that is not complete. The fields are the columns, in their order."""

    id: str
    user_id: int
    room_id: int
    name: str
    length: int
    received: int
    keep_metadata: bool
    resumable: bool
    expires_ms: int


class FileTable:
    """Queries and transactions; raises `unavailable` when the disk fails."""

    def __init__(self, database: FilesDatabase, quota_bytes: int) -> None:
        self._database = database
        self._quota_bytes = quota_bytes

    async def reserve(self, upload: PendingUpload, *, least: int = 0) -> PendingUpload:
        """Store an upload, and take its length from the user's quota; raises `quota_full`.

        With `least`, it may become shorter, but not less than that, if there is no more space.
        """
        async with self._database.transaction() as transaction:
            rows = await transaction.rows("SELECT bytes FROM quotas WHERE user_id = ?", (upload.user_id,))
            free = self._quota_bytes - (rows[0][0] if rows else 0)
            if free < (least or upload.length):
                raise self.quota_full()
            upload = upload._replace(length=min(upload.length, free))
            await transaction.rows("INSERT INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", upload)
        return upload

    def quota_full(self) -> ChatError:
        """The refusal of a file that does not fit."""
        amount = f"{self._quota_bytes / 2**30:.3g} GiB" if self._quota_bytes >= 2**30 else f"{self._quota_bytes} bytes"
        return ChatError(
            Code.QUOTA_FULL,
            f"Your files would take more than {amount}. Delete messages with files that you don't need.",
        )

    async def upload(self, upload_id: str) -> PendingUpload | None:
        rows = await self._database.rows("SELECT * FROM uploads WHERE id = ?", (upload_id,))
        return PendingUpload(*rows[0]) if rows else None

    async def uploads(self) -> list[PendingUpload]:
        """All unfinished uploads."""
        return [PendingUpload(*row) for row in await self._database.rows("SELECT * FROM uploads")]

    async def advance(self, upload_id: str, received: int) -> None:
        """Store how much of an upload has been received."""
        async with self._database.transaction() as transaction:
            await transaction.rows("UPDATE uploads SET received = ? WHERE id = ?", (received, upload_id))

    async def expired(self, now_ms: int) -> list[str]:
        """The ids of uploads whose time is over."""
        return [row[0] for row in await self._database.rows("SELECT id FROM uploads WHERE expires_ms <= ?", (now_ms,))]

    async def remove_upload(self, upload_id: str) -> None:
        """Forget an upload and give its space back; if there is none, nothing happens."""
        await self._delete("DELETE FROM uploads WHERE id = ?", [(upload_id,)])

    async def complete(self, file: StoredFile) -> None:
        """Store a file in place of its upload."""
        async with self._database.transaction() as transaction:
            await transaction.rows("DELETE FROM uploads WHERE id = ?", (file.id,))
            await transaction.rows("INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", file)

    async def file(self, file_id: str) -> StoredFile | None:
        rows = await self._database.rows("SELECT * FROM files WHERE id = ?", (file_id,))
        return StoredFile(*rows[0]) if rows else None

    async def ids_before(self, created_ms: int, after: str, limit: int) -> list[str]:
        """The ids after `after` of files that are older, in order."""
        sql = "SELECT id FROM files WHERE id > ? AND created_ms < ? ORDER BY id LIMIT ?"
        return [row[0] for row in await self._database.rows(sql, (after, created_ms, limit))]

    async def known(self, keys: Sequence[str]) -> set[str]:
        """Those of these ids that are of a file, an upload or an avatar."""
        marks = ",".join("?" * len(keys))
        sql = " UNION ALL ".join(
            f"SELECT id FROM {table} WHERE id IN ({marks})"  # noqa: S608 - constants
            for table in ("files", "uploads", "avatars")
        )
        return {row[0] for row in await self._database.rows(sql, (*keys, *keys, *keys))}

    async def remove_files(self, file_ids: Sequence[str]) -> None:
        """Forget files; those that do not exist are passed over."""
        await self._delete("DELETE FROM files WHERE id = ?", [(file_id,) for file_id in file_ids])

    async def add_avatar(self, avatar_id: str, user_id: int, now_ms: int) -> None:
        async with self._database.transaction() as transaction:
            await transaction.rows("INSERT INTO avatars VALUES (?, ?, ?)", (avatar_id, user_id, now_ms))

    async def has_avatar(self, avatar_id: str) -> bool:
        return bool(await self._database.rows("SELECT 1 FROM avatars WHERE id = ?", (avatar_id,)))

    async def other_avatars(self, user_id: int, avatar_id: str) -> list[str]:
        """The ids of a user's avatars other than this one."""
        rows = await self._database.rows("SELECT id FROM avatars WHERE user_id = ? AND id <> ?", (user_id, avatar_id))
        return [row[0] for row in rows]

    async def remove_avatars(self, avatar_ids: Sequence[str]) -> None:
        await self._delete("DELETE FROM avatars WHERE id = ?", [(avatar_id,) for avatar_id in avatar_ids])

    async def totals(self) -> tuple[int, int, int]:
        """The number of files, their bytes, and the number of unfinished uploads."""
        files, uploads = "SELECT count(*), coalesce(sum(size), 0) FROM files", "SELECT count(*) FROM uploads"
        [(count, size)], [(pending,)] = await self._database.rows(files), await self._database.rows(uploads)
        return count, size, pending

    async def _delete(self, sql: str, parameters: Sequence[Row]) -> None:
        """Deleting also works on a full disk."""

        async def delete(transaction: Transaction) -> None:
            for each in parameters:
                await transaction.rows(sql, each)

        if parameters:
            await self._database.urgent(delete)
