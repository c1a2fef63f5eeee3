"""Types of values on the command line; an invalid value raises `ArgumentTypeError`."""

import argparse

from chatterbox.wire import position


def message_position(text: str) -> position.Position:
    """Parse `EPOCH:OFFSET`."""
    try:
        return position.parse(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def count(text: str) -> int:
    """Parse a number of messages of at most nine ASCII digits."""
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of messages")
    return int(text)


def positive_count(text: str) -> int:
    if (number := count(text)) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of messages above 0")
    return number


def offset(text: str) -> int:
    """Parse a message's number in its room, from 1 on; with or without `#`."""
    digits = text.removeprefix("#")
    if not (digits.isascii() and digits.isdigit() and len(digits) < position.WHOLE_DIGITS and int(digits) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not the number of a message, such as 41")
    return int(digits)


def seconds(text: str) -> float:
    """Parse a number of seconds above 0 and below 1,000,000."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds
