"""Removes terminal escape sequences from text, as colours of other programs. Pure."""

import re

_SEQUENCE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movements (ECMA-48, 5.4)
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC and other strings, with their end
    r"|\x1b(?:[ -/]+[0-~]|[0-OQ-WYZ\\`a-~])"  # two characters, such as a choice of a character set
)


def without_escapes(text: str) -> str:
    r"""Return `text` without escape sequences.

    >>> without_escapes("\x1b[1;31mred\x1b[0m \x1b]8;;https://a.example\x1b\\link\x1b]8;;\x07")
    'red link'
    """
    return _SEQUENCE.sub("", text)
