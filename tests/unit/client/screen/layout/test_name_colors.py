"""Colours of usernames."""

from hypothesis import given
from hypothesis import strategies as st

from client.config.builtin_themes import BUILT_IN
from client.config.theme_colors import contrast
from client.config.themes import LEAST_OF_TEXT, Theme
from client.screen.layout.name_colors import person_colour

NAMES = st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=20)


@given(NAMES, st.sampled_from([theme for theme in BUILT_IN.values() if theme.background.startswith("#")]))
def test_every_name_has_enough_contrast_to_background_and_panel(name: str, theme: Theme) -> None:
    least = 7 if theme.name == "high-contrast" else LEAST_OF_TEXT
    for background in (theme.background, theme.panel):
        assert (contrast(person_colour(name, theme), background) or 0) >= least


@given(st.lists(NAMES, min_size=60, max_size=60, unique_by=str.casefold))
def test_names_are_spread_over_the_colours(names: list[str]) -> None:
    assert len({person_colour(name, BUILT_IN["dark"]) for name in names}) > 4


def test_colour_of_a_name_does_not_depend_on_case() -> None:
    dark = BUILT_IN["dark"]
    assert person_colour("Ada", dark) == person_colour("ada", dark)
