"""Decodes one picture in a child process with limits: from standard input to standard output, nothing else.

`picture_decoder` runs it. Pictures come from other users, and decoders have faults: here, a fault costs one picture.
Nothing else in the client may import this module, or Pillow.
"""

import json
import resource
import sys
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

MEMORY_BYTES = 512 * 2**20
CPU_S = 10
MEGAPIXELS = 40
BACKGROUND = (0, 0, 0)
"""What is seen through a transparent picture."""


def main() -> None:
    """Arguments: the most pixels in width and height; `rgb`, `png` or `palette`; the number of colours of a palette.

    Writes a line of JSON, `{"width", "height"}`, then the pixels: 3 bytes each, a PNG, or a palette with 3 bytes a
    colour and a byte for each pixel. Nothing at all: this is no picture that can be shown.
    """
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_AS, MEMORY_BYTES),
    ):
        resource.setrlimit(kind, (most, most))
    picture = _decoded(int(sys.argv[1]), int(sys.argv[2]))
    if picture is None:
        return
    told = json.dumps({"width": picture.width, "height": picture.height}).encode()
    sys.stdout.buffer.write(told + b"\n" + _pixels(picture, sys.argv[3], int(sys.argv[4])))


def _decoded(width: int, height: int) -> "Picture | None":
    from PIL import Image

    try:
        with Image.open(sys.stdin.buffer, formats=("WEBP", "PNG", "JPEG", "GIF")) as picture:
            if picture.width * picture.height > MEGAPIXELS * 1_000_000:
                return None
            picture.draft("RGB", (width, height))
            seen = Image.new("RGB", picture.size, BACKGROUND)
            layer = picture.convert("RGBA")
            seen.paste(layer, mask=layer)
    except Exception:  # noqa: BLE001 - decoders raise anything for what is not a picture
        return None
    seen.thumbnail((width, height))
    return seen


def _pixels(picture: "Picture", kind: str, colors: int) -> bytes:
    match kind:
        case "rgb":
            return picture.tobytes()
        case "palette":
            reduced = picture.quantize(colors)
            palette = bytes(reduced.getpalette() or ())[: colors * 3]
            return palette.ljust(colors * 3, b"\0") + reduced.tobytes()
        case _:
            file = BytesIO()
            picture.save(file, "PNG")
            return file.getvalue()


if __name__ == "__main__":
    main()
