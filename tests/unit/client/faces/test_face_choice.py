"""The choice of the face of `chat`."""

import pytest

from client.faces.face_choice import FaceKind, chosen, has_colour

XTERM = {"TERM": "xterm-256color"}


@pytest.mark.parametrize(
    ("environ", "wanted", "on_terminal", "kind"),
    [
        *((XTERM, kind, True, kind) for kind in FaceKind),
        *((XTERM, kind, False, FaceKind.PLAIN) for kind in FaceKind),
        *(
            (environ, kind, True, FaceKind.PLAIN)
            for kind in FaceKind
            for environ in ({"TERM": "dumb"}, {"TERM": ""}, {})
        ),
    ],
)
def test_plain_face_is_chosen_where_lines_can_not_be_redrawn(
    environ: dict[str, str], wanted: FaceKind, on_terminal: bool, kind: FaceKind
) -> None:
    assert chosen(environ, wanted, on_terminal=on_terminal) is kind


@pytest.mark.parametrize(
    ("environ", "colour"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": "0"}, False), ({"NO_COLOR": ""}, True)],
)
def test_non_empty_no_color_disables_colours(environ: dict[str, str], colour: bool) -> None:
    assert has_colour(environ) is colour
