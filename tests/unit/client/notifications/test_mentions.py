"""Mentions: whole words, in any case, with or without `@`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.notifications.mentions import names


@pytest.mark.parametrize(
    "text",
    [
        "ada",
        "@ada",
        "thanks, Ada!",
        "(ADA)",
        "ada: look",
        "ada's",
        "is it ada?",
        "well ada.",
        "a@ada b",
        "hey\nada",
        "\uff41da",
    ],
)
def test_mention_is_found(text: str) -> None:
    assert names(text, ["Ada"])


@pytest.mark.parametrize(
    "text", ["", "Canada", "adam", "ada_2", "ada2", "ada-lee", "lee.ada", "@ada.org", "àda", "adá"]
)
def test_part_of_a_word_is_no_mention(text: str) -> None:
    assert not names(text, ["ada"])


def test_mentions_ignore_case_and_composition() -> None:
    assert names("STRASSE, bitte", ["straße"])
    assert names("caf\u00e9", ["cafe\u0301"])


def test_keyword_may_be_several_words_or_symbols() -> None:
    assert names("the disk full again", ["disk full"])
    assert names("c++ or c", ["c++"])
    assert not names("the disk fuller", ["disk full"])


def test_empty_name_is_never_mentioned() -> None:
    assert not names("anything", ["", ""])


@given(st.text(), st.text(max_size=20))
def test_any_text_and_word_are_accepted(text: str, word: str) -> None:
    assert names(text, [word]) in {True, False}


@given(st.text(alphabet="ab-. @", max_size=12), st.text(alphabet="ab", min_size=1, max_size=4))
def test_word_between_spaces_is_always_found(around: str, word: str) -> None:
    assert names(f"{around} {word} {around}", [word])
