"""Output and exit code of `chatterbox doctor`."""

import json
import re
from pathlib import Path

import pytest

from client.doctor.report import exit_code, json_report, lines, summary
from client.doctor.verdict import SHOWN_CHARS, CheckName, CheckResult, CheckStatus, failed, ok, shown, skipped, warning
from client.failures import ExitCode

FINE = ok(CheckName.DNS, "127.0.0.1")
WARNING = warning(CheckName.TLS, "not encrypted", "Use TLS.")
BROKEN = failed(CheckName.HTTP, "502", "Start it.")
INVALID = failed(CheckName.ADDRESS, "invalid", "Use another.")
NOT_CHECKED = skipped(CheckName.IDLE, "not checked, because http failed")


def test_a_result_is_one_line_with_its_advice_below() -> None:
    assert list(lines(FINE)) == ["ok       dns           127.0.0.1"]
    assert list(lines(WARNING)) == [
        "warning  tls           not encrypted",
        "                       -> Use TLS.",
    ]


def test_results_are_safe_for_a_terminal() -> None:
    assert list(lines(failed(CheckName.HTTP, "\x1b[2J", "\x9b\u202e"))) == [
        "failed   http          ␛[2J",
        "                       -> ‹U+009B›‹U+202E›",  # noqa: RUF001 - intended
    ]


@pytest.mark.parametrize(
    ("results", "status", "last"),
    [
        ([FINE], ExitCode.OK, "No problems found."),
        ([FINE, WARNING], ExitCode.OK, "The connection works, with 1 warning."),
        ([FINE, WARNING, BROKEN], ExitCode.UNREACHABLE, "Problem found: http."),
        ([BROKEN, NOT_CHECKED], ExitCode.UNREACHABLE, "Problem found: http. Not checked: idle."),
        ([INVALID], ExitCode.USAGE, "Problem found: address."),
    ],
)
def test_summary_and_exit_code_follow_from_the_results(results: list[CheckResult], status: ExitCode, last: str) -> None:
    assert exit_code(results) is status
    assert summary(results) == last
    assert json.loads(json_report("http://x", results))["ok"] is (status is ExitCode.OK)


def test_json_report_is_one_line_of_ascii() -> None:
    report = json_report("http://x\x9b", [failed(CheckName.HTTP, "\x7fé\n\u202e", "x")])
    assert report.isascii()
    assert report.isprintable()
    assert json.loads(report)["checks"][0] == {
        "check": "http", "status": "failed", "seen": "\x7fé\n\u202e", "advice": "x",
    }  # fmt: skip


def test_foreign_text_is_truncated_and_on_one_line() -> None:
    assert shown("a\n b\t\x1bc") == "a b ␛c"
    assert len(shown("x" * 10_000)) == SHOWN_CHARS + 1
    assert shown("x" * SHOWN_CHARS) == "x" * SHOWN_CHARS


def test_names_of_checks_and_statuses_are_stable() -> None:
    """Scripts depend on them."""
    assert [*CheckStatus] == ["ok", "warning", "failed", "skipped"]
    assert [*CheckName] == [
        "home", "terminal", "clipboard",
        "address", "dns", "tcp", "tls", "http", "clock", "websocket", "token", "round trip", "large frames", "idle",
    ]  # fmt: skip


def test_docs_describe_each_check() -> None:
    page = (Path(__file__).parents[4] / "docs" / "doctor.md").read_text()
    assert re.findall(r"^\| `([a-z ]+)` \|", page, re.MULTILINE) == [*CheckName]
