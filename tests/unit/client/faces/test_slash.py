"""What a typed line means."""

import pytest

from client.faces.slash import SLASHES, Call, Mistake, Say, help_lines, parse


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        ("hello", Say("hello")),
        ("  hello", Say("  hello")),
        ("//shrug", Say("/shrug")),
        ("/join ops", Call("join", ("ops",))),
        ("/quit", Call("quit", ())),
        ("/create ops private", Call("create", ("ops", "private"))),
        ("/jion ops", Mistake("There is no /jion. Did you mean /join?")),
        ("/xyzzy", Mistake("There is no /xyzzy. /help lists what there is; to say it, write //xyzzy")),
        ("/join", Mistake("It is written: /join ROOM")),
        ("/quit now", Mistake("It is written: /quit")),
        ("", None),
        ("   ", None),
    ],
)
def test_a_line_is_said_or_done_or_explained(line: str, meaning: object) -> None:
    assert parse(line) == meaning


def test_a_lone_slash_is_a_mistake() -> None:
    assert isinstance(parse("/"), Mistake)


def test_help_names_every_command() -> None:
    text = "\n".join(help_lines())
    assert all(slash.usage in text for slash in SLASHES.values())
