"""Words are found in what living objects refer to, not in memory that is free."""

import collections
import gc
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import msgspec

from tests.support.living_words import living_words
from tests.support.traceable_words import new_word
from tests.support.waiting import wait_until


class Told(msgspec.Struct, gc=False):
    """No collection traverses it."""

    text: str


class Place(NamedTuple):
    text: str


def test_words_of_all_kinds_of_objects_are_found() -> None:
    words = [new_word() for _ in range(6)]
    kept = (
        collections.deque([words[0].encode()]),
        {"key": [Told(f"text {words[1]}")]},
        bytearray(words[2].encode()),
        memoryview(words[3].encode()),
        Place(f"{words[4]}"),
        lambda text=words[5]: text,
    )
    assert set(words) <= living_words()
    assert kept


def test_words_of_frozen_objects_are_found() -> None:
    kept = [new_word()]
    gc.freeze()
    assert kept[0] in living_words()


def test_a_word_that_nothing_refers_to_any_more_is_not_found() -> None:
    half = new_word().removeprefix("trace-")
    kept = [f"{'trace'}-{half}"]
    assert f"{'trace'}-{half}" in living_words()
    kept.clear()
    assert half not in {word.removeprefix("trace-") for word in living_words()}


def test_a_process_writes_its_words_when_it_is_asked_to(tmp_path: Path) -> None:
    word, module, file = new_word(), tmp_path / "waiting.py", tmp_path / "words"
    module.write_text(f"import sys, time\nkept = ['a text with {word}']\nprint('ready', flush=True)\ntime.sleep(60)\n")
    command = [sys.executable, "-m", "tests.support.living_words", str(file), "waiting"]
    environment = {"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[3]}"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            process.send_signal(signal.SIGUSR2)
            wait_until(file.exists, "words are written")
            assert file.read_text().split() == [word]
        finally:
            process.kill()
