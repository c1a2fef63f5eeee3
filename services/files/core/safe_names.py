"""Names of files: cleaned, so that they are safe to show and to save under, and as a header. Pure."""

import unicodedata
from urllib.parse import quote

NAME_CHARS = 120
"""Longest name (code points)."""
NAME_BYTES = 200
"""Longest name as UTF-8, so that it fits into a folder with a suffix (bytes)."""
_TYPED_CHARS = 4096
"""What is beyond is not looked at: normalizing a long text takes long."""
UNNAMED = "file"
_JOINER = "\u200d"
"""It joins emoji to one; all other format characters are removed."""
_RESERVED = frozenset(
    {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10))}
)
"""Names that are devices on Windows, with any extension."""
_UNSAFE = '<>:"|?*'


def clean_name(text: str) -> str:
    r"""The last part of the path `text`, without what could mislead a reader, a terminal or a file system.

    >>> clean_name("../../etc/passwd"), clean_name("C:\\bad\u202egnp.exe"), clean_name(" .. ")
    ('passwd', 'badgnp.exe', 'file')
    """
    normal = unicodedata.normalize("NFC", text[-_TYPED_CHARS:])
    last = normal.replace("\\", "/").rstrip("/").rpartition("/")[2]
    kept = "".join("_" if character in _UNSAFE else character for character in last if _is_kept(character))
    name = " ".join(kept.split()).strip(". ")
    if name.partition(".")[0].casefold() in _RESERVED:
        name = f"_{name}"
    return _shortened(name) or UNNAMED


def _is_kept(character: str) -> bool:
    return (
        character == _JOINER or character.isspace() or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Cn"}
    )


def _shortened(name: str) -> str:
    """The name within its limits; what fits of an extension is kept."""
    stem, dot, extension = name.rpartition(".")
    ending = f"{dot}{extension}" if stem and len(extension) <= 10 else ""
    stem = name.removesuffix(ending)[: NAME_CHARS - len(ending)]
    while len(f"{stem}{ending}".encode()) > NAME_BYTES:
        stem = stem[:-1]
    return f"{stem.rstrip()}{ending}"


def disposition(name: str, *, inline: bool = False) -> str:
    """The header `Content-Disposition` (RFC 6266), with the name in both of its forms.

    >>> print(disposition("a b.txt"))
    attachment; filename="a b.txt"; filename*=UTF-8''a%20b.txt
    """
    plain = "".join(each if each.isascii() and each.isprintable() and each not in '"\\%' else "_" for each in name)
    kind = "inline" if inline else "attachment"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
