"""Names that a reader can search for: modules, classes and folders of the product, and the glossary."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRODUCT = ("chatterbox", "services", "client")
MODULES_PER_FOLDER = 15
SAME_ROLE = {"__init__", "__main__", "app", "settings", "metrics", "restore", "public_routes", "internal_routes"}
"""Modules that each service has for the same purpose, so they share a name."""
NOUNS = {"pacing", "gc_tuning"}
"""Words ending in -ing that are nouns of the field."""
REJECTED = (
    "whoever",
    "somebody",
    "nobody",
    "anew",
    "so many",
    "of whom",
    "there is not",
    "is told of",
    "what is not",
)
"""Words that plain technical English does without."""


def modules() -> Iterator[Path]:
    for package in PRODUCT:
        yield from sorted((ROOT / package).rglob("*.py"))


def duplicates(found: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: places for name, places in found.items() if len(places) > 1}


def test_no_product_module_is_named_by_a_gerund() -> None:
    assert [path.name for path in modules() if path.stem.endswith("ing") and path.stem not in NOUNS] == []


def test_no_two_product_modules_share_a_name_unless_they_have_the_same_role() -> None:
    found: dict[str, list[str]] = defaultdict(list)
    for path in modules():
        if path.stem not in SAME_ROLE:
            found[path.stem].append(str(path.relative_to(ROOT)))
    assert duplicates(found) == {}


def test_no_two_product_classes_share_a_name() -> None:
    found: dict[str, list[str]] = defaultdict(list)
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(str(path.relative_to(ROOT)))
    assert duplicates(found) == {}


def test_no_product_folder_has_more_than_fifteen_modules() -> None:
    found: dict[Path, int] = defaultdict(int)
    for path in modules():
        found[path.parent] += path.stem != "__init__"
    assert {str(folder.relative_to(ROOT)): count for folder, count in found.items() if count > MODULES_PER_FOLDER} == {}


def test_every_product_module_says_what_it_is_for() -> None:
    assert [
        str(path.relative_to(ROOT)) for path in modules() if not ast.get_docstring(ast.parse(path.read_text()))
    ] == []


def test_every_closed_match_ends_in_a_wildcard() -> None:
    """A `match` without `case _` ignores a new kind in silence; with `assert_never` mypy refuses it."""
    missing = []
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Match):
                last = node.cases[-1]
                if not (isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None and last.guard is None):
                    missing.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert missing == []


def glossary() -> list[tuple[str, str]]:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    table = text[text.index("## Glossary") :].split("\n## ")[0]
    return re.findall(r"^\| ([a-z][a-z -]*) \| .* \| `([^`]+)` \|$", table, re.MULTILINE)


def test_glossary_terms_are_sorted_and_point_to_files_that_exist() -> None:
    terms = glossary()
    assert len(terms) > 30
    assert [term for term, _ in terms] == sorted(term for term, _ in terms)
    assert [place for _, place in terms if not (ROOT / place).exists()] == []


def strings(path: Path) -> Iterator[tuple[int, str]]:
    """String constants of a module, docstrings included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def test_texts_of_the_product_and_its_docs_use_plain_words() -> None:
    words = re.compile(r"\b(" + "|".join(REJECTED) + r")\b", re.IGNORECASE)
    pages = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    pages += [*(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md"), ROOT / "bench" / "README.md"]
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in pages
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if words.search(line)
    ]
    found += [
        f"{path.relative_to(ROOT)}:{number}: {text[:80]!r}"
        for path in modules()
        for number, text in strings(path)
        if words.search(text)
    ]
    assert found == []
