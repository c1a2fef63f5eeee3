"""The INSTREAM command of clamd (its manual page clamd(8)): how bytes are sent, and what is answered. Pure."""

from enum import StrEnum
from typing import NamedTuple

COMMAND = b"zINSTREAM\0"
END = bytes(4)
ANSWER_BYTES = 4096
"""Longest answer that is read."""


class ScanOutcome(StrEnum):
    """What a scanner says of a file."""

    CLEAN = "clean"
    FOUND = "found"
    FAILED = "failed"


class Verdict(NamedTuple):
    """An outcome, and what was found or went wrong."""

    outcome: ScanOutcome
    detail: str = ""


def chunk(data: bytes) -> bytes:
    r"""A part of the stream, after its length.

    >>> chunk(b"ab")
    b'\x00\x00\x00\x02ab'
    """
    return len(data).to_bytes(4, "big") + data


def verdict(answer: bytes) -> Verdict:
    r"""What an answer says; anything but a clear OK or FOUND is a failure.

    >>> verdict(b"stream: Win.Test FOUND\0")
    Verdict(outcome=<ScanOutcome.FOUND: 'found'>, detail='Win.Test')
    """
    text = answer.rstrip(b"\0\n").decode(errors="replace").removeprefix("stream: ")
    if text == "OK" and answer.endswith((b"\0", b"\n")):
        return Verdict(ScanOutcome.CLEAN)
    if text.endswith(" FOUND"):
        return Verdict(ScanOutcome.FOUND, text.removesuffix(" FOUND"))
    return Verdict(ScanOutcome.FAILED, text or "no answer")
