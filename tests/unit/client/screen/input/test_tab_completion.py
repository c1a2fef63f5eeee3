"""Tab completion."""

import pytest

from client.screen.input.emoji_names import EMOJI
from client.screen.input.tab_completion import Completion, CompletionSources, complete

SOURCES = CompletionSources(["join", "leave"], ["bob", "barbara"], ["general", "ops"])


@pytest.mark.parametrize(
    ("before", "choices"),
    [
        ("/j", ("/join ",)),
        ("/join o", ("ops",)),
        ("b", ("bob: ", "barbara: ")),
        ("hi b", ("bob ", "barbara ")),
        ("hi @ba", ("@barbara ",)),
        ("see #g", ("#general ",)),
        ("yes :tad", (EMOJI["tada"],)),
        ("line\nbo", ("bob ",)),
    ],
)
def test_last_word_is_completed(before: str, choices: tuple[str, ...]) -> None:
    found = complete(before, SOURCES)
    assert found is not None
    assert found.choices == choices


@pytest.mark.parametrize("before", ["", "hi ", "zzz", ":", "http://b"])
def test_word_without_a_match_is_not_completed(before: str) -> None:
    assert complete(before, SOURCES) is None


def test_path_after_a_command_is_completed_with_its_spaces() -> None:
    paths = {"my pl": ["my plan.pdf", "my place/"], "": ["a"]}
    sources = CompletionSources(paths=lambda begun: paths.get(begun, []))
    assert complete("/upload my pl", sources) == Completion(8, ("my plan.pdf", "my place/"))
    assert complete("/save last ", sources) == Completion(11, ("a",))
    assert complete("/upload none", sources) is None
    assert complete("/save la", sources) == Completion(6, ("last",))
