"""`LruDict`: bounded, and evicts what was used least recently."""

from hypothesis import given
from hypothesis import strategies as st

from chatterbox.chassis.core.lru_dict import LruDict

keys = st.lists(st.integers(0, 30), max_size=200)


@given(keys=keys)
def test_lru_dict_never_holds_more_than_its_limit(keys: list[int]) -> None:
    cache: LruDict[int, int] = LruDict(5)
    for key in keys:
        cache.put(key, key)
    assert len(cache) == min(5, len(set(keys)))


@given(keys=keys)
def test_lru_dict_keeps_the_most_recently_used_keys(keys: list[int]) -> None:
    cache: LruDict[int, int] = LruDict(5)
    for key in keys:
        if cache.get(key) is None:
            cache.put(key, key)
    recent = list(dict.fromkeys(reversed(keys)))
    assert [cache.get(key) for key in recent[:5]] == recent[:5]
    assert all(cache.get(key) is None for key in recent[5:])


def test_dropping_an_absent_key_changes_nothing() -> None:
    cache: LruDict[str, int] = LruDict(5)
    cache.put("a", 1)
    cache.drop("b")
    cache.drop("a")
    assert (cache.get("a"), len(cache)) == (None, 0)
