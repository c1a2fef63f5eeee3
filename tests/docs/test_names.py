"""Names that a reader can search for: modules, classes and folders of the product, and the glossary."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from docs.tracked import tracked

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
PLAIN = re.compile(
    r"nobody has spoken here yet|everyone, rooms[^|]{0,90}nobody|[\"'`]nobody[\"'`]|^nobody(?=$| may write)",
    re.IGNORECASE,
)
"""Sentences in which one of them is plain, and the value `nobody` of a setting."""
WORD_LISTS = {"username_policy.py"}
"""Modules with lists of words, not sentences."""


def modules() -> Iterator[Path]:
    for package in PRODUCT:
        yield from tracked(ROOT, package, ".py")


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


def kinds(pattern: ast.pattern) -> bool:
    """Whether a pattern names a class or an enum's member, as opposed to a literal."""
    match pattern:
        case ast.MatchAs(pattern=ast.pattern() as inner):
            return kinds(inner)
        case ast.MatchOr(patterns=patterns) | ast.MatchSequence(patterns=patterns):
            return any(map(kinds, patterns))
        case ast.MatchClass() | ast.MatchValue(value=ast.Attribute()):
            return True
        case _:
            return False


def irrefutable(pattern: ast.pattern) -> bool:
    """Whether a pattern matches anything of the right length."""
    match pattern:
        case ast.MatchAs(pattern=None):
            return True
        case ast.MatchAs(pattern=ast.pattern() as inner):
            return irrefutable(inner)
        case ast.MatchSequence(patterns=patterns):
            return all(map(irrefutable, patterns))
        case _:
            return False


def test_a_match_over_kinds_ends_in_a_wildcard() -> None:
    """Without `case _`, a new kind would be ignored in silence; with `assert_never` mypy refuses it."""
    missing = []
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Match) and any(kinds(case.pattern) for case in node.cases):
                last = node.cases[-1]
                if last.guard is not None or not irrefutable(last.pattern):
                    missing.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert "\n".join(missing) == ""


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
    pages += [*tracked(ROOT, "docs", ".md"), *tracked(ROOT, "deploy", ".md"), ROOT / "bench" / "README.md"]
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in pages
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if words.search(PLAIN.sub("", line))
    ]
    found += [
        f"{path.relative_to(ROOT)}:{number}: {text[:80]!r}"
        for path in modules()
        for number, text in strings(path)
        if words.search(PLAIN.sub("", text)) and path.name not in WORD_LISTS
    ]
    assert "\n".join(found) == ""
