"""Names of direct conversations: each pair of users has one, in any order and spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox.wire import direct_names, room_names, text_rules
from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits
from services.auth.rules import username_policy

LIMITS = Limits()


def _is_username(text: str) -> bool:
    try:
        username_policy.check(text)
    except ChatError:
        return False
    return True


LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
usernames = (
    st.text(st.sampled_from(LETTERS), min_size=3, max_size=32)
    | st.text(st.sampled_from("äöüßéèÄÖÜ" + LETTERS), min_size=3, max_size=8)
    | st.text(st.sampled_from("абвгдежАБВГДЕЖ"), min_size=3, max_size=8)
    | st.text(st.sampled_from("αβγσςΣΔ"), min_size=3, max_size=8)
).filter(_is_username)
pairs = st.tuples(usernames, usernames)


def folded_pair(pair: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(text_rules.folded, pair))


@given(pairs, pairs)
def test_two_pairs_have_the_same_address_exactly_if_they_are_the_same_users(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    addresses = [room_names.address(direct_names.direct_name(*pair), LIMITS) for pair in (one, other)]
    assert (addresses[0] == addresses[1]) == (folded_pair(one) == folded_pair(other))


@given(pairs)
def test_a_name_tells_who_the_two_are_in_their_spelling(pair: tuple[str, str]) -> None:
    name = direct_names.direct_name(*pair)
    assert folded_pair(direct_names.people(name)) == folded_pair(pair)
    assert set(direct_names.people(name)) <= set(pair)


@given(pairs)
def test_order_and_case_make_no_difference(pair: tuple[str, str]) -> None:
    one, other = pair
    address = room_names.address(direct_names.direct_name(one, other), LIMITS)
    for low, high in ((other, one), (one.upper(), other.lower()), (other.swapcase(), one.casefold())):
        try:
            assert room_names.address(f"@{low}+{high}", LIMITS) == address
        except ChatError as problem:  # a letter that folds to several may make the name too long
            assert max(map(len, (low, high))) > text_rules.USERNAME_MAX, problem  # noqa: PT017


@given(pairs)
def test_each_of_the_two_finds_the_other(pair: tuple[str, str]) -> None:
    one, other = pair
    name = direct_names.direct_name(one, other)
    assert text_rules.folded(direct_names.peer(name, one)) == text_rules.folded(other)
    assert text_rules.folded(direct_names.peer(name, other.upper())) == text_rules.folded(one)


@given(st.text(max_size=40))
def test_no_room_name_is_the_name_of_a_direct_conversation(text: str) -> None:
    try:
        name = room_names.room_name(text, LIMITS)
    except ChatError:
        return
    assert direct_names.people(name) == ()
    assert room_names.address(text, LIMITS) == name


@given(st.text(max_size=80).map(lambda text: f"@{text}"))
def test_any_text_has_an_address_or_is_refused(text: str) -> None:
    try:
        address = room_names.address(text, LIMITS)
    except ChatError as problem:
        assert problem.code is Code.ROOM_NAME_INVALID  # noqa: PT017
    else:
        assert folded_pair(direct_names.people(address)) == set(direct_names.people(address))


def test_the_plus_of_a_name_may_come_as_a_space_from_the_query_of_an_url() -> None:
    assert room_names.address("@ada bob", LIMITS) == "@ada+bob"


@pytest.mark.parametrize(
    "name", ["@", "@ada", "@ada+", "@+bob", "@ada+bob+eve", "@ada+b!b", "@a+b", f"@ada+{'b' * 999}"]
)
def test_names_that_are_no_pair_of_usernames_are_refused(name: str) -> None:
    with pytest.raises(ChatError) as refused:
        room_names.address(name, LIMITS)
    assert refused.value.code is Code.ROOM_NAME_INVALID


@given(pairs)
def test_an_encrypted_conversation_has_a_name_of_its_own_of_the_same_two(pair: tuple[str, str]) -> None:
    name, plain = direct_names.direct_name(*pair, encrypted=True), direct_names.direct_name(*pair)
    assert name != plain
    assert (direct_names.is_encrypted(name), direct_names.is_encrypted(plain)) == (True, False)
    assert direct_names.people(name) == direct_names.people(plain)
    address = room_names.address(name, LIMITS)
    assert direct_names.is_encrypted(address)
    assert address.replace("~", "+") == room_names.address(plain, LIMITS)
    assert [direct_names.peer(name, each) for each in pair] == [direct_names.peer(plain, each) for each in pair]


@pytest.mark.parametrize("name", ["@ada~bob+eve", "@ada+bob~eve", "@ada~", "@~bob", "@ada~bob~eve", "@~", "ada~bob"])
def test_what_is_no_name_of_an_encrypted_conversation_is_refused(name: str) -> None:
    with pytest.raises(ChatError) as refused:
        room_names.address(name, LIMITS)
    assert refused.value.code is Code.ROOM_NAME_INVALID
