"""Values on the command line, each checked where it is read; what does not fit is said by the parser."""

import argparse

from chatterbox.wire import position


def place(text: str) -> position.Position:
    try:
        return position.parse(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of messages")
    return int(text)


def some(text: str) -> int:
    if (number := count(text)) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of messages to end after")
    return number


def seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return seconds
