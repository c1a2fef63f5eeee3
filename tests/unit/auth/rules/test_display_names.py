"""Usernames that a display name looks like."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from services.auth.rules.confusables import skeletons
from services.auth.rules.display_names import compared_forms

SIGNS = st.text(st.characters(categories=["P", "S", "Z", "Cf"]), max_size=5)


@given(SIGNS, st.text("abcdef0123", min_size=3, max_size=12), SIGNS)
def test_a_name_between_signs_looks_like_the_name(before: str, name: str, after: str) -> None:
    assert skeletons(name) in compared_forms(before + name + after)


@given(st.text("abcdef", min_size=3, max_size=12), st.text("abcdef", min_size=1, max_size=12))
def test_a_name_and_another_word_do_not_look_like_the_name(name: str, word: str) -> None:
    assert skeletons(name) not in compared_forms(f"{name} {word}")


@given(st.text(max_size=64))
def test_every_text_has_at_most_two_forms_without_what_does_not_show(text: str) -> None:
    forms = compared_forms(text)
    assert len(forms) <= 2
    assert all(unicodedata.category(character) != "Cf" for form in forms for character in form.lower)


def test_signs_alone_look_like_no_letters() -> None:
    assert compared_forms("\u200b\u2060") == []
    assert compared_forms("...") == [skeletons("...")]
