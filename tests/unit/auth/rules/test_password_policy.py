"""Password policy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire.errors import ChatError, Code
from services.auth.rules.password_policy import MAX_CHARS, MIN_CHARS, check, has_valid_length, is_common, normalized


def refused(password: str, username: str = "username1") -> bool:
    try:
        check(password, username)
    except ChatError as problem:
        return problem.code is Code.PASSWORD_INVALID
    return False


class TestLength:
    @pytest.mark.parametrize("password", ["x7-kfo2", "", "z" * 129])
    def test_passwords_of_7_and_129_characters_are_refused(self, password: str) -> None:
        assert refused(password)

    @pytest.mark.parametrize(
        "password", ["x7-kfo2q", "correct horse " * 9 + "xy", "\U0001f600\u00e4\0\n\t hm", "tab\tnul\0end"]
    )
    def test_passwords_of_8_to_128_arbitrary_characters_are_accepted(self, password: str) -> None:
        assert not refused(password)


class TestCommonPasswords:
    @pytest.mark.parametrize(
        "password",
        [
            "password", "Password1", "P@ssw0rd", "p@ssw0rd123!", "12345678", "qwertyuiop", "QWERTY123", "iloveyou",
            "letmein!!", "Sunshine2024!", "1q2w3e4r", "aaaaaaaa", "abababab", "abcdefgh", "87654321", "!!!!!!!!",
            "trustno1", "chatterbox", "football99",
        ],
    )  # fmt: skip
    def test_a_common_password_is_refused(self, password: str) -> None:
        assert refused(password)

    @pytest.mark.parametrize(
        "password", ["correct horse battery", "tangerine-moon", "hunter2hunter2", "ein langer Satz"]
    )
    def test_a_passphrase_is_accepted(self, password: str) -> None:
        assert not refused(password)

    def test_the_list_of_common_passwords_is_loaded(self) -> None:
        assert is_common("starwars")


class TestUsername:
    @pytest.mark.parametrize("password", ["margaret", "Margaret1", "margaretmargaret", "xMARGARETx"])
    def test_a_password_made_of_the_username_is_refused(self, password: str) -> None:
        assert refused(password, "margaret")

    def test_a_long_password_may_contain_the_username(self) -> None:
        assert not refused("margaret likes tea", "margaret")


class TestAnyText:
    @given(st.text(max_size=200))
    def test_any_password_outside_the_length_limits_is_refused(self, password: str) -> None:
        if not MIN_CHARS <= len(password) <= MAX_CHARS:
            assert refused(password)
            assert not has_valid_length(password)

    @given(st.text(max_size=200))
    def test_any_accepted_password_has_valid_length_and_is_not_common(self, password: str) -> None:
        if not refused(password):
            assert has_valid_length(password)
            assert not is_common(password)

    def test_composed_and_decomposed_letters_are_the_same_password(self) -> None:
        assert normalized("caf\u00e9-au-lait") == normalized("cafe\u0301-au-lait")
