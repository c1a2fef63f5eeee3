"""Password policy."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire.errors import ChatError, Code
from services.auth.rules.password_policy import MAX_CHARS, MIN_CHARS, check, is_checkable, is_common, normalized


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


class TestNormalization:
    """A password is prepared first, then checked: composed and decomposed letters are the same password."""

    @pytest.mark.parametrize("letters", ["\u00e9", "\ubc25", "\u1f82"], ids=["2 for 1", "3 for 1", "4 for 1"])
    @pytest.mark.parametrize("count", [MIN_CHARS - 1, MIN_CHARS, MAX_CHARS, MAX_CHARS + 1])
    def test_length_is_counted_in_composed_characters(self, letters: str, count: int) -> None:
        tail = "kfo2q" + "x7-" * count
        password = (letters + tail)[:count]
        allowed = MIN_CHARS <= count <= MAX_CHARS
        for form in ("NFC", "NFD"):
            assert refused(unicodedata.normalize(form, password)) is not allowed

    @pytest.mark.parametrize("letter", ["\u00e9", "\ubc25", "\u1f82"])
    def test_the_longest_password_can_be_checked_in_its_longest_form(self, letter: str) -> None:
        assert is_checkable(unicodedata.normalize("NFD", letter * MAX_CHARS))

    def test_an_account_whose_password_is_too_short_by_todays_count_can_still_log_in(self) -> None:
        assert is_checkable("\ubc25\ubc25\uac11")

    @pytest.mark.timing
    def test_a_password_of_a_megabyte_of_marks_is_refused_at_once(self) -> None:
        marks = "\u0301\u0316" * 500_000
        began = time.perf_counter()
        assert refused(marks)
        assert not is_checkable(marks)
        assert time.perf_counter() - began < 0.1

    def test_a_decomposed_username_in_a_password_is_found(self) -> None:
        assert refused(unicodedata.normalize("NFD", "zo\u00eb\u00eb\u00ebx12"), "zo\u00eb\u00eb\u00ebx")

    @given(st.text(max_size=200))
    def test_every_form_of_a_password_is_judged_alike(self, password: str) -> None:
        forms = [unicodedata.normalize(form, password) for form in ("NFC", "NFD")]
        assert refused(forms[0]) == refused(forms[1])

    @given(st.text(max_size=MAX_CHARS))
    def test_any_accepted_password_can_be_checked_in_every_form(self, password: str) -> None:
        if not refused(password):
            assert all(is_checkable(unicodedata.normalize(form, password)) for form in ("NFC", "NFD"))


class TestAnyText:
    @given(st.text(max_size=200))
    def test_any_password_outside_the_length_limits_is_refused(self, password: str) -> None:
        if not MIN_CHARS <= len(normalized(password)) <= MAX_CHARS:
            assert refused(password)

    @given(st.text(max_size=200))
    def test_any_accepted_password_is_not_common(self, password: str) -> None:
        if not refused(password):
            assert not is_common(password)

    def test_composed_and_decomposed_letters_are_the_same_password(self) -> None:
        assert normalized("caf\u00e9-au-lait") == normalized("cafe\u0301-au-lait")
