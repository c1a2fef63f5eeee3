"""Username policy and look-alike detection."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.text_rules import USERNAME_MAX, USERNAME_MIN
from services.auth.rules.confusables import skeletons
from services.auth.rules.username_policy import check, folded, is_same_name

ASCII_NAMES = st.from_regex(r"\A[a-zA-Z][a-zA-Z0-9_.-]{4,20}\Z")


def refused(typed: str) -> bool:
    try:
        check(typed)
    except ChatError as problem:
        return problem.code is Code.USERNAME_INVALID
    return False


def look_alike(one: str, other: str) -> bool:
    pairs = zip(check(one).skeletons, check(other).skeletons, strict=True)
    return any(left == right for left, right in pairs)


class TestAllowedNames:
    @pytest.mark.parametrize(
        "typed",
        [
            "bob",
            "x" * 32,
            "Alice",
            "a.b-c_d",
            "007",
            "jos\u00e9",
            "\u0418\u0432\u0430\u043d",
            "\u05e9\u05dc\u05d5\u05dd1",
        ],
    )
    def test_letters_of_one_script_digits_and_marks_are_allowed(self, typed: str) -> None:
        assert check(typed).display == typed

    @pytest.mark.parametrize(
        "typed", ["\u5c71\u7530\u592a\u90ce", "\u305f\u306a\u304b\u30a8\u30df", "\uae40\u6f22\uc218"]
    )
    def test_scripts_that_are_combined_in_writing_are_allowed(self, typed: str) -> None:
        assert check(typed).display == typed

    @pytest.mark.parametrize(
        ("typed", "reason"),
        [
            ("", "empty"),
            ("ab", "too short"),
            ("x" * 33, "too long"),
            ("x" * 60_000, "far too long"),
            ("_bob", "begins with a mark"),
            ("bob smith", "a space"),
            ("bob\n", "a newline"),
            ("bo\0b", "NUL"),
            ("a\u200bbc", "a zero-width space"),
            ("a\u00adbc", "a soft hyphen"),
            ("abc\u202e", "a right-to-left override"),
            ("abc\u0301\u0301", "stacked accents"),
            ("\u3164\u3164\u3164", "Hangul fillers, which are invisible"),
            ("\u0430lice", "a Cyrillic a among Latin letters"),
            ("p\u0430ypal", "a Cyrillic a among Latin letters"),
            ("abc\u0661", "an Arabic digit"),
            ("\u13aa\u13ab\u13ac", "Cherokee letters, which look like Latin capitals"),
            ("1\u05e9\u05dc\u05d5\u05dd", "a digit before right-to-left letters"),
            ("bob\ud800", "a lone surrogate"),
            ("\U0001f600\U0001f600\U0001f600", "emoji"),
        ],
    )
    def test_usernames_that_break_a_rule_are_refused(self, typed: str, reason: str) -> None:
        assert refused(typed), reason

    @pytest.mark.parametrize("typed", ["system", "Admin", "adm1n", "chatterbox", "everyone", "ALL", "here", "r00t"])
    def test_reserved_names_and_their_look_alikes_are_refused(self, typed: str) -> None:
        with pytest.raises(ChatError, match="reserved"):
            check(typed)


class TestSameName:
    @pytest.mark.parametrize(
        ("one", "other"),
        [("alice", "ALICE"), ("alice", "\uff21lice"), ("\ufb01ona", "FIONA"), ("stra\u00dfe", "STRASSE")],
    )
    def test_case_and_compatibility_forms_are_the_same_name(self, one: str, other: str) -> None:
        assert is_same_name(one, other)

    def test_a_look_alike_is_a_different_name(self) -> None:
        assert not is_same_name("alice", "al1ce")


class TestLookAlikes:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("alice", "ALICE"),
            ("alice", "al1ce"),
            ("alice", "aIice"),
            ("bob", "b0b"),
            ("arnold", "amold"),
            ("wendy", "vvendy"),
            ("jose", "jos\u00e9"),
            ("a__b", "a___b"),
            ("peppep", "\u0440\u0435\u0440\u0440\u0435\u0440"),
            ("BOB", "\u0412\u041e\u0412"),
            ("bob", "\u0412\u043e\u0412"),
            ("kaxi", "\u03ba\u03b1\u03c7\u03b9"),
        ],
    )
    def test_confusable_names_look_alike(self, one: str, other: str) -> None:
        assert look_alike(one, other)

    @pytest.mark.parametrize(("one", "other"), [("alice", "malice"), ("bob", "rob"), ("anna", "hanna"), ("ab1", "ab2")])
    def test_names_that_differ_clearly_do_not_look_alike(self, one: str, other: str) -> None:
        assert not look_alike(one, other)


class TestAnyText:
    @given(st.text(max_size=40))
    @example("\ufdfa" * 3)
    def test_any_accepted_name_follows_the_policy(self, typed: str) -> None:
        if not refused(typed):
            display = check(typed).display
            assert USERNAME_MIN <= len(display) <= USERNAME_MAX
            assert unicodedata.is_normalized("NFKC", display)
            assert display.isprintable()

    @given(st.text(max_size=40))
    def test_the_displayed_name_is_the_same_name(self, typed: str) -> None:
        if not refused(typed):
            once = check(typed)
            assert check(once.display) == once
            assert is_same_name(typed, once.display)

    @given(st.text(max_size=40))
    def test_spellings_of_the_same_name_look_alike(self, typed: str) -> None:
        if not refused(typed):
            for other in (typed.upper(), typed.casefold(), unicodedata.normalize("NFD", typed)):
                if is_same_name(typed, other):
                    assert skeletons(check(typed).display).lower == skeletons(other).lower

    @given(ASCII_NAMES)
    def test_usernames_that_differ_in_case_are_the_same_and_look_alike(self, typed: str) -> None:
        assert folded(typed) == folded(typed.swapcase())
        assert skeletons(typed) == skeletons(typed.swapcase())
