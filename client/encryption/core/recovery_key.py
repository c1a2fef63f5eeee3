"""The recovery key as people write it: 128 random bits in seven groups of four characters. Pure.

The characters are Crockford's base32 (no I, L, O, U). The last two are check characters: the whole is a Reed-Solomon
code over 32 symbols (`[28, 26]`), which finds any two wrong characters, and the place of a single one.
"""

from typing import NamedTuple

KEY_BYTES = 16
GROUPS = 7
GROUP_CHARS = 4
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MISREAD = str.maketrans({"O": "0", "I": "1", "L": "1"})
_SEPARATORS = " -\t\n\r.,_\u2010\u2011\u2012\u2013\u2014"
_SYMBOLS = GROUPS * GROUP_CHARS
_DATA = _SYMBOLS - 2
_SPARE_BITS = _DATA * 5 - KEY_BYTES * 8
_ORDER = 31
_POLYNOMIAL = 0b100101


class RecoveryKeyError(ValueError):
    """The text is no recovery key; `group`: the one (from 1) that is mistyped, or None if that can't be told."""

    def __init__(self, text: str, group: int | None = None) -> None:
        super().__init__(text)
        self.group = group


class _Field(NamedTuple):
    powers: tuple[int, ...]
    logarithms: dict[int, int]


def _made_field() -> _Field:
    powers, value = [], 1
    for _ in range(_ORDER):
        powers.append(value)
        value <<= 1
        if value & 0b100000:
            value ^= _POLYNOMIAL
    return _Field(tuple(powers), {power: index for index, power in enumerate(powers)})


_FIELD = _made_field()


def format_recovery_key(key: bytes) -> str:
    """The text of a recovery key of `KEY_BYTES` bytes.

    >>> format_recovery_key(bytes(16))
    '0000-0000-0000-0000-0000-0000-0000'
    """
    if len(key) != KEY_BYTES:
        raise ValueError("a recovery key has 128 bits")
    number = int.from_bytes(key) << _SPARE_BITS
    data = [number >> 5 * (_DATA - 1 - index) & 31 for index in range(_DATA)]
    text = "".join(_ALPHABET[symbol] for symbol in [*data, *_check_symbols(data)])
    return "-".join(text[first : first + GROUP_CHARS] for first in range(0, _SYMBOLS, GROUP_CHARS))


def parse_recovery_key(text: str) -> bytes:
    """The key that was typed: in any case, with any separators, and with O for 0, I and L for 1.

    Raises `RecoveryKeyError`.
    """
    symbols = _symbols(text)
    _check(symbols)
    number = 0
    for symbol in symbols[:_DATA]:
        number = number << 5 | symbol
    if number & (1 << _SPARE_BITS) - 1:
        raise RecoveryKeyError("This is not a recovery key. Compare it with what you wrote down.")
    return (number >> _SPARE_BITS).to_bytes(KEY_BYTES)


def group_of(key: bytes, group: int) -> str:
    """One group of a recovery key, from 1."""
    return format_recovery_key(key).split("-")[group - 1]


def is_group(key: bytes, group: int, typed: str) -> bool:
    """Whether `typed` is that group, as tolerantly as `parse_recovery_key` reads."""
    return _normal(typed) == group_of(key, group)


def _normal(text: str) -> str:
    return "".join(char for char in text.upper() if char not in _SEPARATORS).translate(_MISREAD)


def _symbols(text: str) -> list[int]:
    normal = _normal(text)
    for index, char in enumerate(normal):
        if char not in _ALPHABET:
            group = index // GROUP_CHARS + 1 if len(normal) == _SYMBOLS else None
            raise RecoveryKeyError("A recovery key has letters (without U) and digits only.", group)
    if len(normal) != _SYMBOLS:
        raise RecoveryKeyError(
            f"A recovery key has {GROUPS} groups of {GROUP_CHARS} characters; this has {len(normal)} characters.",
            _odd_group(text),
        )
    return [_ALPHABET.index(char) for char in normal]


def _odd_group(text: str) -> int | None:
    """The only group of another length, if the groups are separated."""
    for separator in _SEPARATORS:
        text = text.replace(separator, " ")
    groups = text.split()
    odd = [index for index, group in enumerate(groups, 1) if len(group) != GROUP_CHARS]
    return odd[0] if len(groups) == GROUPS and len(odd) == 1 else None


def _check_symbols(data: list[int]) -> tuple[int, int]:
    """The two symbols that make both sums zero."""
    plain, weighted = _sums(data)
    left, right = _FIELD.powers[_DATA], _FIELD.powers[_DATA + 1]
    first = _product(weighted ^ _product(plain, right), _inverse(left ^ right))
    return first, plain ^ first


def _check(symbols: list[int]) -> None:
    plain, weighted = _sums(symbols)
    if plain == weighted == 0:
        return
    places = _wrong_places(symbols, plain, weighted)
    groups = {place // GROUP_CHARS + 1 for place in places}
    if len(groups) == 1:
        group = groups.pop()
        raise RecoveryKeyError(f"Group {group} is probably mistyped. Compare it with what you wrote down.", group)
    raise RecoveryKeyError("There is a typing error in it. Compare it with what you wrote down.")


def _wrong_places(symbols: list[int], plain: int, weighted: int) -> set[int]:
    """Where a single wrong character, or two neighbors that were exchanged, would explain the sums."""
    places = set()
    if plain and weighted:
        place = (_FIELD.logarithms[weighted] - _FIELD.logarithms[plain]) % _ORDER
        if place < _SYMBOLS:
            places.add(place)
    for place in range(_SYMBOLS - 1):
        exchanged = [*symbols[:place], symbols[place + 1], symbols[place], *symbols[place + 2 :]]
        if exchanged != symbols and _sums(exchanged) == (0, 0):
            places |= {place, place + 1}
    return places


def _sums(symbols: list[int]) -> tuple[int, int]:
    plain = weighted = 0
    for place, symbol in enumerate(symbols):
        plain ^= symbol
        weighted ^= _product(symbol, _FIELD.powers[place])
    return plain, weighted


def _product(left: int, right: int) -> int:
    if not left or not right:
        return 0
    return _FIELD.powers[(_FIELD.logarithms[left] + _FIELD.logarithms[right]) % _ORDER]


def _inverse(value: int) -> int:
    return _FIELD.powers[-_FIELD.logarithms[value] % _ORDER]
