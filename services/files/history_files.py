"""Client of history's internal routes for files. Raises `ChatError`: history's refusal, or `unavailable`."""

from collections.abc import Sequence

import httpx

from chatterbox.chassis.http.internal_http import call
from chatterbox.wire import history_api
from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.frames.message import AttachedFile


class HistoryFiles:
    """What the files service asks and tells history."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def room(self, room: str, user: UserInfo) -> history_api.UploadRoom:
        """The room that the user may upload a file for; raises what refuses a message there."""
        check = history_api.UploadCheck(room=room, user_id=user.user_id, username=user.username)
        return await call(self._http, "POST", "/internal/uploads/check", check, history_api.UploadRoom)

    async def uploaded(self, room_id: int, user_id: int, file: AttachedFile) -> None:
        """Tell that a file is complete."""
        told = history_api.FileUploaded(room_id=room_id, user_id=user_id, file=file)
        await call(self._http, "POST", "/internal/uploads", told, object)

    async def check_access(self, file_id: str, user_id: int) -> None:
        """Raise `file_unknown` unless the user may read the file."""
        access = history_api.FileAccess(file_id=file_id, user_id=user_id)
        await call(self._http, "POST", "/internal/files/access", access, AttachedFile)

    async def to_erase(self, done: Sequence[str]) -> list[str]:
        """Tell that files are erased; returns those to erase next."""
        erasures = history_api.FileErasures(done=list(done))
        return (await call(self._http, "POST", "/internal/files/erased", erasures, history_api.FilesToErase)).file_ids

    async def named(self, file_ids: Sequence[str]) -> set[str]:
        """Those of the files that history knows."""
        names = history_api.FilesNamed(list(file_ids))
        return set((await call(self._http, "POST", "/internal/files/named", names, history_api.FilesNamed)).file_ids)

    async def change_avatar(self, user: UserInfo, avatar: str) -> None:
        """Set a user's picture; empty: none."""
        changed = history_api.AvatarChanged(user.user_id, user.username, avatar)
        await call(self._http, "POST", "/internal/avatar", changed, history_api.AvatarReplaced)
