"""Cleans text from the clipboard, the editor or a message before it goes into the input. Pure."""

from client.text.sanitize import is_dangerous

TAB = "    "


def clean(text: str) -> str:
    """Remove characters that control a terminal or reorder text, use line feeds for line ends, and expand tabs."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", TAB)
    return "".join(character for character in text if character == "\n" or not is_dangerous(character))
