"""Tab completion."""

import pytest

from client.screen.input.emoji_names import EMOJI
from client.screen.input.tab_completion import CompletionSources, complete

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
