import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire.errors import ChatError, Code
from services.auth.rules.password_policy import MAX_CHARS, MIN_CHARS, check, has_valid_length, is_common, normalized


def refused(password: str, username: str = "somebody") -> bool:
    try:
        check(password, username)
    except ChatError as problem:
        return problem.code is Code.PASSWORD_INVALID
    return False


class TestLength:
    @pytest.mark.parametrize("password", ["x7-kfo2", "", "z" * 129])
    def test_seven_and_129_characters_are_refused(self, password: str) -> None:
        assert refused(password)

    @pytest.mark.parametrize(
        "password", ["x7-kfo2q", "correct horse " * 9 + "xy", "\U0001f600\u00e4\0\n\t hm", "tab\tnul\0end"]
    )
    def test_eight_to_128_of_any_kind_are_taken(self, password: str) -> None:
        assert not refused(password)


class TestWhatIsGuessedFirst:
    @pytest.mark.parametrize(
        "password",
        [
            "password", "Password1", "P@ssw0rd", "p@ssw0rd123!", "12345678", "qwertyuiop", "QWERTY123", "iloveyou",
            "letmein!!", "Sunshine2024!", "1q2w3e4r", "aaaaaaaa", "abababab", "abcdefgh", "87654321", "!!!!!!!!",
            "trustno1", "chatterbox", "football99",
        ],
    )  # fmt: skip
    def test_is_refused(self, password: str) -> None:
        assert refused(password)

    @pytest.mark.parametrize(
        "password", ["correct horse battery", "tangerine-moon", "hunter2hunter2", "ein langer Satz"]
    )
    def test_a_phrase_is_not(self, password: str) -> None:
        assert not refused(password)

    def test_the_list_is_there(self) -> None:
        assert is_common("starwars")


class TestOnesOwnName:
    @pytest.mark.parametrize("password", ["margaret", "Margaret1", "margaretmargaret", "xMARGARETx"])
    def test_is_no_password(self, password: str) -> None:
        assert refused(password, "margaret")

    def test_may_be_part_of_a_long_one(self) -> None:
        assert not refused("margaret likes tea", "margaret")


class TestForAnyText:
    @given(st.text(max_size=200))
    def test_a_password_of_another_length_is_refused(self, password: str) -> None:
        if not MIN_CHARS <= len(password) <= MAX_CHARS:
            assert refused(password)
            assert not has_valid_length(password)

    @given(st.text(max_size=200))
    def test_what_is_not_refused_can_be_hashed(self, password: str) -> None:
        if not refused(password):
            assert has_valid_length(password)
            assert not is_common(password)

    def test_composed_and_decomposed_letters_are_one_password(self) -> None:
        assert normalized("caf\u00e9-au-lait") == normalized("cafe\u0301-au-lait")
