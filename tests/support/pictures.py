"""Pictures for tests, ordinary and hostile. Pillow only makes them here; the services never load it themselves."""

import io
import random
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from PIL import Image, PngImagePlugin

PLACE = b"GPS 48.8584 N 2.2945 E"
"""Stands in the metadata of `picture`."""
FORMATS = ("JPEG", "PNG", "GIF", "WEBP")


def picture(
    kind: str, size: tuple[int, int] = (300, 200), *, orientation: int = 1, trailer: bytes = b"", seed: int = 0
) -> bytes:
    """A picture with noise and metadata of every sort its format has."""
    noise = random.Random(seed).randbytes(size[0] * size[1] * 3)
    image = Image.frombytes("RGB", size, noise)
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = PLACE.decode()
    file = io.BytesIO()
    if kind == "JPEG":
        image.save(file, "JPEG", exif=exif, comment=PLACE, quality=90, progressive=True)
    elif kind == "PNG":
        told = PngImagePlugin.PngInfo()
        told.add_text("Comment", PLACE.decode())
        told.add_itxt("XML:com.adobe.xmp", PLACE.decode())
        image.save(file, "PNG", exif=exif, pnginfo=told)
    elif kind == "GIF":
        image.quantize(64, 2).save(
            file, "GIF", comment=PLACE, save_all=True, append_images=[image.quantize(16, 2)], loop=0
        )
    else:
        image.save(file, "WEBP", exif=exif, xmp=PLACE)
    return file.getvalue() + trailer


def bomb(width: int, height: int) -> bytes:
    """A PNG of one color: small as a file, huge when decoded."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    rows = zlib.compressobj(9)
    row = bytes(1 + width // 8)
    content = b"".join(rows.compress(row) for _ in range(height)) + rows.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


class HostileFile(NamedTuple):
    """A file that is not what it seems, or is broken."""

    name: str
    content: bytes


def hostile_files(count: int = 500, seed: int = 1) -> Iterator[HostileFile]:
    """Bombs, truncated and damaged pictures, wrong headers, polyglots, and markup with scripts."""
    chance = random.Random(seed)
    whole = {kind: picture(kind, (60, 40)) for kind in FORMATS}
    script = b"<script>alert(document.cookie)</script>"
    yield HostileFile("bomb.png", bomb(20_000, 20_000))
    yield HostileFile("wide.png", bomb(800_000, 51))
    yield HostileFile("svg.png", b"<svg xmlns='http://www.w3.org/2000/svg'>" + script + b"</svg>")
    yield HostileFile("page.jpg", b"<!DOCTYPE html>" + script)
    yield HostileFile(
        "entities.svg", b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>"
    )
    yield HostileFile("postscript.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\n")
    yield HostileFile("fli.gif", bytes(4) + b"\x11\xaf" + bytes(200))
    yield HostileFile("psd.png", b"8BPS\x00\x01" + bytes(500))
    for kind, content in whole.items():
        yield HostileFile(f"zip.{kind}", content + b"PK\x03\x04" + script)
        yield HostileFile(f"page.{kind}", content + script)
        yield HostileFile(f"head.{kind}", content[:16])
    made = 8 + 3 * len(whole)
    while made < count:
        kind = chance.choice(FORMATS)
        damaged = bytearray(whole[kind])
        match made % 5:
            case 0:
                damaged = damaged[: chance.randrange(12, len(damaged))]
            case 1:
                for _ in range(chance.randrange(1, 40)):
                    damaged[chance.randrange(12, len(damaged))] = chance.randrange(256)
            case 2:
                start = chance.randrange(12, len(damaged) - 1)
                damaged[start : start + chance.randrange(1, 400)] = chance.randbytes(chance.randrange(400))
            case 3:
                damaged[12 : 12 + chance.randrange(1, 30)] = b"\xff" * chance.randrange(1, 30)
            case _:
                other = whole[chance.choice(FORMATS)]
                damaged = damaged[: chance.randrange(12, 80)] + other[chance.randrange(len(other)) :]
        yield HostileFile(f"{made}.{kind}", bytes(damaged))
        made += 1
