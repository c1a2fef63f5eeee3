"""Built-in themes have enough contrast; theme files are parsed or their problems reported."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.config.builtin_themes import BUILT_IN
from client.config.theme_colors import NAMES, colour, contrast
from client.config.themes import COLOURS, contrasts, hard_to_read, parse_theme


class TestColours:
    def test_colours_have_three_notations(self) -> None:
        assert [colour(each) for each in ("#abc", "#A0b1C2", "bright-red", "default")] == [
            "#aabbcc",
            "#a0b1c2",
            "ansi_bright_red",
            "ansi_default",
        ]

    @pytest.mark.parametrize("written", ["", "abc", "#abcd", "#ggg", "#abc\n", "Red", "ansi_red", "bright-default"])
    def test_an_invalid_colour_is_none(self, written: str) -> None:
        assert colour(written) is None

    def test_there_are_sixteen_terminal_colours_and_the_default(self) -> None:
        assert len(NAMES) == 17

    def test_contrast_follows_wcag(self) -> None:
        assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)
        assert contrast("#ffffff", "#777777") == contrast("#777777", "#ffffff")
        assert contrast("ansi_red", "#ffffff") is None


class TestBuiltIn:
    @pytest.mark.parametrize("name", BUILT_IN)
    def test_every_colour_of_a_built_in_theme_has_enough_contrast(self, name: str) -> None:
        assert hard_to_read(BUILT_IN[name]) == ()

    def test_high_contrast_theme_has_a_contrast_of_at_least_7(self) -> None:
        assert min(found for *_, found, _ in contrasts(BUILT_IN["high-contrast"])) >= 7

    def test_built_in_themes_are_keyed_by_their_names(self) -> None:
        assert (
            [theme.name for theme in BUILT_IN.values()]
            == list(BUILT_IN)
            == [
                "dark",
                "light",
                "high-contrast",
                "16-colours",
            ]
        )

    def test_theme_16_colours_uses_only_terminal_colours(self) -> None:
        theme = BUILT_IN["16-colours"]
        used = {
            theme.background,
            theme.text,
            *theme.people,
            *(str(getattr(theme, name)) for name in COLOURS if name != "people"),
        }
        assert used <= set(NAMES.values())


class TestThemeFiles:
    def test_a_theme_file_overrides_the_colours_it_sets(self) -> None:
        theme, problems = parse_theme(
            "mine", 'base = "light"\n[colours]\ntext = "#000"\npeople = ["blue", "#111111"]', BUILT_IN
        )
        assert problems == ()
        assert (theme.name, theme.text, theme.people) == ("mine", "#000000", ("ansi_blue", "#111111"))
        assert theme.background == BUILT_IN["light"].background

    def test_a_theme_is_dark_by_its_background(self) -> None:
        assert not parse_theme("x", '[colours]\nbackground = "#eee"', BUILT_IN)[0].dark
        assert parse_theme("x", 'base = "light"\n[colours]\nbackground = "#111"', BUILT_IN)[0].dark
        assert not parse_theme("x", 'base = "light"\n[colours]\nbackground = "default"', BUILT_IN)[0].dark

    def test_low_contrast_gives_warnings(self) -> None:
        theme, problems = parse_theme("x", '[colours]\ntext = "#333"\nborder = "#222"\npeople = ["#222222"]', BUILT_IN)
        assert problems == ()
        assert [warning.split(" has")[0] for warning in hard_to_read(theme)] == [
            "text on background",
            "border on background",
            "people[0] on background",
            "text on panel",
            "people[0] on panel",
            "text on selection",
        ]

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("x = ", "f, line 1: invalid TOML: invalid value."),
            ("colors = {}", "f, line 1: colors: unknown setting. Did you mean colours?"),
            ('base = "drak"', "f, line 1: base: must be one of dark, light, high-contrast, 16-colours, not 'drak'."),
            ("base = 1", "f, line 1: base: must be one of dark, light, high-contrast, 16-colours, not 1."),
            ("colours = 1", "f, line 1: colours: must be a table: [colours]."),
            ('[colours]\ntxet = "#fff"', "f, line 2: colours.txet: unknown colour. Did you mean text?"),
            (
                '[colours]\ntext = "salmon"',
                'f, line 2: colours.text: must be a colour like "#6cb6ff" or "bright-red", not ',
            ),
            ("[colours]\ntext = 1", 'f, line 2: colours.text: must be a colour like "#6cb6ff" or "bright-red", not 1.'),
            ("[colours]\npeople = []", "f, line 2: colours.people: must be a list of 1 to 64 colours."),
            (
                "[colours]\npeople = [1]",
                'f, line 2: colours.people: must be a colour like "#6cb6ff" or "bright-red", not 1.',
            ),
        ],
    )
    def test_a_problem_in_a_theme_is_reported_with_its_line(self, text: str, sentence: str) -> None:
        theme, (problem,) = parse_theme("x", text, BUILT_IN)
        assert problem.sentence("f").startswith(sentence)
        assert theme.background == BUILT_IN["dark"].background
        assert theme.people

    @given(st.text() | st.lists(st.sampled_from([*COLOURS])).map(lambda names: "[colours]\n" + "=1\n".join(names)))
    def test_any_text_gives_a_theme(self, text: str) -> None:
        theme, problems = parse_theme("x", text, BUILT_IN)
        assert theme.people
        assert all(problem.sentence("f").isprintable() for problem in problems)
