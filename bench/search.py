"""`python -m bench.search`: what searching encrypted conversations costs. Prints each figure beside its bar.

The messages are made of words with the frequencies of a language (Zipf), so that some are in most messages.
"""

import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from client.encryption.search.local_search import LocalSearch
from client.encryption.search.read_batch import ReadBatch, ReadMessage, TextState
from client.encryption.search.search_index import SearchIndex
from client.encryption.search.search_store import StoredIndex, append
from client.encryption.store.key_store import KEY_BYTES, KeyStore

MESSAGES, PAGE, WORDS, VOCABULARY = 20_000, 200, 10, 8000
ROUNDS = 7
BARS_MS = {"index": 500.0, "open": 30.0, "search": 20.0}
_LETTERS = "etaoinshrdlucmfwypvbgk"


def main() -> None:
    """Measure, and exit with 1 if a bar is not kept."""
    chance = random.Random(1)
    words = ["".join(chance.choices(_LETTERS, k=chance.randint(1, 9))) for _ in range(VOCABULARY)]
    pages = _pages(chance, words)
    figures = {"index": [_index(pages) for _ in range(ROUNDS)]}
    with tempfile.TemporaryDirectory() as folder:
        figures |= _stored(Path(folder) / "store.sqlite3", pages, words)
    kept = [_shown(name, values) for name, values in figures.items()]
    raise SystemExit(0 if all(kept) else 1)


def _pages(chance: random.Random, words: list[str]) -> list[ReadBatch]:
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    texts = [" ".join(chance.choices(words, weights, k=WORDS)) for _ in range(MESSAGES)]
    return [
        ReadBatch("u", "@ada~bob", "e", tuple(_message(first + at, texts[first + at]) for at in range(PAGE)))
        for first in range(0, MESSAGES, PAGE)
    ]


def _message(offset: int, text: str) -> ReadMessage:
    minute, second = divmod(offset, 60)
    hour, minute = divmod(minute, 60)
    return ReadMessage(
        offset + 1, 0, f"2026-11-30T{hour:02d}:{minute:02d}:{second:02d}Z", "ada", text, "", TextState.TEXT
    )


def _index(pages: list[ReadBatch]) -> float:
    return _took_ms(lambda: SearchIndex().add(pages))


def _stored(path: Path, pages: list[ReadBatch], words: list[str]) -> dict[str, list[float]]:
    """What it costs with the key store: a page's journal, the snapshot, opening it, and searches."""
    key = os.urandom(KEY_BYTES)
    figures: dict[str, list[float]] = {"journal of a page": [], "snapshot": [], "open": [], "search": []}
    with closing(KeyStore(path, key)) as store:
        for page in pages:
            with store.transaction() as transaction:
                figures["journal of a page"].append(_took_ms(lambda page=page: append(transaction, [page])))  # type: ignore[misc]
        for _ in range(ROUNDS):
            with store.transaction() as transaction:
                append(transaction, pages[:10])
                figures["snapshot"].append(_took_ms(lambda: StoredIndex().compact(transaction)))
    for _ in range(ROUNDS):
        with closing(LocalSearch(lambda: KeyStore(path, key))) as search:
            figures["open"].append(_took_ms(search.refresh))
            for typed in (words[0], words[0][0], words[5], f"{words[0]} {words[1][:1]}", words[-1], "🎉", '"a b"'):
                figures["search"].append(_took_ms(lambda typed=typed: search.find(typed, "@ada~bob")))  # type: ignore[misc]
    return figures


def _took_ms(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return (time.perf_counter() - begin) * 1000


def _shown(name: str, values: list[float]) -> bool:
    """Print the median and the worst. The worst search counts; of the rest, the median."""
    bar = BARS_MS.get(name)
    figure = max(values) if name == "search" else statistics.median(values)
    print(f"{name:18} median {statistics.median(values):8.2f} ms   worst {max(values):8.2f} ms   bar {bar or '-'}")
    return bar is None or figure <= bar


if __name__ == "__main__":
    main()
