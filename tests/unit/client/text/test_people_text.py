"""Presence, profiles and privacy in words."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire import frames
from chatterbox.wire.people import Audience, Audiences, Presence, PresenceState, Profile
from client.text import people_text
from client.text.local_time import rfc3339
from client.text.sanitize import inert

NOW = datetime(2026, 11, 30, 18, 0, tzinfo=UTC)


def bob(state: PresenceState = PresenceState.ONLINE, seen: str = "", **profile: str) -> frames.WatchedPerson:
    return frames.WatchedPerson(username="bob", state=state, seen=seen, profile=Profile(**profile))


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(seconds=20), "just now"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(minutes=55), "55 minutes ago"),
        (timedelta(hours=1), "1 hour ago"),
        (timedelta(hours=23), "23 hours ago"),
        (timedelta(days=1), "1 day ago"),
        (timedelta(days=29), "29 days ago"),
        (timedelta(days=30), "long ago"),
        (-timedelta(minutes=5), "just now"),
    ],
)
def test_last_seen_is_told_in_the_unit_that_the_server_rounds_to(ago: timedelta, words: str) -> None:
    assert people_text.seen_words(rfc3339(NOW - ago), NOW) == words


def test_user_is_described_by_presence_and_the_fields_that_are_set() -> None:
    person = bob(display_name="Bob B.", status="lunch", status_until="2026-11-30T18:30:00Z", bio="Engines\nand steam")
    assert people_text.whois_lines(person, NOW, UTC) == [
        "bob: online",
        "Display name: Bob B.",
        "Status: lunch (until 18:30)",
        "About: Engines␊and steam",
    ]


def test_offline_user_is_described_with_the_time_when_last_seen() -> None:
    person = bob(PresenceState.OFFLINE, "2026-11-30T16:00:00Z")
    assert people_text.whois_lines(person, NOW) == ["bob: offline, last seen 2 hours ago"]


def test_unknown_presence_is_never_called_offline() -> None:
    assert people_text.whois_lines(bob(PresenceState.UNKNOWN), NOW) == ["bob: presence not known at the moment"]


def test_status_that_ends_on_another_day_has_the_date() -> None:
    profile = Profile(status="away", status_until="2026-12-02T08:00:00Z")
    assert people_text.status_words(profile, NOW, UTC) == "away (until 2026-12-02 08:00)"


def test_who_line_names_those_who_are_here_first() -> None:
    people = [
        Presence(username="zoe", state=PresenceState.OFFLINE, seen="2026-11-30T17:00:00Z"),
        Presence(username="Bob", state=PresenceState.ONLINE),
        Presence(username="ada", state=PresenceState.ONLINE),
        Presence(username="eve", state=PresenceState.AWAY),
        Presence(username="kim", state=PresenceState.UNKNOWN),
    ]
    line = "Online: ada, Bob. Away: eve. Offline: zoe (1 hour ago). Not known: kim."
    assert people_text.who_line(people, NOW) == line


@pytest.mark.parametrize(
    ("who", "more", "line"),
    [
        ([], 0, ""),
        (["ada"], 0, "ada is typing."),
        (["ada", "bob"], 0, "ada and bob are typing."),
        (["ada", "bob"], 1, "ada, bob and 1 other are typing."),
        ([], 1, "1 other is typing."),
        ([], 2, "2 others are typing."),
    ],
)
def test_typing_line_names_who_is_known_and_counts_the_others(who: list[str], more: int, line: str) -> None:
    assert people_text.typing_line(who, more) == line


def test_own_profile_says_who_may_see_each_field() -> None:
    lines = people_text.profile_lines(Profile(bio="x", avatar="a1"), Audiences(bio=Audience.NOBODY), NOW)
    assert lines == [
        "Display name: not set (visible to everyone)",
        "Status: not set (visible to everyone)",
        "About: x (visible to no one)",
        "Picture: set (visible to everyone)",
    ]


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_no_text_of_others_reaches_the_terminal_unchanged(name: str, status: str, seen: str) -> None:
    person = frames.WatchedPerson(
        username=name,
        state=PresenceState.OFFLINE,
        seen=seen,
        profile=Profile(display_name=name, status=status, status_until=seen, bio=status),
    )
    for line in [*people_text.whois_lines(person, NOW), people_text.who_line([person], NOW)]:
        assert inert(line) == line
