"""Public routes for profiles: your own settings, and other users as you may see them."""

from typing import Annotated

from fastapi import Path, Response
from pydantic import BaseModel, ConfigDict, Field

from chatterbox.chassis.http.http_errors import refusals
from chatterbox.chassis.http.internal_http import write
from chatterbox.wire import text_rules
from chatterbox.wire.errors import Code
from chatterbox.wire.limits import Limits
from chatterbox.wire.people import Audience, PresenceAudience, Writers
from services.history.core.person_record import PersonChange, PersonRecord
from services.history.http.app_context import History
from services.history.http.current_user import CurrentUser, public_router
from services.history.people.person_directory import MAX_PEOPLE

_MOST = 2**53 - 1
_TEXT_MAX = 4 * Limits().bio_chars
"""Longest text of a request (characters); the limits of each field are in `welcome`."""

router = public_router()

Name = Annotated[str, Path(description="The username, in any spelling of it.", examples=["ada"])]
ShownTo = Annotated[Audience, Field(examples=["everyone"])]


class Visible(BaseModel):
    """Who may see each field of your profile: `everyone`, `rooms` (who is in a room with you, other than the one that
    everyone is in), or `nobody`. You always see all of it.
    """

    display_name: ShownTo
    bio: ShownTo
    avatar: ShownTo
    status: ShownTo


class Me(BaseModel):
    """Your settings and your profile."""

    username: str
    writes: Writers = Field(
        description="Who may write direct messages to you: `everyone`, `rooms` (who is in a room with you, other than "
        "the one that everyone is in), or `nobody`. Blocked users never may."
    )
    display_name: str = Field(description="The name that is shown beside your username; empty: none.")
    bio: str = Field(description="What you say about yourself; empty: nothing.")
    avatar: str = Field(description="The id of your picture, `GET /avatars/{id}/256`; empty: none.")
    status: str = Field(description='A short text, such as "back at three"; empty: none.')
    status_until: str = Field(description="RFC 3339: when the status ends; empty: it stays until you change it.")
    visible: Visible
    presence: PresenceAudience = Field(
        description="Who sees you online, away, or last seen: `everyone` or `nobody`. With `nobody` you look offline, "
        "neither typing nor receipts are shown, and the server does not store when you were connected."
    )
    typing: bool = Field(description="Whether others see that you are typing.")
    receipts: bool = Field(description="Whether others see how far you have read a room.")


class ChangedVisible(BaseModel):
    """Who may see fields of your profile; those that are left out stay."""

    display_name: Audience | None = None
    bio: Audience | None = None
    avatar: Audience | None = None
    status: Audience | None = None


class ChangedSettings(BaseModel):
    """Settings to change; those that are left out stay. An empty text removes what is there."""

    writes: Writers | None = None
    display_name: str | None = Field(None, max_length=_TEXT_MAX, description="One line; not like another username.")
    bio: str | None = Field(None, max_length=_TEXT_MAX, description="One line.")
    status: str | None = Field(
        None, max_length=_TEXT_MAX, description="One line. Without `status_until`, a new status has no end."
    )
    status_until: str | None = Field(None, max_length=64, description="RFC 3339, in the future.")
    visible: ChangedVisible = ChangedVisible()
    presence: PresenceAudience | None = None
    typing: bool | None = Field(None, strict=True)
    receipts: bool | None = Field(None, strict=True)


class ProfileOut(BaseModel):
    """What a user tells about themselves. Fields that are empty, or not for you, are absent."""

    display_name: str = ""
    bio: str = ""
    avatar: str = Field("", description="The id of the picture: `GET /avatars/{id}/256`.")
    status: str = ""
    status_until: str = Field("", description="RFC 3339: when the status ends.")


class PersonOut(BaseModel):
    """A user as you may see them."""

    username: str
    profile: ProfileOut
    seen: str = Field(
        "",
        description="RFC 3339, rounded down to 5 minutes within the last hour, to hours within a day, to days within "
        "30 days: when the user was last connected. Absent: not shown, or longer ago.",
    )
    version: int = Field(
        0,
        description="Changes whenever the profile, who may see it, or the user's privacy changes; absent: none of them "
        "ever did.",
    )


class PeopleKnown(BaseModel):
    """The users that you ask for."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"known": {"ada": 3, "bob": 0}}]})

    known: dict[str, Annotated[int, Field(strict=True, ge=0, le=_MOST)]] = Field(
        max_length=MAX_PEOPLE, description="By username, the version that you have; 0 for none."
    )


@router.get("/me")
async def me(user: CurrentUser, history: History) -> Me:
    """Get your settings and your profile."""
    return _me(user.username, await history.people.settings(user))


@router.patch(
    "/me", status_code=204, responses=refusals(Code.BAD_REQUEST, Code.DISPLAY_NAME_INVALID, Code.PROFILE_INVALID)
)
async def change_me(changed: ChangedSettings, user: CurrentUser, history: History) -> Response:
    """Change your settings and your profile. All of them apply within a second, on every connection.

    Who may write to you applies to each message from then on, in all conversations.
    """
    visible = changed.visible.model_dump(exclude_none=True)
    until = changed.status_until
    until_ms = None if until is None else text_rules.moment_ms(until) if until else 0
    wanted = PersonChange(
        writers=changed.writes,
        display_name=changed.display_name,
        bio=changed.bio,
        status=changed.status,
        status_until_ms=until_ms,
        audiences=visible,
        presence=None if changed.presence is None else changed.presence is PresenceAudience.EVERYONE,
        typing=changed.typing,
        receipts=changed.receipts,
    )
    await history.people.change(user, wanted)
    return Response(status_code=204)


@router.get(
    "/people/{username}",
    response_model=PersonOut,
    responses=refusals(Code.USERNAME_INVALID, Code.USER_UNKNOWN),
)
async def person(username: Name, user: CurrentUser, history: History) -> Response:
    """Get the profile of a user, as far as you may see it."""
    return write(await history.people.person(user, username))


@router.post("/people/query", response_model=list[PersonOut], responses=refusals(Code.BAD_REQUEST))
async def query(known: PeopleKnown, user: CurrentUser, history: History) -> Response:
    """Get the profiles of those users whose version is another one than yours; unknown names are left out.

    A version tells nothing about rooms: after you joined a room, ask with 0 for members who show their profile to it.
    """
    return write(await history.people.newer(user, known.known))


def _me(username: str, record: PersonRecord) -> Me:
    until_ms = record.status_until_ms
    audiences = record.audiences
    return Me(
        username=username,
        writes=record.writers,
        display_name=record.display_name,
        bio=record.bio,
        avatar=record.avatar,
        status=record.status,
        status_until=text_rules.timestamp(until_ms) if until_ms else "",
        visible=Visible(
            display_name=audiences.display_name,
            bio=audiences.bio,
            avatar=audiences.avatar,
            status=audiences.status,
        ),
        presence=PresenceAudience.EVERYONE if record.privacy.presence else PresenceAudience.NOBODY,
        typing=record.privacy.typing,
        receipts=record.privacy.receipts,
    )
