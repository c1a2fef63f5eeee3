"""The checker of presence: what a connection may be told, and what it must have been told in the end."""

import pytest

from tests.chaos.checker import judge
from tests.chaos.operations import AnyOperation, Came, Present, Shown, Went


def sentences(*operations: AnyOperation) -> list[str]:
    return [str(violation) for violation in judge(operations).violations]


CAME = Came(at_s=0, connection="ada/1", username="ada")


def told(at_s: float, state: str) -> Shown:
    return Shown(at_s=at_s, connection="bob/1", username="ada", state=state)


class TestOffline:
    def test_a_user_who_has_just_come_may_still_be_shown_offline(self) -> None:
        assert sentences(CAME, told(14, "offline")) == []

    def test_a_user_may_be_shown_offline_after_the_grace(self) -> None:
        assert sentences(CAME, Went(at_s=100, connection="ada/1"), told(104.1, "offline")) == []

    @pytest.mark.parametrize("state", ["online", "away", "unknown"])
    def test_a_connected_user_may_be_shown_otherwise(self, state: str) -> None:
        assert sentences(CAME, told(50, state)) == []

    def test_a_user_with_another_device_is_not_shown_offline(self) -> None:
        other = Came(at_s=1, connection="ada/2", username="ada")
        [sentence] = sentences(CAME, other, Went(at_s=50, connection="ada/1"), told(60, "offline"))
        assert sentence == "I20: bob/1 was told that ada is offline, whose ada/2 is open."

    def test_a_user_who_left_a_moment_ago_is_not_shown_offline(self) -> None:
        [sentence] = sentences(CAME, Went(at_s=49, connection="ada/1"), told(50, "offline"))
        assert sentence == "I20: bob/1 was told that ada is offline, whose ada/1 ended 1.0 s before."


class TestTheEnd:
    def test_what_is_shown_last_counts(self) -> None:
        assert sentences(told(1, "online"), told(2, "offline"), Present(at_s=3, username="ada", state="offline")) == []

    def test_a_connection_that_ended_before_does_not_count(self) -> None:
        went = Went(at_s=2, connection="bob/1")
        assert sentences(told(1, "online"), went, Present(at_s=3, username="ada", state="offline")) == []

    def test_a_state_that_is_unknown_in_the_end_is_reported(self) -> None:
        [sentence] = sentences(told(1, "unknown"), Present(at_s=3, username="ada", state="online"))
        assert sentence == "I20: bob/1 shows ada as unknown in the end, who is online."
