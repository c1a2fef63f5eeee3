"""The docs say what the code does."""

from pathlib import Path

import pytest

from docs import tables


@pytest.mark.parametrize("page", sorted(tables.pages()), ids=lambda page: str(page.relative_to(tables.ROOT)))
def test_tables_in_the_docs_are_those_of_the_code(page: Path) -> None:
    assert page.read_text() == tables.render(page.read_text()), "run: .venv/bin/python -m docs.tables"


@pytest.mark.parametrize("file", sorted(tables.FILES), ids=lambda file: file.name)
def test_files_that_are_made_from_the_code_are_as_it_makes_them(file: Path) -> None:
    assert file.read_text() == tables.FILES[file](), "run: .venv/bin/python -m docs.tables"


def test_every_table_that_can_be_made_stands_somewhere() -> None:
    everything = "".join(page.read_text() for page in tables.pages())
    assert [name for name in tables.TABLES if f"<!-- table: {name} -->" not in everything] == []
