"""The media type of a file, found in its first bytes: what a client says of it is not used. Pure."""

HEAD_BYTES = 512
"""As many bytes from the start of a file are enough."""
UNKNOWN = "application/octet-stream"
TEXT = "text/plain"
_ALWAYS: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"PK\x05\x06", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\x00", "application/x-xz"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
    (b"\x1a\x45\xdf\xa3", "video/webm"),
    (b"\x7fELF", "application/x-executable"),
    (b"MZ", "application/vnd.microsoft.portable-executable"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
_BRANDS = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"hevc": "image/heic",
    b"mif1": "image/heic",
    b"msf1": "image/heic",
    b"qt  ": "video/quicktime",
    b"M4A ": "audio/mp4",
}
PREVIEWED = frozenset({"image/gif", "image/jpeg", "image/png", "image/webp"})
"""Pictures that have previews, and whose metadata can be removed."""
WITH_METADATA = frozenset({"image/avif", "image/heic", "image/tiff"})
"""Other pictures that may contain the place where they were taken."""


def media_type(head: bytes) -> str:
    """The media type of a file that begins with `head`, at least `HEAD_BYTES` of it if it has as many.

    Markup is plain text, and SVG too: nothing that a browser could run is named as such.

    >>> media_type(b"GIF89a..."), media_type(b"<svg onload='f()'/>"), media_type(bytes(4))
    ('image/gif', 'text/plain', 'application/octet-stream')
    """
    for magic, kind in _ALWAYS:
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12], UNKNOWN)
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "video/mp4")
    if head[:2] == b"BM" and head[6:10] == bytes(4):
        return "image/bmp"
    if head[:2] in {b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"}:
        return "audio/mpeg"
    if head[257:262] == b"ustar":
        return "application/x-tar"
    return TEXT if _is_text(head[:HEAD_BYTES]) else UNKNOWN


def _is_text(head: bytes) -> bool:
    """Whether it is UTF-8 without control characters; `HEAD_BYTES` may end within a character."""
    if not head or any(byte < 0x20 and byte not in b"\t\n\r\x0c\x1b" for byte in head):
        return False
    try:
        head.decode()
    except UnicodeDecodeError as problem:
        return len(head) == HEAD_BYTES and problem.reason == "unexpected end of data"
    return True
