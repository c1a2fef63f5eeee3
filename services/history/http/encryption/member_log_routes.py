"""Public routes for the member log of an encrypted room: read it, send entries again that a restored server lost."""

from typing import Annotated, Any

import msgspec
from fastapi import Path, Query, Request, Response

from chatterbox.chassis.http.internal_http import read, write
from chatterbox.wire.encryption import key_api
from chatterbox.wire.encryption.member_log import MAX_MEMBER_ENTRIES, MemberEntry
from chatterbox.wire.errors import ChatError, Code
from services.history.http.app_context import History
from services.history.http.current_user import CurrentUser, public_router
from services.history.http.encryption.key_documents import returns, takes

router = public_router()

RoomPath = Annotated[str, Path(description="The name of an encrypted room that you are in.", examples=["plans~"])]
After = Annotated[int, Query(ge=0, le=2**53 - 1, description="The `seq` of the last entry that you have; 0: none.")]
Limit = Annotated[int, Query(ge=1, le=MAX_MEMBER_ENTRIES, description="Entries in the page.")]


@router.get(
    "/rooms/{room}/member-log",
    responses=returns(key_api.MemberLogPage, Code.ROOM_NAME_INVALID, Code.ROOM_UNKNOWN, Code.NOT_A_MEMBER),
)
async def member_log(
    room: RoomPath, user: CurrentUser, history: History, after: After = 0, limit: Limit = MAX_MEMBER_ENTRIES
) -> Response:
    """Get entries of the member log of a room that you are in. Check the signatures. Other rooms have no entries."""
    entries, length = await history.member_log(room, user, after, limit)
    return write(key_api.MemberLogPage(entries, length))


@router.post(
    "/rooms/{room}/member-log",
    openapi_extra=takes(key_api.MemberEntriesUpload),
    responses=returns(
        key_api.MemberLogStored,
        Code.BAD_REQUEST,
        Code.MEMBER_ENTRY_INVALID,
        Code.MEMBER_LOG_STALE,
        Code.NOT_A_MEMBER,
        Code.NOT_ALLOWED,
        Code.ROOM_NAME_INVALID,
        Code.ROOM_NOT_ENCRYPTED,
        Code.ROOM_UNKNOWN,
    ),
)
async def restore_entries(request: Request, room: RoomPath, user: CurrentUser, history: History) -> Response:
    """Send entries of the member log again that are missing after the server's backup was restored.

    Every member may do that for entries of all authors. They take effect in their order: who was removed is removed
    again, who was invited is invited again. Entries that the server has are skipped.
    """
    upload = await read(request, key_api.MemberEntriesUpload)
    return write(key_api.MemberLogStored(await history.restore_entries(room, user, upload.entries)))


def parsed_entry(entry: dict[str, Any] | None) -> MemberEntry | None:
    """An entry in a request that pydantic read; raises `member_entry_invalid`."""
    try:
        return None if entry is None else msgspec.convert(entry, MemberEntry)
    except msgspec.ValidationError as problem:
        raise ChatError(
            Code.MEMBER_ENTRY_INVALID, f"The entry of the room's member log is malformed: {problem}"
        ) from None
