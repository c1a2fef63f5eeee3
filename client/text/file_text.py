"""Files of messages as text: their names, sizes and lines, and names that are safe on this computer. Pure."""

import unicodedata
from collections.abc import Callable, Sequence

from chatterbox.wire.frames import AttachedFile, Message
from client.text.sanitize import inert, is_dangerous

SAVED_BYTES = 200
"""Longest name under which a file is saved, as UTF-8: a suffix still fits into a folder (bytes)."""
_UNNAMED = "file"
_UNSAFE = frozenset('<>:"|?*')
_UNITS = ("KiB", "MiB", "GiB", "TiB")


def size_text(size: int) -> str:
    """A number of bytes.

    >>> size_text(7), size_text(1536), size_text(100 * 2**20)
    ('7 bytes', '1.5 KiB', '100 MiB')
    """
    if size < 1024:
        return "1 byte" if size == 1 else f"{size} bytes"
    amount = float(size)
    for unit in _UNITS:
        amount /= 1024
        if amount < 1023.95 or unit == _UNITS[-1]:
            break
    return f"{amount:.0f} {unit}" if amount >= 99.95 else f"{amount:.1f} {unit}"


def file_name(file: AttachedFile) -> str:
    """The name of a file, and its size.

    >>> file_name(AttachedFile(id="a", name="plan.pdf", type="application/pdf", size=1536))
    'plan.pdf (1.5 KiB)'
    """
    return f"{inert(file.name)} ({size_text(file.size)})"


def file_lines(files: Sequence[AttachedFile], how_to_save: Callable[[AttachedFile], str] = lambda _: "") -> list[str]:
    """A line for each file of a message, with what saves it."""
    lines = []
    for file in files:
        how = how_to_save(file)
        lines.append(f"file: {file_name(file)}{', ' if how else ''}{how}")
    return lines


def save_command(message: Message) -> Callable[[AttachedFile], str]:
    """What is typed in a chat to save the files of a message."""
    return lambda _: f"/save {message.at.offset}"


def download_command(message: Message) -> Callable[[AttachedFile], str]:
    """What is typed in a shell to save the files of a message; for encrypted ones, with the room."""

    def command(file: AttachedFile) -> str:
        is_encrypted = getattr(file, "secret", None) is not None
        room = f" --room {inert(message.room)}" if is_encrypted else ""
        return f"chatterbox download {inert(file.id)}{room}"

    return command


def summary(content: str, files: Sequence[AttachedFile]) -> str:
    """The text of a message in one place; for one without a text, its files."""
    return content or ", ".join(file_lines(files))


def saved_name(name: str) -> str:
    r"""The name under which a file of another user is saved: no path, not hidden, harmless to a terminal.

    >>> saved_name("../../.bashrc"), saved_name("a\\b\x1b.txt"), saved_name("-rf"), saved_name("..")
    ('bashrc', 'b.txt', '_-rf', 'file')
    """
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rstrip("/").rpartition("/")[2]
    kept = "".join("_" if each in _UNSAFE else each for each in last if not is_dangerous(each) and each != "\t")
    safe = " ".join(kept.split()).strip(". ")
    if safe.startswith(("-", "~")):
        safe = f"_{safe}"
    stem, dot, extension = safe.rpartition(".")
    ending = f"{dot}{extension}" if stem and len(extension) <= 10 else ""
    stem = safe.removesuffix(ending)
    while len(f"{stem}{ending}".encode()) > SAVED_BYTES:
        stem = stem[:-1]
    return f"{stem}{ending}" or _UNNAMED
