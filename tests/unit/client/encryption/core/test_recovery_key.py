import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.encryption.core.recovery_key import (
    GROUP_CHARS,
    GROUPS,
    RecoveryKeyError,
    format_recovery_key,
    group_of,
    is_group,
    parse_recovery_key,
)

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
KEYS = st.binary(min_size=16, max_size=16)


@given(KEYS)
def test_a_recovery_key_is_read_back_from_its_text(key: bytes) -> None:
    text = format_recovery_key(key)
    assert parse_recovery_key(text) == key
    assert [len(group) for group in text.split("-")] == [GROUP_CHARS] * GROUPS


@given(KEYS, st.sampled_from(["", " ", "-", "  ", "\n"]))
def test_case_separators_and_misread_characters_do_not_matter(key: bytes, separator: str) -> None:
    text = format_recovery_key(key).replace("-", separator).lower().replace("0", "o").replace("1", "l")
    assert parse_recovery_key(f" {text} ") == key
    assert parse_recovery_key(text.replace("l", "I")) == key


@given(KEYS, st.integers(0, 27), st.sampled_from(ALPHABET))
def test_the_group_of_one_wrong_character_is_named(key: bytes, place: int, wrong: str) -> None:
    symbols = list(format_recovery_key(key).replace("-", ""))
    if symbols[place] == wrong:
        return
    symbols[place] = wrong
    with pytest.raises(RecoveryKeyError) as problem:
        parse_recovery_key("".join(symbols))
    assert problem.value.group in {place // GROUP_CHARS + 1, None}


@given(KEYS, st.lists(st.tuples(st.integers(0, 27), st.sampled_from(ALPHABET)), min_size=1, max_size=2))
def test_up_to_two_wrong_characters_are_always_found(key: bytes, wrong: list[tuple[int, str]]) -> None:
    symbols = list(format_recovery_key(key).replace("-", ""))
    changed = list(symbols)
    for place, symbol in wrong:
        changed[place] = symbol
    if changed != symbols:
        with pytest.raises(RecoveryKeyError):
            parse_recovery_key("".join(changed))


@given(KEYS, st.integers(0, 26))
def test_two_exchanged_neighbors_are_always_found(key: bytes, place: int) -> None:
    symbols = list(format_recovery_key(key).replace("-", ""))
    if symbols[place] == symbols[place + 1]:
        return
    symbols[place], symbols[place + 1] = symbols[place + 1], symbols[place]
    with pytest.raises(RecoveryKeyError) as problem:
        parse_recovery_key("".join(symbols))
    assert problem.value.group in {place // 4 + 1, (place + 1) // 4 + 1, None}


def test_most_single_errors_name_their_group() -> None:
    text = format_recovery_key(bytes(range(16)))
    named = 0
    symbols = text.replace("-", "")
    for place in range(28):
        for wrong in ALPHABET:
            if wrong != symbols[place]:
                with pytest.raises(RecoveryKeyError) as problem:
                    parse_recovery_key(symbols[:place] + wrong + symbols[place + 1 :])
                named += problem.value.group == place // 4 + 1
    assert named > 0.9 * 28 * 31


@given(st.text())
def test_any_text_is_a_key_or_refused(text: str) -> None:
    try:
        key = parse_recovery_key(text)
    except RecoveryKeyError:
        return
    assert parse_recovery_key(format_recovery_key(key)) == key


@pytest.mark.parametrize(
    ("text", "group"),
    [
        ("0000-0000-000U-0000-0000-0000-0000", 3),
        ("0000-0000-000-0000-0000-0000-0000", 3),
        ("0000-0000-0000", None),
        ("", None),
    ],
)
def test_a_key_of_wrong_form_names_the_group_if_it_can_be_told(text: str, group: int | None) -> None:
    with pytest.raises(RecoveryKeyError) as problem:
        parse_recovery_key(text)
    assert problem.value.group == group


def test_a_key_of_another_size_has_no_text() -> None:
    with pytest.raises(ValueError, match="128 bits"):
        format_recovery_key(bytes(15))


@given(KEYS, st.integers(1, 7))
def test_a_group_is_compared_as_tolerantly_as_a_key(key: bytes, group: int) -> None:
    text = group_of(key, group)
    assert is_group(key, group, f" {text.lower().replace('0', 'O')} ")
    assert not is_group(key, group, text[::-1] + "X")
