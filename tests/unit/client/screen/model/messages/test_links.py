"""Links and mentions in a message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.screen.model.messages.links import links, mentions


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see http://a.example.", ["http://a.example"]),
        ("(https://a.example/(b))", ["https://a.example/(b)"]),
        ("<http://a.example> and HTTPS://B", ["http://a.example", "HTTPS://B"]),
        ("javascript:alert(1) file:///etc ftp://x", []),
        ("http://", []),
    ],
)
def test_http_links_are_found_without_the_punctuation_around_them(text: str, found: list[str]) -> None:
    assert [link.address for link in links(text)] == found


@given(st.text(max_size=100))
def test_start_and_end_of_a_link_enclose_its_address(text: str) -> None:
    assert all(text[link.start : link.end] == link.address for link in links(text))


def test_mention_is_a_whole_word_in_any_case() -> None:
    assert mentions("hey @Al!", "al")
    assert not mentions("also", "al")
    assert not mentions("al-x", "al")
