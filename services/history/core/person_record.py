"""What is stored about a user: profile, who may see it, privacy, last seen; and how a viewer sees it. Pure."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from chatterbox.wire import text_rules
from chatterbox.wire.auth_api import UserInfo
from chatterbox.wire.history_api import StoredPerson
from chatterbox.wire.people import Audience, Audiences, Person, Privacy, Profile, Writers, last_seen

EVERYONE = frozenset({Audience.EVERYONE})
IN_A_COMMON_ROOM = frozenset({Audience.EVERYONE, Audience.ROOMS})
ONESELF = frozenset(Audience)


class PersonRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What is stored about a user; the defaults, if they never changed anything."""

    writers: Writers = Writers.EVERYONE
    display_name: str = ""
    bio: str = ""
    avatar: str = ""
    status: str = ""
    status_until_ms: int = 0
    """When the status ends (milliseconds since 1970); 0: it stays."""
    audiences: Audiences = Audiences()
    privacy: Privacy = Privacy()
    seen_ms: int = 0
    """When the user was last reported to be connected (milliseconds since 1970); 0: never, or not to be stored."""
    version: int = 0
    """As in `people.Person`."""


class PersonChange(msgspec.Struct, frozen=True, kw_only=True):
    """What a user changes; None: it stays. Texts are as they are stored."""

    writers: Writers | None = None
    display_name: str | None = None
    bio: str | None = None
    avatar: str | None = None
    status: str | None = None
    """A changed status has no end, unless `status_until_ms` gives one."""
    status_until_ms: int | None = None
    audiences: Mapping[str, Audience] = {}
    """By the name of the field."""
    presence: bool | None = None
    typing: bool | None = None
    receipts: bool | None = None


class ChangedPerson(NamedTuple):
    """A record before and after a change."""

    before: PersonRecord
    after: PersonRecord

    @property
    def is_told(self) -> bool:
        """Whether the change concerns others: all but who may write to the user does."""
        return self.before.version != self.after.version


def current(record: PersonRecord, now_ms: int) -> PersonRecord:
    """The record without a status that is over."""
    is_over = 0 < record.status_until_ms <= now_ms
    return replace(record, status="", status_until_ms=0) if is_over else record


def changed(record: PersonRecord, change: PersonChange, now_ms: int) -> PersonRecord:
    """The record after a change. Its version grows if the profile changes, or who may see what."""
    privacy = replace(record.privacy, **_given(change, "presence", "typing", "receipts"))
    after = replace(
        current(record, now_ms),
        **_given(change, "writers", "display_name", "bio", "avatar"),
        **_changed_status(current(record, now_ms), change),
        audiences=replace(record.audiences, **change.audiences),
        privacy=privacy,
        seen_ms=record.seen_ms if privacy.presence else 0,
    )
    is_same = replace(after, writers=record.writers, seen_ms=record.seen_ms) == record
    return after if is_same else replace(after, version=record.version + 1)


def _given(change: PersonChange, *names: str) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(change, name)) is not None}


def _changed_status(record: PersonRecord, change: PersonChange) -> dict[str, Any]:
    status, until_ms = record.status, record.status_until_ms
    if change.status is not None:
        status, until_ms = change.status, 0
    if change.status_until_ms is not None:
        until_ms = change.status_until_ms
    return {"status": status, "status_until_ms": until_ms if status else 0}


def person(user: UserInfo, record: PersonRecord, viewer: frozenset[Audience], now_ms: int) -> Person:
    """A user as someone sees them who belongs to the audiences `viewer`."""
    return Person(
        username=user.username,
        profile=profile(record, viewer, now_ms),
        seen=seen(record, now_ms),
        version=record.version,
    )


def stored_person(user: UserInfo, record: PersonRecord, sharing: list[int], now_ms: int) -> StoredPerson:
    """A user as several viewers see them; those in `sharing` share a room with the user."""
    return StoredPerson(
        user_id=user.user_id,
        username=user.username,
        version=record.version,
        privacy=record.privacy,
        seen=seen(record, now_ms),
        own=profile(record, ONESELF, now_ms),
        everyone=profile(record, EVERYONE, now_ms),
        rooms=profile(record, IN_A_COMMON_ROOM, now_ms),
        sharing=sharing,
    )


def profile(record: PersonRecord, viewer: frozenset[Audience], now_ms: int) -> Profile:
    """The profile as someone sees it who belongs to the audiences `viewer`; a status that is over is no part of it."""
    now = current(record, now_ms)
    fields = {
        "display_name": {"display_name": now.display_name},
        "bio": {"bio": now.bio},
        "avatar": {"avatar": now.avatar},
        "status": {"status": now.status, "status_until": _time(now.status_until_ms)},
    }
    audiences = msgspec.structs.asdict(record.audiences)
    shown = [values for name, values in fields.items() if audiences[name] in viewer]
    return Profile(**{name: value for values in shown for name, value in values.items()})


def _time(at_ms: int) -> str:
    return text_rules.timestamp(at_ms) if at_ms else ""


def depends_on_rooms(record: PersonRecord) -> bool:
    """Whether viewers in a common room may see more than others."""
    return Audience.ROOMS in msgspec.structs.astuple(record.audiences)


def seen(record: PersonRecord, now_ms: int) -> str:
    """When the user was last connected, as others are told; empty if the user does not show it."""
    return last_seen(record.seen_ms, now_ms) if record.privacy.presence else ""
