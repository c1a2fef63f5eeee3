import pytest

from client.encryption.core.device_list_chain import ListPlace, Succession, succession

HELD = ListPlace(generation=2, version=5, digest="d5", self_signing="s2")


@pytest.mark.parametrize(
    ("offered", "expected"),
    [
        (HELD, Succession.SAME),
        (ListPlace(generation=2, version=6, digest="d6", self_signing="s2"), Succession.NEWER),
        (ListPlace(generation=2, version=9, digest="d9", self_signing="s2"), Succession.NEWER),
        (ListPlace(generation=3, version=6, digest="d6", self_signing="s3"), Succession.NEWER),
        (ListPlace(generation=2, version=4, digest="d4", self_signing="s2"), Succession.LOWER),
        (ListPlace(generation=1, version=9, digest="d9", self_signing="s1"), Succession.LOWER),
        (ListPlace(generation=2, version=5, digest="other", self_signing="s2"), Succession.CONFLICTING),
        (ListPlace(generation=2, version=6, digest="d6", self_signing="other"), Succession.CONFLICTING),
        (ListPlace(generation=3, version=5, digest="d5", self_signing="s3"), Succession.CONFLICTING),
    ],
)
def test_a_list_is_compared_with_the_highest_seen(offered: ListPlace, expected: Succession) -> None:
    assert succession(HELD, offered) is expected


def test_the_first_list_is_newer_than_none() -> None:
    assert succession(None, HELD) is Succession.NEWER
