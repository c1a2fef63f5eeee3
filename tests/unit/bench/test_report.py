import json
from typing import Any

from bench.loadgen import Load, parse
from bench.measure import Outcome
from bench.report import Results, as_data, as_markdown, as_text, tables
from bench.workloads import WORKLOADS
from tests.unit.bench.test_loadgen import RESULT


def results(**changed: Any) -> Results:
    found = Results({"CPU": "Fast 9000"}, "2026-01-01 00:00 UTC", rounds=2, **changed)
    for value in (100.0, 300.0):
        found.add("closed-1", "Chatterbox", {"acked_per_s": value, "ack_p50_ms": 1.0})
    return found


class TestTheTables:
    def test_show_what_was_measured_and_nothing_else(self) -> None:
        (sends,) = tables(results())
        assert sends.title == "Sends"
        assert sends.rows[0][1:4] == ("Chatterbox", "200 (100…300)", "1.00 (1.00…1.00)")

    def test_have_a_row_for_each_server(self) -> None:
        two = results()
        two.add("closed-1", "a peer", {"acked_per_s": 50.0})
        assert [row[1] for row in tables(two)[0].rows] == ["Chatterbox", "a peer"]

    def test_have_as_many_cells_as_heads(self) -> None:
        for table in tables(results(commits=[{"single_per_s": 1.0}])):
            assert {len(row) for row in table.rows} == {len(table.heads)}

    def test_are_aligned_on_the_screen(self) -> None:
        lines = as_text(results()).splitlines()
        assert len(lines) == 3
        assert lines[1].rstrip().endswith("% of a core")
        assert len(lines[1]) == len(lines[2])


class TestTheMarkdown:
    def test_says_on_what_and_how_often_it_was_measured(self) -> None:
        page = as_markdown(results())
        assert "- **CPU**: Fast 9000" in page
        assert "rounds: 2" in page

    def test_has_tables_whose_lines_have_as_many_columns(self) -> None:
        lines = [line for line in as_markdown(results()).splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) == 1

    def test_tells_of_troubles(self) -> None:
        assert "- something was lost" in as_markdown(results(troubles=["something was lost"]))


class TestTheData:
    def test_survives_json_with_every_rounds_value(self) -> None:
        data = json.loads(json.dumps(as_data(results())))
        assert data["results"][0]["figures"]["acked_per_s"]["values"] == [100.0, 300.0]


class TestTheWorkloads:
    def test_have_names_of_their_own(self) -> None:
        assert len({workload.name for workload in WORKLOADS}) == len(WORKLOADS)

    def test_give_every_figure_of_their_table(self) -> None:
        for workload in WORKLOADS:
            others_s = {"history": 0.1, "redis": 0.1}
            outcome = Outcome(Load(members=2, senders=1), parse(json.dumps(RESULT)), cpu_s=0.1, others_cpu_s=others_s)
            assert set(workload.group.read(outcome)) >= {figure.key for figure in workload.group.figures}

    def test_put_every_sender_into_a_room_that_was_made(self) -> None:
        assert all(workload.load.rooms <= 100 for workload in WORKLOADS)
