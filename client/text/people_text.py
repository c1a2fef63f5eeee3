"""Presence, profiles, privacy and typing as lines for people. Pure; text from others is made inert here."""

from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo

from chatterbox.wire.frames import WatchedPerson
from chatterbox.wire.people import Audience, Audiences, Presence, PresenceState, Profile
from client.text.local_time import time_of
from client.text.sanitize import inert, inert_name

LONG_AGO_S = 30 * 86_400
"""A user who was last seen before that was seen "long ago" (seconds)."""
OLDER_SERVER = "This server does not support presence and profiles: it is older than this client."
UNKNOWN_USER = "There is no user"
"""How the sentence about a name begins that no user has."""
FIELDS = {"name": "display_name", "bio": "bio", "picture": "avatar", "status": "status"}
"""The fields of a profile: as people type them, and as the server calls them."""
PICTURE = "picture"
"""Of a change of settings: the path of a picture, which is uploaded by itself; empty: remove the present one."""
_LABELS = {"display_name": "Display name", "bio": "About", "avatar": "Picture", "status": "Status"}
_AUDIENCES = {
    Audience.EVERYONE: "everyone",
    Audience.ROOMS: "users who share a room with you, other than #general",
    Audience.NOBODY: "no one",
}
_STATES = {
    PresenceState.ONLINE: "online",
    PresenceState.AWAY: "away",
    PresenceState.OFFLINE: "offline",
    PresenceState.UNKNOWN: "presence not known at the moment",
}
_SWITCHES = {"presence": "Presence is", "typing": "Typing is", "receipts": "Receipts are"}
_PRIVACY = {
    "presence": ("others see whether you are online or away, and when you were last here", "you look offline"),
    "typing": ("others see when you are typing", "others don't see when you are typing"),
    "receipts": ("others see how far you have read", "others don't see how far you have read"),
}


def seen_words(seen: str, now: datetime) -> str:
    """How long ago a user was seen, as exactly as the server tells it; empty if it does not.

    >>> now = datetime.fromisoformat("2026-11-30T18:00:00Z")
    >>> seen_words("2026-11-30T17:55:00Z", now), seen_words("2026-11-28T00:00:00Z", now), seen_words("", now)
    ('5 minutes ago', '2 days ago', '')
    """
    if (at := time_of(seen)) is None:
        return ""
    passed_s = max(0, int((now - at).total_seconds()))
    for unit, unit_s, most_s in (("minute", 60, 3600), ("hour", 3600, 86_400), ("day", 86_400, LONG_AGO_S)):
        if passed_s < most_s:
            count = passed_s // unit_s
            return f"{count} {unit}{'' if count == 1 else 's'} ago" if count else "just now"
    return "long ago"


def presence_words(presence: Presence, now: datetime) -> str:
    """The presence of a user in words.

    >>> presence_words(Presence(username="bob", state=PresenceState.AWAY), datetime.now().astimezone())
    'away'
    """
    seen = seen_words(presence.seen, now) if presence.state is PresenceState.OFFLINE else ""
    return _STATES[presence.state] + (f", last seen {seen}" if seen else "")


def until_words(until: str, now: datetime, zone: tzinfo | None = None) -> str:
    """When a status ends: the time if that is today, else with the date; empty if it does not end."""
    if (at := time_of(until, zone)) is None:
        return ""
    return f"until {at:%H:%M}" if at.date() == now.astimezone(zone).date() else f"until {at:%Y-%m-%d %H:%M}"


def status_words(profile: Profile, now: datetime, zone: tzinfo | None = None) -> str:
    """A status, with its end; empty if there is none.

    >>> status_words(Profile(status="lunch"), datetime.now().astimezone())
    'lunch'
    """
    end = until_words(profile.status_until, now, zone)
    return inert(profile.status) + (f" ({end})" if end and profile.status else "")


def whois_lines(person: WatchedPerson, now: datetime, zone: tzinfo | None = None) -> list[str]:
    """What the user may see of another: presence first, then the fields that are not empty.

    >>> bob = WatchedPerson(username="bob", state=PresenceState.ONLINE, profile=Profile(display_name="Bob B."))
    >>> whois_lines(bob, datetime.now().astimezone())
    ['bob: online', 'Display name: Bob B.']
    """
    profile = person.profile
    values = {"display_name": inert(profile.display_name), "status": status_words(profile, now, zone)}
    values["bio"] = inert(profile.bio)
    shown = [f"{_LABELS[name]}: {value}" for name, value in values.items() if value]
    return [f"{inert_name(person.username)}: {presence_words(person, now)}", *shown]


def unknown_person(username: str) -> str:
    """Say that no user has this name.

    >>> unknown_person("zoe")
    'There is no user zoe.'
    """
    return f"{UNKNOWN_USER} {inert_name(username)}."


def who_line(people: Iterable[Presence], now: datetime) -> str:
    """The presence of several users in one line, by state; those who are here first.

    >>> ada, bob = (Presence(username=name, state=PresenceState.ONLINE) for name in ("ada", "bob"))
    >>> who_line([bob, ada], datetime.now().astimezone())
    'Online: ada, bob.'
    """
    by_state: dict[PresenceState, list[str]] = {}
    for one in sorted(people, key=lambda one: one.username.casefold()):
        seen = seen_words(one.seen, now) if one.state is PresenceState.OFFLINE else ""
        by_state.setdefault(one.state, []).append(inert_name(one.username) + (f" ({seen})" if seen else ""))
    words = {**_STATES, PresenceState.UNKNOWN: "not known"}
    parts = ((words[state], by_state[state]) for state in words if state in by_state)
    return " ".join(f"{word.capitalize()}: {', '.join(names)}." for word, names in parts)


def typing_line(who: Sequence[str], more: int) -> str:
    """Who is typing; empty if no one is.

    >>> typing_line(["ada"], 0), typing_line(["ada", "bob"], 3), typing_line([], 0)
    ('ada is typing.', 'ada, bob and 3 others are typing.', '')
    """
    names = [*map(inert_name, who), *([f"{more} other{'' if more == 1 else 's'}"] if more else [])]
    if not names:
        return ""
    are = "is" if len(names) == 1 and more <= 1 else "are"
    return f"{', '.join(names[:-1])} and {names[-1]} are typing." if len(names) > 1 else f"{names[0]} {are} typing."


def profile_lines(profile: Profile, visible: Audiences, now: datetime, zone: tzinfo | None = None) -> list[str]:
    """One's own profile, and who may see each field."""
    values = {
        "display_name": inert(profile.display_name),
        "status": status_words(profile, now, zone),
        "bio": inert(profile.bio),
        "avatar": "set" if profile.avatar else "",
    }
    return [
        f"{_LABELS[name]}: {value or 'not set'} (visible to {_AUDIENCES[getattr(visible, name)]})"
        for name, value in values.items()
    ]


def privacy_lines(*, presence: bool, typing: bool, receipts: bool) -> list[str]:
    """What the user tells others of what they do.

    >>> privacy_lines(presence=False, typing=True, receipts=True)[0]
    'Presence is off: you look offline.'
    """
    switches = {"presence": presence, "typing": typing, "receipts": receipts}
    return [f"{_SWITCHES[name]} {'on' if on else 'off'}: {_PRIVACY[name][not on]}." for name, on in switches.items()]
