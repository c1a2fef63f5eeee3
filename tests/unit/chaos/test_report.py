"""Reports of chaos runs, as a Markdown table and as JSON."""

import json

import msgspec
import pytest

from tests.chaos.report import HEADINGS, MOST_SENTENCES, Report, from_json, to_json, to_markdown
from tests.chaos.verdict import Counts, Fault, Invariant, Verdict, Violation

LOSS = Violation(Invariant.ACKED_IS_STORED, "'m1' was acked at ops e/1 but is not stored.", Fault.LOST)
GAP = Violation(Invariant.STREAM_IN_ORDER, "ada/1 in ops: 1 missing between 0 and 2.", Fault.GAP)


def report(*violations: Violation, fault: str = "kill a gateway", recovery_s: float | None = 1.25) -> Report:
    counts = Counts(sent=1200, acked=1190, unknown=8, refused=2, delivered=120_000, lost=len(violations))
    verdict = Verdict(violations=list(violations), counts=counts, recovery_s=recovery_s)
    return Report(fault=fault, site="processes", seed=7, verdict=verdict)


def row(text: str, number: int = 0) -> dict[str, str]:
    """The cells of a run's row, by heading."""
    cells = text.splitlines()[2 + number].strip("|").split(" | ")
    return dict(zip(HEADINGS, (cell.strip() for cell in cells), strict=True))


class TestTable:
    def test_table_has_a_heading_for_every_cell(self) -> None:
        heading, rule, line = to_markdown([report()]).splitlines()
        assert heading.count("|") == rule.count("|") == line.count("|")

    def test_table_row_has_fault_site_and_seed(self) -> None:
        cells = row(to_markdown([report()]))
        assert (cells["fault"], cells["site"], cells["seed"]) == ("kill a gateway", "processes", "7")

    def test_table_row_has_the_counts(self) -> None:
        cells = row(to_markdown([report()]))
        assert (cells["sent"], cells["acked"], cells["delivered"], cells["lost"]) == ("1,200", "1,190", "120,000", "0")

    def test_table_row_has_the_recovery_time(self) -> None:
        assert row(to_markdown([report()]))["recovery"] == "1.2 s"

    def test_table_row_has_a_dash_without_recovery(self) -> None:
        assert row(to_markdown([report(recovery_s=None)]))["recovery"] == "-"

    def test_table_keeps_the_order_of_the_runs(self) -> None:
        text = to_markdown([report(fault="one"), report(fault="two")])
        assert [row(text, 0)["fault"], row(text, 1)["fault"]] == ["one", "two"]

    def test_table_cells_escape_pipes_and_newlines(self) -> None:
        text = to_markdown([report(fault="stop | start\nagain")])
        assert "| stop \\| start again |" in text


class TestViolations:
    def test_clean_run_lists_no_violations(self) -> None:
        text = to_markdown([report()])
        assert row(text)["violations"] == "none"
        assert len(text.splitlines()) == 3

    def test_violations_are_counted_by_invariant(self) -> None:
        assert row(to_markdown([report(LOSS, LOSS, GAP)]))["violations"] == "I1 × 2, I4 × 1"  # noqa: RUF001

    def test_violations_are_listed_below_the_table(self) -> None:
        assert f"- {GAP}" in to_markdown([report(GAP)]).splitlines()

    def test_violations_are_listed_with_their_invariants(self) -> None:
        promises = [line for line in to_markdown([report(GAP)]).splitlines() if line.startswith("- I4: A connection")]
        assert len(promises) == 1

    def test_list_of_violations_is_truncated(self) -> None:
        lines = to_markdown([report(*[LOSS] * 1500)]).splitlines()
        assert lines.count(f"- {LOSS}") == MOST_SENTENCES
        assert "- and 1,490 more" in lines


class TestJson:
    def test_json_round_trip_keeps_everything(self) -> None:
        reports = [report(LOSS, GAP), report(recovery_s=None)]
        assert from_json(to_json(reports)) == reports

    def test_json_of_a_report_is_plain(self) -> None:
        (run,) = json.loads(to_json([report(LOSS)]))
        assert run["verdict"]["violations"][0]["invariant"] == "I1"
        assert run["verdict"]["counts"]["lost"] == 1

    def test_json_of_another_shape_is_rejected(self) -> None:
        with pytest.raises(msgspec.ValidationError):
            from_json(b'[{"fault": 1}]')
