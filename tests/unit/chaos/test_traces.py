"""Traceable words are found in files and in the memory of a process."""

import os
from pathlib import Path

import pytest

from tests.chaos import traces
from tests.support.traceable_words import new_word, word_in, words_in


def test_word_is_found_in_a_text_and_in_bytes() -> None:
    word = new_word()
    assert (word_in(f"hello {word}!"), word_in("hello")) == (word, "")
    assert list(words_in(f"\0{word}\xff{word}".encode())) == [word, word]


def test_word_is_found_in_each_file_but_the_backup(tmp_path: Path) -> None:
    word = new_word()
    for name in ("copy.sqlite", "log", "data/history.sqlite"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"\0" * 5000 + word.encode())
    found = traces.in_files(tmp_path, without=("copy",))
    assert found == {"log": {word}, "data/history.sqlite": {word}}


def test_word_is_found_in_the_memory_of_a_process() -> None:
    if not traces.is_memory_readable(os.getpid()):
        pytest.skip(traces.LACK)
    word, unknown = new_word(), new_word().replace("trace-", "")
    found = traces.in_memory(os.getpid())
    assert word in found
    assert f"other-{unknown}" not in found
