"""Public route for direct conversations: open one."""

from pydantic import BaseModel, Field

from chatterbox.chassis.http.http_errors import refusals
from chatterbox.wire import direct_names
from chatterbox.wire.errors import Code
from services.history.http.app_context import History
from services.history.http.current_user import CurrentUser, public_router

router = public_router()


class NewDirect(BaseModel):
    """The user to write to; yourself for notes."""

    username: str = Field(min_length=1, max_length=256)
    encrypted: bool | None = Field(
        None,
        description="Whether the encrypted conversation, or the one that is not; absent: the one that this server "
        "begins.",
    )


class DirectOut(BaseModel):
    """A direct conversation: a private room whose members never change. `head` is the offset of its last message."""

    room: str = Field(examples=["@ada~bob"], description="`@ada~bob` is encrypted, `@ada+bob` is not.")
    with_: list[str] = Field(alias="with", description="The usernames of its members, in the order of the room's name.")
    epoch: str
    head: int
    encrypted: bool = False
    uid: str = Field("", description="The name of an encrypted room inside its messages.")


@router.post(
    "/directs",
    response_model_exclude_defaults=True,
    responses=refusals(
        Code.USERNAME_INVALID,
        Code.USER_UNKNOWN,
        Code.DIRECT_REFUSED,
        Code.TOO_MANY_ROOMS,
        Code.ENCRYPTION_OFF,
        Code.ENCRYPTION_REQUIRED,
    ),
)
async def open_direct(new: NewDirect, user: CurrentUser, history: History) -> DirectOut:
    """Open the direct conversation with a user. The first time it is made; then the same one is returned."""
    info = await history.open_direct(user, new.username, encrypted=new.encrypted)
    return DirectOut.model_validate(
        {
            "room": info.room,
            "with": list(direct_names.people(info.room)),
            "epoch": info.epoch,
            "head": info.head,
            "encrypted": info.encrypted,
            "uid": info.uid,
        }
    )
