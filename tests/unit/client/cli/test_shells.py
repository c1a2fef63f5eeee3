"""Words as shells give them: bash makes several of one wherever it meets '=' or ':'."""

import pytest

from client.cli.shells import typed_before, whole


@pytest.mark.parametrize(
    ("pieces", "words", "before"),
    [
        ([], [], ""),
        (["tail", ""], ["tail", ""], ""),
        (["tail", "op"], ["tail", "op"], ""),
        (["--server", "http", ":", "//x", ":", "80", "ta"], ["--server", "http://x:80", "ta"], ""),
        (["--server", "http", ":"], ["--server", "http:"], "http:"),
        (["tail", "--resume", "="], ["tail", "--resume="], "--resume="),
        (["tail", "--resume", "=", "m"], ["tail", "--resume=m"], "--resume="),
        (["tail", "--resume", "=", "m", ""], ["tail", "--resume=m", ""], ""),
        (["tail", "--resume=m"], ["tail", "--resume=m"], ""),
    ],
)
def test_pieces_are_the_words_that_were_typed(pieces: list[str], words: list[str], before: str) -> None:
    assert whole(pieces) == words
    assert typed_before(pieces) == before
