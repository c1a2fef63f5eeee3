"""Turns sentences that name slash commands into those of the command line, where there is no chat. Pure."""

import re

_KEYS = re.compile(r"(?<![\w/])/(verify|unverify|number)\b")
_COMMANDS = re.compile(r"(?<![\w/])/(keys|unblock|passwd|logout|sessions)\b")


def for_shell(sentence: str) -> str:
    """The sentence, with commands as they are typed in a shell.

    >>> for_shell("To read them: /keys recover. Or /verify bob --number")
    'To read them: chatterbox keys recover. Or chatterbox keys verify bob --number'
    """
    return _COMMANDS.sub(r"chatterbox \1", _KEYS.sub(r"chatterbox keys \1", sentence))
