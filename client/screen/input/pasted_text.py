"""Cleans text from the clipboard, the editor or a message before it goes into the input. Pure."""

import re

from chatterbox.wire.text_rules import label
from client.text.sanitize import by_flags, is_dangerous

_LINE_ENDS = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
_KEPT = "\n\t"


def clean(text: str) -> str:
    """Use line feeds for line ends, and remove characters that control a terminal, reorder or hide text."""
    pieces = by_flags(_LINE_ENDS.sub("\n", text))
    return "".join(piece if is_flag else "".join(filter(_is_kept, piece)) for piece, is_flag in pieces)


def removed(text: str) -> str:
    """A sentence about what `clean` removes; empty if it keeps everything."""
    pieces = by_flags(_LINE_ENDS.sub("\n", text))
    lost = [character for piece, is_flag in pieces if not is_flag for character in piece if not _is_kept(character)]
    if not lost:
        return ""
    kinds = list(dict.fromkeys(map(label, lost)))
    others = ", ..." if len(kinds) > 1 else ""
    return f"Removed {len(lost)} character{'s' * (len(lost) > 1)} that can't be sent ({kinds[0]}{others})."


def _is_kept(character: str) -> bool:
    return character in _KEPT or not is_dangerous(character)
