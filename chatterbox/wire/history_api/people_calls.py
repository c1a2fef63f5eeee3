"""Profiles, privacy and pictures of users."""

import msgspec

from chatterbox.wire.people import Privacy, Profile


class PeopleQuery(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /internal/people`: users by name or by id, for these viewers; returns `People`. At most 200 of each."""

    viewers: list[int]
    usernames: list[str] = []
    user_ids: list[int] = []
    reader: int | None = None
    """As in `PageQuery`."""


class StoredPerson(msgspec.Struct, frozen=True, kw_only=True):
    """A user, and which profile each viewer may see; one's own is whole in `own`."""

    user_id: int
    username: str
    version: int
    privacy: Privacy
    seen: str
    """As in `people.Person`; empty if presence is not shown."""
    own: Profile
    everyone: Profile
    """What everyone may see."""
    rooms: Profile
    """What those may see who share a room with the user."""
    sharing: list[int]
    """The viewers who do."""


class People(msgspec.Struct, frozen=True):
    """Those of the asked users who exist, in any order."""

    people: list[StoredPerson]


class UsersSeen(msgspec.Struct, frozen=True):
    """`POST /internal/seen`: these users are connected now; returns nothing. At most 10,000."""

    user_ids: list[int]


class AvatarChanged(msgspec.Struct, frozen=True):
    """`POST /internal/avatar`: a user's picture is this one now (empty: none); returns `AvatarReplaced`."""

    user_id: int
    username: str
    avatar: str


class AvatarReplaced(msgspec.Struct, frozen=True):
    """The picture until now, which is not needed any more; empty: there was none."""

    avatar: str
