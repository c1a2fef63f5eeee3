"""The manual page, `chatterbox.1`, made from the parser and the tables that `--help` shows too. Pure."""

import argparse
import re
from collections.abc import Iterator, Mapping

from client.cli.about import ABOUT, FILES, VARIABLES
from client.cli.grammar import Argument, Command, grammar
from client.faces.slash_parser import SLASHES
from client.failures import EXITS


def page(parser: argparse.ArgumentParser) -> str:
    """The page in the man(7) macros."""
    return "\n".join(_lines(parser)) + "\n"


def _lines(parser: argparse.ArgumentParser) -> Iterator[str]:
    known = grammar(parser)
    first, _, shown = ABOUT.partition("\n")
    yield '.TH CHATTERBOX 1 "" "Chatterbox" "User Commands"'
    yield from (".SH NAME", f"chatterbox \\- {_text(first[0].lower() + first[1:].rstrip('.'))}")
    yield from (".SH SYNOPSIS", ".B chatterbox", "[\\fIOPTION\\fR]... \\fICOMMAND\\fR [\\fIARGUMENT\\fR]...")
    yield from (".SH DESCRIPTION", _text(first), ".PP", ".nf", *map(_text, shown.strip("\n").splitlines()), ".fi")
    yield from (".SH OPTIONS", *_arguments(known.top))
    yield ".SH COMMANDS"
    for command in known.commands:
        yield from _command(command)
    yield from (".SH TYPED IN A CHAT", "A line is a message, or begins with a slash:")
    yield from _terms({slash.usage: slash.help for slash in SLASHES.values()})
    yield from _terms({"//text": "say a message that begins with a slash"})
    yield from (".SH EXIT STATUS", *_terms({str(int(code)): about for code, about in EXITS.items()}))
    yield from (".SH ENVIRONMENT", *_terms(VARIABLES))
    yield from (".SH FILES", *_terms(FILES))


def _command(command: Command) -> Iterator[str]:
    yield f".SS {_usage(command)}"
    yield _text(f"{command.about[0].upper()}{command.about[1:]}.")
    yield from _arguments(command)
    if command.examples:
        yield from (".PP", ".nf", *(f"    {_text(example)}" for example in command.examples), ".fi")


def _usage(command: Command) -> str:
    words = " ".join(f"\\fI{_text(usage_of(argument))}\\fR" for argument in command.words)
    return f"{_text(command.name)} {words}".strip()


def usage_of(word: Argument) -> str:
    """How a word of a command is written where its usage is shown.

    >>> usage_of(Argument("rooms", (), "ROOM", "", is_repeated=True))
    'ROOM...'
    """
    shown = f"{word.metavar}..." if word.is_repeated else word.metavar
    return shown if word.is_needed else f"[{shown}]"


def flags_of(option: Argument) -> str:
    """How an option is written: `--server URL`."""
    return f"{', '.join(option.flags)} {option.metavar}".strip()


def _arguments(command: Command) -> Iterator[str]:
    words = {word.metavar: word.help for word in command.words if word.help}
    own = {"server", "profile"} if command.name else set()
    options = {flags_of(option): option.help for option in command.options if option.dest not in {"help", *own}}
    return _terms(words | options)


def _terms(table: Mapping[str, str]) -> Iterator[str]:
    for term, about in table.items():
        yield from (".TP", f".B {_text(term)}", _text(about))


def _text(text: str) -> str:
    r"""`text` as roff prints it unchanged: no line is taken for a request, no mark for a command.

    >>> print(_text("a-b\\n"), _text(".x"))
    a\-b\en \&.x
    """
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("~", "\\(ti").replace("^", "\\(ha")
    text = text.replace("'", "\\(aq").replace("`", "\\(ga").replace('"', "\\(dq")
    return re.sub(r"^(?=[.'])", r"\\&", text)
