"""Which face `chat` has."""

import pytest

from client.faces.choose import FaceKind, chosen, has_colour

XTERM = {"TERM": "xterm-256color"}


@pytest.mark.parametrize(
    ("environ", "plain", "on_terminal", "kind"),
    [
        (XTERM, False, True, FaceKind.LINES),
        (XTERM, True, True, FaceKind.PLAIN),
        (XTERM, False, False, FaceKind.PLAIN),
        ({"TERM": "dumb"}, False, True, FaceKind.PLAIN),
        ({"TERM": ""}, False, True, FaceKind.PLAIN),
        ({}, False, True, FaceKind.PLAIN),
    ],
)
def test_a_line_is_drawn_anew_only_where_it_can_be(
    environ: dict[str, str], plain: bool, on_terminal: bool, kind: FaceKind
) -> None:
    assert chosen(environ, plain=plain, on_terminal=on_terminal) is kind


@pytest.mark.parametrize(
    ("environ", "colour"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": "0"}, False), ({"NO_COLOR": ""}, True)],
)
def test_colours_are_forbidden_by_any_value_but_an_empty_one(environ: dict[str, str], colour: bool) -> None:
    assert has_colour(environ) is colour
