"""Reading the parser as data."""

from client.cli.grammar import grammar
from client.cli.parser import create_parser

GRAMMAR = grammar(create_parser())


def test_a_command_has_the_arguments_of_its_help() -> None:
    tail = GRAMMAR.command("tail")
    assert tail is not None
    assert tail.summary.startswith("print the messages of rooms")
    assert "chatterbox tail ops" in tail.examples
    (rooms,) = tail.positionals
    assert (rooms.dest, rooms.metavar, rooms.is_repeated, rooms.is_required) == ("rooms", "ROOM", True, True)
    options = {option.flags[-1]: option for option in tail.options}
    assert options["--count"].takes_value
    assert not options["--json"].takes_value


def test_choices_and_optional_arguments_are_read() -> None:
    completion, chat = GRAMMAR.command("completion"), GRAMMAR.command("chat")
    assert completion is not None
    assert completion.positionals[0].choices == ("bash", "zsh", "fish")
    assert chat is not None
    assert not chat.positionals[0].is_required


def test_an_unknown_command_is_none() -> None:
    assert GRAMMAR.command("nosuch") is None
