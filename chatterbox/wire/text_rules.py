"""Validation of messages, names, topics, profiles and idempotency keys; formats of times and keys."""

import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, TypeAlias

import msgspec

from chatterbox.wire.errors import ChatError, Code
from chatterbox.wire.limits import Limits

# Control characters would move the cursor of a terminal; bidi embeddings, overrides and isolates reorder the text
# around them (CVE-2021-42574); line and paragraph separators and tags hide text; lone surrogates are not characters.
# Tab and newline are allowed. So are LRM, RLM and ALM, which affect only neutral characters next to them.
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
    "\U000e0000-\U000e007f]"
)
FLAG = re.compile("\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f")
"""The flag of a region, such as Scotland: a black flag, its code in tag characters, and CANCEL TAG (UTS #51). Only in a
flag, tags are allowed."""
_KEY = re.compile(r"[A-Za-z0-9_.:-]+\Z")
_FILE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PICTURE = (
    "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u23ff\u24c2\u25a0-\u27bf\u2900-\u297f\u2b00-\u2bff"
    "\u3030\u303d\u3297\u3299\U0001f000-\U0001f1e5\U0001f200-\U0001faff]"
    "\ufe0f?[\U0001f3fb-\U0001f3ff]?"
)
"""A character that can be drawn as a picture, as an emoji, and in a skin tone."""
_REACTION = re.compile(
    f":[a-z0-9_+-]+:|{_PICTURE}(?:\u200d{_PICTURE})*|[0-9#*]\ufe0f?\u20e3|[\U0001f1e6-\U0001f1ff]{{2}}|{FLAG.pattern}"
)
"""A name between colons, or one emoji (UTS #51): pictures joined to one, a key cap, the flag of a country or region."""
_Moment: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]
_UNDECODABLE = range(0xDC80, 0xDD00)
"""What Python makes of bytes that it can't decode, in arguments and input (PEP 383)."""

USERNAME_MIN, USERNAME_MAX = 3, 32
USERNAME_MAX_TYPED = 4 * USERNAME_MAX
"""Longer input can't become a username by normalization: no letter is typed as more than four characters."""
USERNAME_RULE = (
    f"A username must be {USERNAME_MIN}-{USERNAME_MAX} letters, digits or '_.-', starting with a letter or digit."
)


def content(text: str, limits: Limits) -> str:
    """Return `text` if it is a valid message: 1 to `limits.content_chars` characters, none of them forbidden.

    Raises `ChatError` with `content_empty`, `content_too_long` or `content_forbidden`.
    """
    if len(text) > limits.content_chars:
        raise ChatError(
            Code.CONTENT_TOO_LONG,
            f"The message has {len(text)} characters; at most {limits.content_chars} are allowed.",
        )
    if (found := forbidden(text)) is not None:
        raise ChatError(
            Code.CONTENT_FORBIDDEN, f"Character {found + 1} is {label(text[found])}, which a message can't contain."
        )
    if not any(map(_is_visible, text)):
        raise ChatError(Code.CONTENT_EMPTY)
    return text


def caption(text: str, limits: Limits) -> str:
    """As `content`, for the text of a message that has files: it may be empty."""
    return content(text, limits) if text else text


def file_ids(ids: Sequence[str], limits: Limits) -> tuple[str, ...]:
    """Return `ids` if they can be those of a message's files; raises `too_many_files` or `file_unknown`."""
    if len(ids) > limits.files_per_message:
        raise ChatError(Code.TOO_MANY_FILES, f"A message has at most {limits.files_per_message} files.")
    if not all(map(_FILE_ID.fullmatch, ids)):
        raise ChatError(Code.FILE_UNKNOWN)
    return tuple(ids)


def _is_visible(character: str) -> bool:
    return not character.isspace() and unicodedata.category(character) != "Cf"


def forbidden(text: str) -> int | None:
    """The index of the first character in `text` that could disturb a terminal, or None."""
    if text.isascii() and text.isprintable():
        return None
    found = _FORBIDDEN.search(text)
    if found and FLAG.search(text):
        found = _FORBIDDEN.search(FLAG.sub(lambda flag: "-" * len(flag[0]), text))
    return found.start() if found else None


def label(character: str) -> str:
    """Describe a character without printing it: `U+202E RIGHT-TO-LEFT OVERRIDE`, `U+001B, a control character`."""
    number, kind = ord(character), "a control character" if ord(character) < 0xA0 else "not a character"
    if number in _UNDECODABLE:
        return f"the byte 0x{number - _UNDECODABLE.start + 0x80:02X} (not UTF-8)"
    name = unicodedata.name(character, "")
    return f"U+{number:04X} {name}" if name else f"U+{number:04X}, {kind}"


def username(text: str) -> str:
    """Return `text` in NFKC if its length, first character and ASCII characters are valid; raises `username_invalid`.

    The rules for non-ASCII letters, and for taken and look-alike names, are checked by auth only.
    """
    name = unicodedata.normalize("NFKC", text) if len(text) <= USERNAME_MAX_TYPED else text
    fits = USERNAME_MIN <= len(name) <= USERNAME_MAX and name[0] not in "_.-"
    if not (fits and all(map(_is_username_character, name))):
        raise ChatError(Code.USERNAME_INVALID, USERNAME_RULE)
    return name


def _is_username_character(character: str) -> bool:
    return not character.isascii() or character.isalnum() or character in "_.-"


def room_name(text: str, limits: Limits) -> str:
    """Return `text` in the form in which room names are stored and compared (NFKC, case-folded).

    Raises `room_name_invalid`.
    """
    # Normalizing thousands of combining marks takes seconds, so the length is bounded before it, too.
    name = "" if len(text) > 4 * limits.room_name_chars else folded(text)
    fits = 1 <= len(name) <= limits.room_name_chars and _is_letter_or_digit(name[0])
    if not (fits and all(map(_is_room_name_character, name))):
        characters = f"1-{limits.room_name_chars} letters, digits or '_.-'"
        detail = f"A room name must be {characters}, starting with a letter or digit."
        raise ChatError(Code.ROOM_NAME_INVALID, detail)
    return name


def folded(text: str) -> str:
    """Normalize text for comparison, so that case and composition don't matter: NFKC and case folding."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _is_letter_or_digit(character: str) -> bool:
    return unicodedata.category(character)[0] in "LN"


def _is_room_name_character(character: str) -> bool:
    """Letters may have marks: accents (Mn) and, in Indic scripts, vowel signs (Mc)."""
    return _is_letter_or_digit(character) or character in "_.-" or unicodedata.category(character) in {"Mn", "Mc"}


def topic(text: str, limits: Limits) -> str:
    """Return `text` as a topic is stored, without surrounding whitespace; raises `topic_invalid`.

    >>> topic("  Engines, and what drives them ", Limits())
    'Engines, and what drives them'
    """
    stored = text.strip() if any(map(_is_visible, text)) else ""
    return _one_line("topic", stored, limits.topic_chars, Code.TOPIC_INVALID)


def display_name(text: str, limits: Limits) -> str:
    """Return `text` as a display name is stored: in NFC, one space between words; raises `display_name_invalid`.

    >>> display_name("  Ada   Lovelace ", Limits())
    'Ada Lovelace'
    """
    stored = _profile_text("display name", text, limits.display_name_chars, Code.DISPLAY_NAME_INVALID)
    return " ".join(stored.split())


def bio(text: str, limits: Limits) -> str:
    """Return `text` as it is stored in a profile, in NFC; raises `profile_invalid`."""
    return _profile_text("bio", text, limits.bio_chars, Code.PROFILE_INVALID)


def status(text: str, limits: Limits) -> str:
    """Return `text` as a status is stored, in NFC; raises `profile_invalid`."""
    return _profile_text("status", text, limits.status_chars, Code.PROFILE_INVALID)


def _profile_text(what: str, text: str, most: int, code: Code) -> str:
    # Normalizing thousands of combining marks takes seconds, so the length is bounded before it, too.
    stored = unicodedata.normalize("NFC", text) if len(text) <= 4 * most else text
    return _one_line(what, stored.strip() if any(map(_is_visible, stored)) else "", most, code)


def _one_line(what: str, text: str, most: int, code: Code) -> str:
    """Return `text`; raises an error of `code` if it is too long, or not one line of allowed characters."""
    if len(text) > most:
        raise ChatError(code, f"The {what} has {len(text)} characters; at most {most} are allowed.")
    found = forbidden(text)
    if found is None:
        found = next((at for at, character in enumerate(text) if character in "\t\n"), None)
    if found is not None:
        detail = f"Character {found + 1} is {label(text[found])}, which a {what} can't contain: it is one line."
        raise ChatError(code, detail)
    return text


def key(text: str, limits: Limits) -> str:
    """Return `text` if it is a valid idempotency key; raises `key_invalid`."""
    if len(text) > limits.key_chars or not _KEY.match(text):
        raise ChatError(Code.KEY_INVALID, f"A key must be 1-{limits.key_chars} letters, digits or '_.:-'.")
    return text


def reaction(text: str, limits: Limits) -> str:
    """Return `text` if it is one emoji, or a name between colons; raises `reaction_invalid`.

    >>> reaction("\N{THUMBS UP SIGN}\N{EMOJI MODIFIER FITZPATRICK TYPE-4}", Limits()), reaction(":tada:", Limits())
    ('👍🏽', ':tada:')
    """
    if len(text) > limits.reaction_chars or not _REACTION.fullmatch(text):
        raise ChatError(
            Code.REACTION_INVALID,
            "A reaction must be one emoji, or a name of a-z, 0-9, '_', '+' or '-' between colons, such as :tada:; "
            f"at most {limits.reaction_chars} characters.",
        )
    return text


def time_ordered_key(at_ms: int, random_hex: str) -> str:
    """A new idempotency key. Keys that start with the time are adjacent in history's index: commits are cheaper.

    >>> time_ordered_key(1_790_000_000_123, "5eed")
    '01a0c4506c7b5eed'
    """
    return f"{at_ms:012x}{random_hex}"


def timestamp(at_ms: int) -> str:
    """Format milliseconds since 1970 as RFC 3339 in UTC.

    >>> timestamp(1_790_000_000_123)
    '2026-09-21T14:13:20.123Z'
    """
    whole_s, ms = divmod(at_ms, 1000)
    return f"{datetime.fromtimestamp(whole_s, UTC):%Y-%m-%dT%H:%M:%S}.{ms:03d}Z"


def moment_ms(text: str) -> int:
    """The time in an RFC 3339 `text`, in milliseconds since 1970 (0 for earlier ones); raises `bad_request`.

    >>> moment_ms("2026-09-21T15:33:20.123+02:00")
    1789997600123
    """
    try:
        moment = msgspec.convert(text, _Moment).astimezone(UTC)
    except (msgspec.ValidationError, OverflowError):
        raise ChatError(Code.BAD_REQUEST, "A time is written as in RFC 3339: 2026-09-21T15:33:20Z.") from None
    return max(int(moment.replace(microsecond=0).timestamp()) * 1000 + moment.microsecond // 1000, 0)


def http_date_s(text: str) -> float | None:
    """Parse a `Date` header (RFC 9110) to seconds since 1970; None if it is not valid.

    >>> http_date_s("Mon, 23 Nov 2026 09:00:00 GMT"), http_date_s("yesterday")
    (1795424400.0, None)
    """
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
