"""What people read while they compare keys: safety numbers and verification. Pure."""

from collections.abc import Sequence
from typing import assert_never

from client.encryption.core.verification.verification_state import VerificationEnd, VerificationNews
from client.text.sanitize import inert_name

_QUESTION = "Is it the same?"


def numbers_text(numbers: Sequence[int], emoji: Sequence[str]) -> str:
    """The numbers, then the names of the emoji that the other may see instead.

    >>> numbers_text((2368, 9157, 1403), ("Book", "Gift"))
    '2368 9157 1403  (Book, Gift)'
    """
    return f"{' '.join(f'{number:04d}' for number in numbers)}  ({', '.join(emoji)})"


def comparison_lines(name: str, numbers: Sequence[int], emoji: Sequence[str]) -> list[str]:
    """What is shown to be compared with the other's screen."""
    who = inert_name(name)
    return [
        f"{who}'s screen must show the same: {numbers_text(numbers, emoji)}",
        f"Ask by phone or in person, not in this chat. {_QUESTION}",
    ]


def own_comparison_lines(numbers: Sequence[int], emoji: Sequence[str]) -> list[str]:
    """What is shown to be compared with the screen of another device of the same user."""
    return [f"Your other device must show the same: {numbers_text(numbers, emoji)}", _QUESTION]


def requested_line(name: str) -> str:
    """Confirm that the other was asked.

    >>> requested_line("bob")
    'Asked bob to compare keys. It goes on when bob types /verify with your name; /number bob works without that.'
    """
    who = inert_name(name)
    by_phone = f"/number {who} works without that"
    return f"Asked {who} to compare keys. It goes on when {who} types /verify with your name; {by_phone}."


def own_requested_line(device: str) -> str:
    """Confirm that a device of the user was asked."""
    shown = inert_name(device)
    return f"Asked {shown} to compare keys. Go on there: type /keys approve with the id of this device."


def request_line(name: str) -> str:
    """Another user asks to compare keys.

    >>> request_line("ada")
    'ada wants to compare keys with you: /verify ada'
    """
    who = inert_name(name)
    return f"{who} wants to compare keys with you: /verify {who}"


def own_request_line(device: str) -> str:
    """Another device of the user asks to compare keys."""
    shown = inert_name(device)
    return f"Your device {shown} wants to compare keys with this one: /keys approve {shown}"


def ended_lines(end: VerificationEnd, name: str, *, is_own: bool = False) -> list[str]:
    """How a verification with a user ended, or with `is_own` one with a device of one's own, and what to do next.

    >>> ended_lines(VerificationEnd.VERIFIED, "bob")
    ['You verified bob. All devices of bob count as verified, new ones, too.']
    """
    who = inert_name(name)
    retry = f"Try again: /keys approve {who}" if is_own else f"Try again: /verify {who}"
    otherwise = "use your recovery key: /keys recover" if is_own else f"compare by phone: /number {who}"
    match end:
        case VerificationEnd.VERIFIED if is_own:
            return ["The two devices have the same keys. The other one lets this one in."]
        case VerificationEnd.VERIFIED:
            return [f"You verified {who}. All devices of {who} count as verified, new ones, too."]
        case VerificationEnd.DEVICE_VERIFIED:
            return [f"Approved {who}. It gets the keys of your messages now."]
        case VerificationEnd.MISMATCH:
            return [
                f"NOT VERIFIED: the numbers differ. The server, or a person in between, may pose as {who}.",
                f"Write nothing confidential. To be sure, {otherwise}",
            ]
        case VerificationEnd.CANCELLED_HERE:
            return [f"Verification of {who} cancelled."]
        case VerificationEnd.CANCELLED_THERE:
            return [f"{who} cancelled the verification. {retry}"]
        case VerificationEnd.TIMED_OUT:
            return [f"The verification of {who} took too long. {retry}, or {otherwise}"]
        case VerificationEnd.KEYS_CHANGED:
            return [f"NOT VERIFIED: keys changed while you compared them. {retry}"]
        case VerificationEnd.FORGED:
            return [
                f"NOT VERIFIED: what arrived was not sent by {who}; the server may have replaced it.",
                f"To be sure, {otherwise}",
            ]
        case VerificationEnd.INCOMPATIBLE:
            return [f"The program of {who} can't compare keys this way. Instead, {otherwise}"]
        case VerificationEnd.ELSEWHERE:
            return [f"The verification of {who} goes on, on another device of yours."]
        case VerificationEnd.BROKEN:
            return [f"The verification of {who} failed: unexpected data arrived. {retry}"]
        case _:
            assert_never(end)


def news_lines(news: VerificationNews) -> list[str]:
    """What a chat says of a verification, with how the user answers."""
    if news.end is not None:
        return ended_lines(news.end, news.device if news.is_own else news.username, is_own=news.is_own)
    if news.comparison is None:
        return [own_request_line(news.device) if news.is_own else request_line(news.username)]
    who = inert_name(news.username)
    shown = news.comparison
    first, ask = own_comparison_lines(*shown) if news.is_own else comparison_lines(news.username, *shown)
    ask = ask.removesuffix(_QUESTION)
    return [first, f"{ask}If it is the same: /verify {who} yes. If not: /verify {who} no"]


def safety_number_lines(name: str, number: str, *, verified: bool) -> list[str]:
    """The safety number of two users, in three lines of four groups, with what to do with it."""
    who = inert_name(name)
    groups = number.split()
    lines = [" ".join(groups[at : at + 4]) for at in range(0, len(groups), 4)]
    done = f"You verified {who}." if verified else f"If {who} sees the same number: /verify {who} --number"
    return [
        f"Your safety number with {who}, the same on both sides:",
        *(f"    {line}" for line in lines),
        f"Compare it by phone or in person. {done}",
    ]
