"""What a typed line means."""

import pytest

from client.faces.slash_parser import SLASHES, TypedCommand, TypedMessage, TypedMistake, help_lines, parse


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        ("hello", TypedMessage("hello")),
        ("  hello", TypedMessage("  hello")),
        ("//shrug", TypedMessage("/shrug")),
        ("/join ops", TypedCommand("join", ("ops",))),
        ("/quit", TypedCommand("quit", ())),
        ("/create ops private", TypedCommand("create", ("ops", "private"))),
        ("/jion ops", TypedMistake("There is no /jion. Did you mean /join?")),
        ("/xyzzy", TypedMistake("There is no /xyzzy. /help lists what there is; to say it, write //xyzzy")),
        ("/create ops privat", TypedMistake("It is written: /create ROOM [private]")),
        ("/invite bob ops", TypedCommand("invite", ("bob", "ops"))),
        ("/logout 5b1c", TypedCommand("logout", ("5b1c",))),
        ("/topic", TypedCommand("topic", ())),
        ("/topic   engines, and  steam ", TypedCommand("topic", ("engines, and  steam",))),
        ("/topic -", TypedCommand("topic", ("-",))),
        ("/join", TypedMistake("It is written: /join ROOM")),
        ("/quit now", TypedMistake("It is written: /quit")),
        ("", None),
        ("   ", None),
    ],
)
def test_a_line_is_said_or_done_or_explained(line: str, meaning: object) -> None:
    assert parse(line) == meaning


def test_a_lone_slash_is_a_mistake() -> None:
    assert isinstance(parse("/"), TypedMistake)


@pytest.mark.parametrize("name", SLASHES)
def test_a_command_that_is_nearly_right_is_guessed(name: str) -> None:
    assert parse(f"/{name}x") == TypedMistake(f"There is no /{name}x. Did you mean /{name}?")


def test_no_command_takes_fewer_words_than_it_needs() -> None:
    assert all(slash.least <= len(slash.takes) for slash in SLASHES.values())


@pytest.mark.parametrize(
    ("name", "line"), [("join", "/join ROOM  go into"), ("/join", "/join ROOM"), ("jion", "Did you mean /join?")]
)
def test_help_of_one_command_is_its_line(name: str, line: str) -> None:
    (shown,) = help_lines(name)
    assert line in shown


def test_help_names_every_command() -> None:
    text = "\n".join(help_lines())
    assert all(slash.usage in text for slash in SLASHES.values())
