"""What is printed, and with which status it ends."""

import json
import re
from pathlib import Path

import pytest

from client.doctor.report import exit_code, json_report, lines, summary
from client.doctor.verdict import SHOWN_CHARS, CheckName, CheckResult, CheckStatus, failed, ok, shown, skipped, warning
from client.failures import ExitCode

FINE = ok(CheckName.DNS, "127.0.0.1")
WARNED = warning(CheckName.TLS, "not encrypted", "Use TLS.")
BROKEN = failed(CheckName.HTTP, "502", "Start it.")
BARRED = failed(CheckName.ADDRESS, "not one", "Write another.")
LEFT_OUT = skipped(CheckName.IDLE, "not checked, because http failed")


def test_a_verdict_is_a_line_and_its_advice_stands_below() -> None:
    assert list(lines(FINE)) == ["ok       dns           127.0.0.1"]
    assert list(lines(WARNED)) == [
        "warning  tls           not encrypted",
        "                       -> Use TLS.",
    ]


def test_no_verdict_reaches_the_terminal_with_anything_that_it_obeys() -> None:
    assert list(lines(failed(CheckName.HTTP, "\x1b[2J", "\x9b\u202e"))) == [
        "failed   http          ␛[2J",
        "                       -> ‹U+009B›‹U+202E›",  # noqa: RUF001 - meant so
    ]


@pytest.mark.parametrize(
    ("verdicts", "status", "last"),
    [
        ([FINE], ExitCode.OK, "No problems found."),
        ([FINE, WARNED], ExitCode.OK, "The connection works, with 1 warning."),
        ([FINE, WARNED, BROKEN], ExitCode.UNREACHABLE, "Problem found: http."),
        ([BROKEN, LEFT_OUT], ExitCode.UNREACHABLE, "Problem found: http. Not checked: idle."),
        ([BARRED], ExitCode.USAGE, "Problem found: address."),
    ],
)
def test_it_ends_with_what_all_of_it_means(verdicts: list[CheckResult], status: ExitCode, last: str) -> None:
    assert exit_code(verdicts) is status
    assert summary(verdicts) == last
    assert json.loads(json_report("http://x", verdicts))["ok"] is (status is ExitCode.OK)


def test_for_machines_it_is_one_line_of_ascii() -> None:
    told = json_report("http://x\x9b", [failed(CheckName.HTTP, "\x7fé\n\u202e", "x")])
    assert told.isascii()
    assert told.isprintable()
    assert json.loads(told)["checks"][0] == {
        "check": "http", "status": "failed", "seen": "\x7fé\n\u202e", "advice": "x",
    }  # fmt: skip


def test_what_others_write_is_repeated_in_part_and_on_one_line() -> None:
    assert shown("a\n b\t\x1bc") == "a b ␛c"
    assert len(shown("x" * 10_000)) == SHOWN_CHARS + 1
    assert shown("x" * SHOWN_CHARS) == "x" * SHOWN_CHARS


def test_checks_and_states_keep_their_names() -> None:
    """They are part of the command's contract with scripts."""
    assert [*CheckStatus] == ["ok", "warning", "failed", "skipped"]
    assert [*CheckName] == [
        "address", "dns", "tcp", "tls", "http", "clock", "websocket", "token", "round trip", "large frames", "idle",
    ]  # fmt: skip


def test_the_page_about_it_describes_each_check() -> None:
    page = (Path(__file__).parents[4] / "docs" / "doctor.md").read_text()
    assert re.findall(r"^\| `([a-z ]+)` \|", page, re.MULTILINE) == [*CheckName]
