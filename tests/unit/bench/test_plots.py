from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.axes import Axis
from bench.ladder import Rung
from bench.plots import bars, curves, draw, points
from bench.report import Results


class TestAnAxis:
    axis = Axis.over([20, 4000], 0, 300)

    def test_goes_from_a_power_of_ten_to_another(self) -> None:
        assert self.axis.ticks == [10, 100, 1000, 10_000]

    def test_has_powers_of_ten_at_the_same_distance(self) -> None:
        assert [self.axis.at(tick) for tick in self.axis.ticks] == pytest.approx([0, 100, 200, 300])

    def test_has_a_length_for_a_single_value(self) -> None:
        assert Axis.over([10], 0, 300).at(10) == 0


class TestAPicture:
    def test_is_svg(self) -> None:
        for picture in (bars("CPU", {"A & B": 1.0, "Chatterbox": 2.0}), curves({"A <B>": [(100, 1.0), (200, 500.0)]})):
            assert ElementTree.fromstring(picture).tag.endswith("svg")

    def test_is_none_of_nothing(self) -> None:
        assert bars("CPU", {}) == curves({}) == curves({"deaf": [(0.0, 0.0)]}) == ""

    def test_has_the_medians_of_each_rate(self) -> None:
        rounds = [[Rung(1, 10, 1, True), Rung(2, 20, 2, True)], [Rung(1, 30, 3, True)]]
        assert points(rounds) == [(20, 2), (20, 2)]


def test_only_what_was_measured_is_drawn(tmp_path: Path) -> None:
    results = Results({}, "", 1)
    results.add("w1", "Chatterbox", {"cpu_us_per_delivery": 1.0})
    results.add("w1", "a peer that fell", {})
    assert [path.name for path in draw(results, tmp_path / "plots")] == ["w1.svg"]
    assert "fell" not in (tmp_path / "plots" / "w1.svg").read_text()
