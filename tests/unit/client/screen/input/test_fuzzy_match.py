"""Fuzzy matching of names."""

from hypothesis import given
from hypothesis import strategies as st

from client.screen.input.fuzzy_match import best, score

NAMES = st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=20)


@given(NAMES, st.lists(NAMES, max_size=8))
def test_name_typed_in_full_comes_first(name: str, others: list[str]) -> None:
    names = [other for other in others if score(name, other) != 0]
    assert best(name, [(each, each) for each in [*names, name]])[0] == name


@given(st.text(max_size=5), NAMES)
def test_name_matches_if_it_has_the_typed_letters_in_order(typed: str, name: str) -> None:
    fits = score(typed, name) is not None
    rest = iter(name.casefold())
    assert fits == all(letter in rest for letter in typed.casefold())
