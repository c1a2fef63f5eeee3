"""What can be typed, as data: read out of the parser for the manual page, completion and the docs."""

# ruff: noqa: SLF001 - argparse has no other way to ask a parser what it takes
import argparse
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Argument:
    """One thing that may follow a command: an option if it has `flags`, else a word at its place."""

    dest: str
    flags: tuple[str, ...]
    metavar: str
    """What its value is called; empty for an option without one."""
    help: str
    choices: tuple[str, ...] = ()
    is_needed: bool = True
    is_repeated: bool = False

    @property
    def takes_value(self) -> bool:
        return bool(self.metavar)


@dataclass(frozen=True, slots=True)
class Command:
    """A command, or the program itself (then `name` is empty)."""

    name: str
    about: str
    examples: tuple[str, ...]
    arguments: tuple[Argument, ...]

    @property
    def options(self) -> tuple[Argument, ...]:
        return tuple(argument for argument in self.arguments if argument.flags)

    @property
    def words(self) -> tuple[Argument, ...]:
        return tuple(argument for argument in self.arguments if not argument.flags)


@dataclass(frozen=True, slots=True)
class Grammar:
    """The program's own options, and every command, in the order of the help."""

    top: Command
    commands: tuple[Command, ...]

    def command(self, name: str) -> Command | None:
        return next((command for command in self.commands if command.name == name), None)


def grammar(parser: argparse.ArgumentParser) -> Grammar:
    """Read `parser` out, whose commands were added by `client.cli.parser.Commands`."""
    commands: list[Command] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            abouts = {choice.dest: choice.help or "" for choice in action._choices_actions}
            commands += [_command(name, abouts[name], sub) for name, sub in action.choices.items() if name in abouts]
    return Grammar(_command("", "", parser), tuple(commands))


def _command(name: str, about: str, parser: argparse.ArgumentParser) -> Command:
    shown = (action for action in parser._actions if action.help != argparse.SUPPRESS)
    arguments = tuple(_argument(action) for action in shown if not isinstance(action, argparse._SubParsersAction))
    return Command(name, about, tuple(_examples(parser.epilog or "")), arguments)


def _examples(epilog: str) -> Sequence[str]:
    """The lines that an epilog of `client.cli.parser.Commands` begins with."""
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
        is_needed=action.required,
        is_repeated=action.nargs in {"+", "*"},
    )
