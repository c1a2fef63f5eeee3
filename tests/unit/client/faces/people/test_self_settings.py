"""What is typed after /status, /profile and /privacy."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.faces.people.self_settings import (
    SettingMistake,
    privacy_changes,
    profile_changes,
    status_changes,
)

NOW = datetime(2026, 11, 30, 18, 0, 30, tzinfo=timezone(timedelta(hours=1)))


@pytest.mark.parametrize(
    ("typed", "status", "until"),
    [
        ("lunch", "lunch", None),
        ("lunch for 30m", "lunch", "2026-11-30T17:30:30Z"),
        ("at the  dentist until 19:15", "at the  dentist", "2026-11-30T18:15:00Z"),
        ("asleep until 7:00", "asleep", "2026-12-01T06:00:00Z"),
        ("on call for the weekend", "on call for the weekend", None),
        ("waiting until noon", "waiting until noon", None),
        ("for 2h", "for 2h", None),
        ("-", "", None),
        ("- for 2h", "", None),
    ],
)
def test_status_ends_when_the_last_words_are_a_time(typed: str, status: str, until: str | None) -> None:
    changes = status_changes(typed, NOW)
    assert (changes["status"], changes.get("status_until")) == (status, until)


@pytest.mark.parametrize(
    ("typed", "changes"),
    [
        ("", {}),
        ("name Ada  Lovelace", {"display_name": "Ada  Lovelace"}),
        ("name -", {"display_name": ""}),
        ("bio I build engines", {"bio": "I build engines"}),
        ("picture ~/my face.png", {"picture": "~/my face.png"}),
        ("picture -", {"picture": ""}),
        ("show picture nobody", {"visible": {"avatar": "nobody"}}),
        ("show name rooms", {"visible": {"display_name": "rooms"}}),
    ],
)
def test_profile_command_becomes_changes(typed: str, changes: dict[str, object]) -> None:
    assert profile_changes(typed) == changes


@pytest.mark.parametrize(
    "typed", ["name", "nmae x", "show", "show bio", "show bio all", "show age rooms", "show bio rooms x"]
)
def test_profile_command_that_is_wrong_says_how_it_is_used(typed: str) -> None:
    mistake = profile_changes(typed)
    assert isinstance(mistake, SettingMistake)
    assert "/profile" in mistake.sentence or "FIELD is one of" in mistake.sentence


@pytest.mark.parametrize(
    ("typed", "changes"),
    [
        ("", {}),
        ("presence off", {"presence": "nobody"}),
        ("presence on", {"presence": "everyone"}),
        ("typing off", {"typing": False}),
        ("receipts on", {"receipts": True}),
    ],
)
def test_privacy_command_becomes_changes(typed: str, changes: dict[str, object]) -> None:
    assert privacy_changes(typed) == changes


@pytest.mark.parametrize("typed", ["presence", "off", "typing maybe", "typing on please"])
def test_privacy_command_that_is_wrong_says_how_it_is_used(typed: str) -> None:
    assert privacy_changes(typed) == SettingMistake("Usage: /privacy [presence|typing|receipts on|off]")


@given(st.text(max_size=40))
def test_any_text_is_changes_or_a_mistake(typed: str) -> None:
    assert set(status_changes(typed, datetime.now(UTC))) <= {"status", "status_until"}
    for parsed in (profile_changes(typed), privacy_changes(typed)):
        assert isinstance(parsed, dict | SettingMistake)
