"""The manual page: complete, and valid roff."""

import shutil
import subprocess

import pytest

from client.cli import manual
from client.cli.grammar import grammar
from client.cli.help_text import VARIABLES
from client.cli.manual import flags_of
from client.cli.parser import create_parser
from client.faces.slash.slash_table import SLASHES
from client.failures import EXITS, ExitCode

PAGE = manual.page(create_parser())


def plain(page: str) -> str:
    return page.replace("\\-", "-").replace("\\(aq", "'").replace("\\&", "")


def test_manual_page_has_every_command_and_option() -> None:
    known = grammar(create_parser())
    for command in known.commands:
        assert f"\n.SS {command.name}" in plain(PAGE)
        for option in command.options:
            if option.dest != "help":
                assert flags_of(option) in plain(PAGE)


def test_manual_page_has_every_slash_command_exit_code_and_variable() -> None:
    terms = [*(slash.usage for slash in SLASHES.values()), *map(str, map(int, ExitCode)), *VARIABLES]
    assert [term for term in terms if f"\n.B {term}\n" not in plain(PAGE)] == []


def test_every_exit_code_has_a_meaning() -> None:
    assert list(EXITS) == list(ExitCode)


def test_no_text_of_the_manual_page_is_a_roff_request() -> None:
    requests = {line.split()[0] for line in PAGE.splitlines() if line.startswith((".", "'"))}
    assert requests <= {".TH", ".SH", ".SS", ".TP", ".PP", ".B", ".nf", ".fi"}


@pytest.mark.skipif(shutil.which("groff") is None, reason="there is no groff here")
def test_groff_formats_the_manual_page_without_warnings() -> None:
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-P-c"], input=PAGE, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert "chatterbox send ops -" in done.stdout
