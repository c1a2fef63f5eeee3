"""What is stored about users: changes, versions, audiences, the end of a status, last seen rounded down."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chatterbox.wire.people import Audience, Audiences, Privacy, Profile, Writers
from chatterbox.wire.text_rules import moment_ms, timestamp
from services.history.core.person_record import (
    EVERYONE,
    IN_A_COMMON_ROOM,
    ONESELF,
    ChangedPerson,
    PersonChange,
    PersonRecord,
    changed,
    current,
    profile,
    seen,
)

NOW_MS = 1_790_000_000_000
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
FIELDS = ("display_name", "bio", "avatar", "status")
ADA = PersonRecord(display_name="Ada", bio="Engines", avatar="a1", status="busy", status_until_ms=NOW_MS + HOUR_MS)


class TestChanges:
    @pytest.mark.parametrize(
        "change",
        [
            {"display_name": "Countess"},
            {"bio": ""},
            {"avatar": "a2"},
            {"status": "back at three"},
            {"status_until_ms": NOW_MS + DAY_MS},
            {"audiences": {"bio": Audience.ROOMS}},
            {"presence": False},
            {"typing": False},
            {"receipts": False},
        ],
    )
    def test_a_change_that_concerns_others_is_a_new_version(self, change: dict[str, Any]) -> None:
        after = changed(ADA, PersonChange(**change), NOW_MS)
        assert after.version == ADA.version + 1
        assert ChangedPerson(ADA, after).is_told
        assert changed(after, PersonChange(**change), NOW_MS) in {after, replace(after, version=after.version + 1)}

    @pytest.mark.parametrize(
        "change", [{"writers": Writers.NOBODY}, {}, {"display_name": "Ada", "presence": True, "audiences": {}}]
    )
    def test_other_changes_keep_the_version_and_are_not_told(self, change: dict[str, Any]) -> None:
        after = changed(ADA, PersonChange(**change), NOW_MS)
        assert (after.version, ChangedPerson(ADA, after).is_told) == (ADA.version, False)

    def test_a_new_status_has_no_end_unless_one_is_given(self) -> None:
        assert changed(ADA, PersonChange(status="out"), NOW_MS).status_until_ms == 0
        later = PersonChange(status="out", status_until_ms=NOW_MS + DAY_MS)
        assert changed(ADA, later, NOW_MS).status_until_ms == NOW_MS + DAY_MS

    def test_a_status_that_is_removed_or_over_has_no_end(self) -> None:
        assert changed(ADA, PersonChange(status=""), NOW_MS).status_until_ms == 0
        over = changed(ADA, PersonChange(status_until_ms=NOW_MS + DAY_MS), NOW_MS + 2 * HOUR_MS)
        assert (over.status, over.status_until_ms) == ("", 0)

    def test_who_hides_their_presence_is_not_remembered_as_seen(self) -> None:
        hidden = changed(replace(ADA, seen_ms=NOW_MS), PersonChange(presence=False), NOW_MS)
        assert hidden.seen_ms == 0
        assert changed(hidden, PersonChange(presence=True), NOW_MS).seen_ms == 0


class TestProfiles:
    @pytest.mark.parametrize("field", FIELDS)
    def test_each_field_is_shown_to_its_audience_only(self, field: str) -> None:
        values = {"display_name": "Ada", "bio": "Engines", "avatar": "a1", "status": "busy"}
        seen_by = {Audience.EVERYONE: 3, Audience.ROOMS: 2, Audience.NOBODY: 1}
        for audience, viewers in seen_by.items():
            record = replace(ADA, audiences=Audiences(**{field: audience}))
            shown = [getattr(profile(record, each, NOW_MS), field) for each in (ONESELF, IN_A_COMMON_ROOM, EVERYONE)]
            assert shown == [values[field]] * viewers + [""] * (3 - viewers)

    @given(st.lists(st.sampled_from(Audience), min_size=4, max_size=4))
    def test_fields_do_not_depend_on_each_other(self, audiences: list[Audience]) -> None:
        record = replace(ADA, audiences=Audiences(**dict(zip(FIELDS, audiences, strict=True))))
        for viewer in (EVERYONE, IN_A_COMMON_ROOM, ONESELF):
            shown = profile(record, viewer, NOW_MS)
            for field, audience in zip(FIELDS, audiences, strict=True):
                assert bool(getattr(shown, field)) is (audience in viewer)
            assert bool(shown.status_until) is bool(shown.status)

    def test_a_status_ends_at_its_time(self) -> None:
        assert ADA.status_until_ms == NOW_MS + HOUR_MS
        before, after = (profile(ADA, EVERYONE, at) for at in (ADA.status_until_ms - 1, ADA.status_until_ms))
        assert (before.status, before.status_until) == ("busy", timestamp(ADA.status_until_ms))
        assert after == Profile(display_name="Ada", bio="Engines", avatar="a1")
        assert current(ADA, ADA.status_until_ms).status == ""

    def test_a_status_without_end_stays(self) -> None:
        record = replace(ADA, status_until_ms=0)
        assert profile(record, EVERYONE, NOW_MS + 10**12).status == "busy"


class TestLastSeen:
    @pytest.mark.parametrize(
        ("age_ms", "expected"),
        [
            (0, "2026-09-21T14:10:00.000Z"),
            (59 * MINUTE_MS, "2026-09-21T13:10:00.000Z"),
            (61 * MINUTE_MS, "2026-09-21T13:00:00.000Z"),
            (23 * HOUR_MS, "2026-09-20T15:00:00.000Z"),
            (25 * HOUR_MS, "2026-09-20T00:00:00.000Z"),
            (29 * DAY_MS, "2026-08-23T00:00:00.000Z"),
            (30 * DAY_MS, ""),
            (-MINUTE_MS, "2026-09-21T14:10:00.000Z"),
        ],
    )
    def test_the_older_it_is_the_less_exact_it_is_told(self, age_ms: int, expected: str) -> None:
        assert seen(PersonRecord(seen_ms=NOW_MS - age_ms), NOW_MS) == expected

    def test_it_is_not_told_of_users_who_were_never_seen_or_hide_their_presence(self) -> None:
        assert seen(PersonRecord(), NOW_MS) == ""
        assert seen(PersonRecord(seen_ms=NOW_MS, privacy=Privacy(presence=False)), NOW_MS) == ""

    @given(st.integers(0, 40 * DAY_MS))
    def test_it_is_never_later_than_it_was_and_within_the_promised_grid(self, age_ms: int) -> None:
        told = seen(PersonRecord(seen_ms=NOW_MS - age_ms), NOW_MS)
        grid_ms = 5 * MINUTE_MS if age_ms < HOUR_MS else HOUR_MS if age_ms < DAY_MS else DAY_MS
        assert bool(told) is (age_ms < 30 * DAY_MS)
        if told:
            assert 0 <= NOW_MS - age_ms - moment_ms(told) < grid_ms


@given(
    st.lists(
        st.builds(
            PersonChange,
            display_name=st.sampled_from([None, "", "Ada"]),
            status=st.sampled_from([None, "", "busy"]),
            status_until_ms=st.sampled_from([None, 0, NOW_MS + 1, NOW_MS + HOUR_MS]),
            presence=st.sampled_from([None, True, False]),
            audiences=st.sampled_from([{}, {"bio": Audience.NOBODY}, {"bio": Audience.EVERYONE}]),
        ),
        max_size=8,
    )
)
def test_two_records_of_the_same_version_are_seen_alike(changes: list[PersonChange]) -> None:
    records = list(itertools.accumulate(changes, lambda each, change: changed(each, change, NOW_MS), initial=ADA))
    profiles: dict[int, tuple[Profile, Audiences, Privacy]] = {}
    for record in records:
        shown = (profile(record, ONESELF, NOW_MS), record.audiences, record.privacy)
        assert profiles.setdefault(record.version, shown) == shown
    assert [each.version for each in records] == sorted(each.version for each in records)
