"""Generates the manual page, `chatterbox.1`, from the parser and the tables of `--help`. Pure."""

import argparse
import re
from collections.abc import Iterator, Mapping

from client.cli.grammar import Argument, Command, grammar
from client.cli.help_text import DESCRIPTION, FILES, VARIABLES
from client.faces.slash.slash_table import SLASHES
from client.failures import EXITS


def page(parser: argparse.ArgumentParser) -> str:
    """The page in man(7) macros."""
    return "\n".join(_lines(parser)) + "\n"


def _lines(parser: argparse.ArgumentParser) -> Iterator[str]:
    commands = grammar(parser)
    first, _, examples = DESCRIPTION.partition("\n")
    yield '.TH CHATTERBOX 1 "" "Chatterbox" "User Commands"'
    yield from (".SH NAME", f"chatterbox \\- {_escaped(first[0].lower() + first[1:].rstrip('.'))}")
    yield from (".SH SYNOPSIS", ".B chatterbox", "[\\fIOPTION\\fR]... \\fICOMMAND\\fR [\\fIARGUMENT\\fR]...")
    yield from (".SH DESCRIPTION", _escaped(first), ".PP", ".nf")
    yield from (*map(_escaped, examples.strip("\n").splitlines()), ".fi")
    yield from (".SH OPTIONS", *_arguments(commands.top))
    yield ".SH COMMANDS"
    for command in commands.commands:
        yield from _command(command)
    yield from (".SH CHAT COMMANDS", "In a chat, a line is a message unless it starts with a slash:")
    yield from _terms({slash.usage: slash.help for slash in SLASHES.values()})
    yield from _terms({"//text": "send text beginning with /"})
    yield from (".SH EXIT STATUS", *_terms({str(int(code)): meaning for code, meaning in EXITS.items()}))
    yield from (".SH ENVIRONMENT", *_terms(VARIABLES))
    yield from (".SH FILES", *_terms(FILES))


def _command(command: Command) -> Iterator[str]:
    yield f".SS {_usage(command)}"
    yield _escaped(f"{command.summary[0].upper()}{command.summary[1:]}.")
    yield from _arguments(command)
    if command.examples:
        yield from (".PP", ".nf", *(f"    {_escaped(example)}" for example in command.examples), ".fi")


def _usage(command: Command) -> str:
    positionals = " ".join(f"\\fI{_escaped(usage_of(argument))}\\fR" for argument in command.positionals)
    return f"{_escaped(command.name)} {positionals}".strip()


def usage_of(positional: Argument) -> str:
    """A positional argument as a usage line shows it.

    >>> usage_of(Argument("rooms", (), "ROOM", "", is_repeated=True))
    'ROOM...'
    """
    usage = f"{positional.metavar}..." if positional.is_repeated else positional.metavar
    return usage if positional.is_required else f"[{usage}]"


def flags_of(option: Argument) -> str:
    """An option with its placeholder: `--server URL`."""
    return f"{', '.join(option.flags)} {option.metavar}".strip()


def _arguments(command: Command) -> Iterator[str]:
    positionals = {argument.metavar: argument.help for argument in command.positionals if argument.help}
    shared = {"server", "profile"} if command.name else set()
    options = {flags_of(option): option.help for option in command.options if option.dest not in {"help", *shared}}
    return _terms(positionals | options)


def _terms(table: Mapping[str, str]) -> Iterator[str]:
    for term, description in table.items():
        yield from (".TP", f".B {_escaped(term)}", _escaped(description))


def _escaped(text: str) -> str:
    r"""Escape `text` so that roff prints it unchanged: no request at the start of a line, no escape sequence.

    >>> print(_escaped("a-b\\n"), _escaped(".x"))
    a\-b\en \&.x
    """
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("~", "\\(ti").replace("^", "\\(ha")
    text = text.replace("'", "\\(aq").replace("`", "\\(ga").replace('"', "\\(dq")
    return re.sub(r"^(?=[.'])", r"\\&", text)
