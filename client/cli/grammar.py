"""The parser's commands and arguments as data, for the manual page and the docs."""

# ruff: noqa: SLF001 - argparse has no public API for reading a parser
import argparse
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Argument:
    """An option if it has `flags`, otherwise a positional argument."""

    dest: str
    flags: tuple[str, ...]
    metavar: str
    """The placeholder of its value; empty for an option without a value."""
    help: str
    choices: tuple[str, ...] = ()
    is_required: bool = True
    is_repeated: bool = False

    @property
    def takes_value(self) -> bool:
        return bool(self.metavar)


@dataclass(frozen=True, slots=True)
class Command:
    """A command, or the program itself (with an empty `name`)."""

    name: str
    summary: str
    examples: tuple[str, ...]
    arguments: tuple[Argument, ...]

    @property
    def options(self) -> tuple[Argument, ...]:
        return tuple(argument for argument in self.arguments if argument.flags)

    @property
    def positionals(self) -> tuple[Argument, ...]:
        return tuple(argument for argument in self.arguments if not argument.flags)


@dataclass(frozen=True, slots=True)
class Grammar:
    """The program's own options and every command, in the order of `--help`."""

    top: Command
    commands: tuple[Command, ...]

    def command(self, name: str) -> Command | None:
        return next((command for command in self.commands if command.name == name), None)


def grammar(parser: argparse.ArgumentParser) -> Grammar:
    """Read a parser whose commands were added by `client.cli.parser.CommandParsers`."""
    commands: list[Command] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            summaries = {choice.dest: choice.help or "" for choice in action._choices_actions}
            commands += [_command(name, summary, action.choices[name]) for name, summary in summaries.items()]
    return Grammar(_command("", "", parser), tuple(commands))


def _command(name: str, summary: str, parser: argparse.ArgumentParser) -> Command:
    visible = (action for action in parser._actions if action.help != argparse.SUPPRESS)
    arguments = tuple(_argument(action) for action in visible if not isinstance(action, argparse._SubParsersAction))
    return Command(name, summary, tuple(_examples(parser.epilog or "")), arguments)


def _examples(epilog: str) -> Sequence[str]:
    """The examples at the start of an epilog from `client.cli.parser.CommandParsers`."""
    _, _, rest = epilog.partition("examples:\n")
    return [line.strip() for line in rest.partition("\n\n")[0].splitlines()]


def _argument(action: argparse.Action) -> Argument:
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    return Argument(
        dest=action.dest,
        flags=tuple(action.option_strings),
        metavar="" if action.nargs == 0 else metavar,
        help=action.help or "",
        choices=tuple(map(str, action.choices or ())),
        is_required=action.required,
        is_repeated=action.nargs in {"+", "*"},
    )
