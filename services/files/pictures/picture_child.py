"""Decodes one picture in a child process with limits: from standard input to standard output, nothing else.

It answers with a line of JSON, and the parts whose lengths the line names. `picture_process` runs it, in a Python that
reads no environment and no folder of the user (`-I`). Nothing else may import this module, or Pillow.
"""

import json
import mmap
import resource
import sys
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import TYPE_CHECKING, Any

from services.files.pictures.metadata_removal import Bytes, MalformedPictureError, without_metadata

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from PIL.ImageFile import ImageFile

MEMORY_BYTES = 512 * 2**20
CPU_S = 10
MEGAPIXELS = 40
"""A larger picture is not decoded, as its header tells."""
PREVIEW_PIXELS = (1280, 256)
AVATAR_PIXELS = (256, 64)
QUALITY = 80
_ORIENTATION = 0x0112


class RefusedPictureError(Exception):
    """The picture is not decoded; the first argument is the reason, a member of `picture_process.Refusal`."""


def main() -> None:
    limit_itself()
    try:
        told, parts = picture_parts(sys.argv[1], sys.argv[2])
    except RefusedPictureError as refused:
        told, parts = {"refused": refused.args[0]}, []
    except MemoryError:
        told, parts = {"refused": "too_large"}, []
    except Exception:  # noqa: BLE001 - decoders raise anything for what is not a picture
        told, parts = {"refused": "damaged"}, []
    lengths = [sum(map(len, part)) for part in parts]
    _write([json.dumps({**told, "parts": lengths}).encode(), b"\n"])
    for part in parts:
        _write(part)


def limit_itself() -> None:
    """Give up memory, time, files and processes; before any decoder is loaded."""
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_NPROC, 0),  # without effect for root
    ):
        resource.setrlimit(kind, (most, most))


def picture_parts(task: str, kind: str) -> tuple[dict[str, Any], list[list[Bytes]]]:
    """The header that describes the picture, and its parts: the original without metadata (empty: unchanged), previews.

    `task` is `strip`, `keep` (leave the original as it is) or `avatar`; `kind` is the media type, whose decoder runs.
    """
    with _decoder(kind)(sys.stdin.buffer) as picture:
        width, height = picture.size
        if width * height > MEGAPIXELS * 1_000_000:
            raise RefusedPictureError("pixels")
        orientation = _orientation(picture) if kind == "image/jpeg" else 1
        if task != "avatar":
            picture.draft("RGB", (PREVIEW_PIXELS[0], PREVIEW_PIXELS[0]))
        decoded = _upright(_plain(picture), orientation)
    if orientation > 4:
        width, height = height, width
    original = _original(kind, orientation) if task == "strip" else []
    previews = _avatars(decoded) if task == "avatar" else _previews(decoded)
    parts: list[list[Bytes]] = [original]
    parts += [[preview] for preview in previews]
    return {"width": width, "height": height}, parts


def _decoder(kind: str) -> "Callable[[Any], ImageFile]":
    """The class that decodes pictures of this type. `Image.open` would load and ask the decoders of all formats."""
    from PIL import GifImagePlugin, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

    classes: dict[str, Callable[[Any], ImageFile]] = {
        "image/gif": GifImagePlugin.GifImageFile,
        "image/jpeg": JpegImagePlugin.JpegImageFile,
        "image/png": PngImagePlugin.PngImageFile,
        "image/webp": WebPImagePlugin.WebPImageFile,
    }
    return classes[kind]


def _orientation(picture: "Picture") -> int:
    """As EXIF tells it: 1 is upright."""
    told = picture.getexif().get(_ORIENTATION, 1)
    return told if told in range(1, 9) else 1


def _plain(picture: "Picture") -> "Picture":
    """The first frame, decoded; raises `OSError` if it is incomplete."""
    picture.load()
    is_transparent = "A" in picture.getbands() or "transparency" in picture.info
    return picture.convert("RGBA" if is_transparent else "RGB")


def _upright(picture: "Picture", orientation: int) -> "Picture":
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return picture.transpose(turns[orientation]) if orientation in turns else picture


def _original(kind: str, orientation: int) -> list[Bytes]:
    data = mmap.mmap(sys.stdin.fileno(), 0, access=mmap.ACCESS_READ)
    try:
        return without_metadata(data, kind, orientation)  # type: ignore[arg-type]  # it is a buffer, too
    except MalformedPictureError as problem:
        raise RefusedPictureError("damaged") from problem


def _previews(picture: "Picture") -> list[bytes]:
    made = []
    for pixels in PREVIEW_PIXELS:
        picture.thumbnail((pixels, pixels))
        made.append(_webp(picture))
    return made


def _avatars(picture: "Picture") -> list[bytes]:
    from PIL import ImageOps

    return [_webp(ImageOps.fit(picture, (pixels, pixels))) for pixels in AVATAR_PIXELS]


def _webp(picture: "Picture") -> bytes:
    file = BytesIO()
    picture.save(file, "WEBP", quality=QUALITY, exif=b"", icc_profile=b"", xmp=b"")
    return file.getvalue()


def _write(parts: Iterable[Bytes]) -> None:
    for part in parts:
        sys.stdout.buffer.write(part)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
