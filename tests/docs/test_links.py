"""Links in the docs lead somewhere, and the make targets that they name exist."""

import re
from pathlib import Path

import pytest

from docs import tables

PAGES = sorted(tables.pages())
_LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")
_TARGET = re.compile(r"(?:^\$ |`)make ([a-z]+)", re.MULTILINE)
by_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(tables.ROOT)))


@by_page
def test_every_link_leads_to_a_file(page: Path) -> None:
    links = _LINK.findall(page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@by_page
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (tables.ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(_TARGET.findall(page.read_text())) - targets == set()


@by_page
def test_no_page_names_a_machine_or_a_registry(page: Path) -> None:
    assert re.findall(r"/(?:work|root|tmp/w)/|pypi\.|pythonhosted|npmjs|deb\.debian", page.read_text()) == []
