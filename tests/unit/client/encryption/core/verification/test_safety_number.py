"""Safety numbers."""

import base64
import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.encryption.core.verification.safety_number import normalized, safety_number


def key(name: str) -> str:
    return base64.b64encode(hashlib.sha256(name.encode()).digest()).rstrip(b"=").decode()


GOLDEN = "33263 59221 33320 39197 81006 20104 91391 94206 84314 61360 31621 05529"
ADA, BOB = (7, key("ada")), (12, key("bob"))
users = st.tuples(
    st.integers(1, 10**9), st.binary(min_size=32, max_size=32).map(lambda raw: base64.b64encode(raw).decode())
)


class TestSafetyNumber:
    def test_golden_vectors_stay_as_they_are(self) -> None:
        """A number that people compared once must be the same in every later version."""
        assert safety_number(ADA, BOB) == GOLDEN

    @given(users, users)
    def test_both_users_see_the_same_twelve_groups_of_five_digits(
        self, one: tuple[int, str], other: tuple[int, str]
    ) -> None:
        number = safety_number(one, other)
        assert number == safety_number(other, one)
        assert re.fullmatch(r"\d{5}( \d{5}){11}", number, re.ASCII)

    @pytest.mark.parametrize("changed", [(7, key("another ada")), (8, key("ada"))])
    def test_another_master_key_or_user_changes_half_of_the_number(self, changed: tuple[int, str]) -> None:
        halves: list[set[str]] = [set(), set()]
        for number, who in enumerate((ADA, changed)):
            digits = normalized(safety_number(who, BOB))
            halves[number] = {digits[:30], digits[30:]}
        assert len(halves[0] & halves[1]) == 1

    def test_padding_of_the_key_makes_no_difference(self) -> None:
        assert safety_number((7, f"{key('ada')}="), BOB) == safety_number(ADA, BOB)

    @pytest.mark.parametrize("bad", ["", "short", "not base64 at all, not at all", key("ada") + "AAAA"])
    def test_a_malformed_key_has_no_number(self, bad: str) -> None:
        with pytest.raises(ValueError, match=r"."):
            safety_number((7, bad), BOB)
