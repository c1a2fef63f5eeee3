"""Public routes for direct conversations: open one, and set who may write to you."""

from fastapi import Response
from pydantic import BaseModel, Field

from chatterbox.chassis.http.http_errors import refusals
from chatterbox.wire import direct_names
from chatterbox.wire.errors import Code
from chatterbox.wire.user_settings import Writers
from services.history.http.app_context import History
from services.history.http.current_user import CurrentUser, public_router

router = public_router()


class NewDirect(BaseModel):
    """The user to write to; yourself for notes."""

    username: str = Field(min_length=1, max_length=256)


class DirectOut(BaseModel):
    """A direct conversation: a private room whose members never change. `head` is the offset of its last message."""

    room: str = Field(examples=["@ada+bob"])
    with_: list[str] = Field(alias="with", description="The usernames of its members, in the order of the room's name.")
    epoch: str
    head: int


class Me(BaseModel):
    """Your settings."""

    username: str
    writes: Writers = Field(
        description="Who may write direct messages to you: `everyone`, `rooms` (who is in a room with you, other than "
        "the one that everyone is in), or `nobody`. Blocked users never may."
    )


class ChangedSettings(BaseModel):
    """Settings to change; those that are left out stay."""

    writes: Writers | None = None


@router.post(
    "/directs",
    responses=refusals(Code.USERNAME_INVALID, Code.USER_UNKNOWN, Code.DIRECT_REFUSED, Code.TOO_MANY_ROOMS),
)
async def open_direct(new: NewDirect, user: CurrentUser, history: History) -> DirectOut:
    """Open the direct conversation with a user. The first time it is made; then the same one is returned."""
    info = await history.open_direct(user, new.username)
    people = list(direct_names.people(info.room))
    return DirectOut.model_validate({"room": info.room, "with": people, "epoch": info.epoch, "head": info.head})


@router.get("/me")
async def me(user: CurrentUser, history: History) -> Me:
    """Get your settings."""
    settings = await history.settings(user)
    return Me(username=user.username, writes=settings.writers)


@router.patch("/me", status_code=204)
async def change_me(changed: ChangedSettings, user: CurrentUser, history: History) -> Response:
    """Change your settings. Who may write to you applies to each message from then on, in all conversations."""
    if changed.writes is not None:
        await history.set_writers(user, changed.writes)
    return Response(status_code=204)
