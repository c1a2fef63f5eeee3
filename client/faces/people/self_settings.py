"""Parses what is typed after `/status`, `/profile` and `/privacy`. Pure."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from chatterbox.wire.people import Audience
from client.text.local_time import duration_s, next_at, rfc3339
from client.text.people_text import FIELDS, PICTURE

CLEAR = "-"
"""What is typed to clear a text."""
SWITCHES = {"on": True, "off": False}
PRIVACY = ("presence", "typing", "receipts")
PROFILE = ("name", "bio", "picture", "show")
"""What `/profile` takes first."""
_STATUS = re.compile(r"(?P<text>.*?)\s+(?:for\s+(?P<duration>\S+)|until\s+(?P<clock>\S+))", re.DOTALL)

Changes: TypeAlias = dict[str, Any]
"""The body of `PATCH /me`, and perhaps `PICTURE`."""


@dataclass(frozen=True, slots=True)
class SettingMistake:
    """What was typed can't be meant; `sentence` says what can."""

    sentence: str


def status_changes(typed: str, now: datetime) -> Changes:
    """The changes for `/status TEXT [for 2h|until 15:00]`. What is no time belongs to the text.

    >>> from datetime import UTC
    >>> now = datetime(2026, 11, 30, 18, 0, tzinfo=UTC)
    >>> status_changes("lunch for 30m", now), status_changes("looking for help", now)["status"]
    ({'status': 'lunch', 'status_until': '2026-11-30T18:30:00Z'}, 'looking for help')
    """
    text, until = typed.strip(), None
    if found := _STATUS.fullmatch(text):
        until = _end(found["duration"] or "", found["clock"] or "", now)
        text = found["text"] if until is not None else text
    status = "" if text == CLEAR else text
    return {"status": status} | ({"status_until": rfc3339(until)} if status and until else {})


def _end(duration: str, clock: str, now: datetime) -> datetime | None:
    if (seconds := duration_s(duration)) is not None:
        return now + timedelta(seconds=seconds)
    return next_at(clock, now)


def profile_changes(typed: str) -> Changes | SettingMistake:
    """The changes for `/profile name TEXT`, `bio TEXT`, `picture PATH` or `show FIELD WHO`; nothing typed: none.

    >>> profile_changes("name Ada L."), profile_changes("show bio rooms")
    ({'display_name': 'Ada L.'}, {'visible': {'bio': 'rooms'}})
    """
    match typed.split(None, 1):
        case []:
            return {}
        case ["name" | "bio" as field, text]:
            return {FIELDS[field]: "" if text.strip() == CLEAR else text.strip()}
        case ["picture", path]:
            return {PICTURE: "" if path.strip() == CLEAR else path.strip()}
        case ["show", rest]:
            return audience_change(*rest.split())
        case _:
            return SettingMistake("Usage: /profile [name TEXT | bio TEXT | picture PATH | show FIELD WHO]")


def audience_change(field: str = "", audience: str = "", *more: str) -> Changes | SettingMistake:
    """Who may see a field of the profile.

    >>> audience_change("age", "rooms").sentence
    'FIELD is one of name, bio, picture, status; WHO is one of everyone, rooms, nobody. For example: bio rooms'
    """
    if field in FIELDS and audience in tuple(Audience) and not more:
        return {"visible": {FIELDS[field]: audience}}
    fields, audiences = ", ".join(FIELDS), ", ".join(Audience)
    return SettingMistake(f"FIELD is one of {fields}; WHO is one of {audiences}. For example: bio rooms")


def privacy_changes(typed: str) -> Changes | SettingMistake:
    """The changes for `/privacy presence|typing|receipts on|off`; nothing typed: none.

    >>> privacy_changes("presence off"), privacy_changes("typing on"), privacy_changes("")
    ({'presence': 'nobody'}, {'typing': True}, {})
    """
    match typed.split():
        case []:
            return {}
        case ["presence", "on" | "off" as switch]:
            return {"presence": Audience.EVERYONE.value if SWITCHES[switch] else Audience.NOBODY.value}
        case ["typing" | "receipts" as name, "on" | "off" as switch]:
            return {name: SWITCHES[switch]}
        case _:
            return SettingMistake("Usage: /privacy [presence|typing|receipts on|off]")
