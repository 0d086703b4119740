"""The program that makes the sizes of pictures, one picture after another. `pictures` runs one of it per core.

It is a process of its own, so that whatever a stranger's picture does to a decoder ends with that picture: its crash,
its memory, its time. A request is a line of JSON on standard input, with three paths: `source`, a file; `sizes`, the
folder in which each picture has a folder of its own; `making`, a folder for what isn't finished. The answer is a
line of JSON on standard output: what `make` says, or `problem`: what is wrong with the picture, or `failed`: what is
wrong with this machine. It imports nothing of the shop, to start at once.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import resource
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError

WIDTHS = (160, 320, 480, 640, 960, 1280, 1920)
TALLEST = 16_000  # WebP ends at 16,383
FORMATS: dict[str, dict[str, int]] = {
    "avif": {"quality": 55, "speed": 6, "max_threads": 1},
    "webp": {"quality": 78, "method": 4},
}

READABLE = ("AVIF", "GIF", "JPEG", "PNG", "WEBP")
MOST_PIXELS = 80_000_000  # decoded, 320 MB
MOST_MEMORY = 2 << 30
Image.MAX_IMAGE_PIXELS = MOST_PIXELS // 2  # Pillow warns of more, and refuses twice as much

TURNED = (5, 6, 7, 8)  # the orientations in EXIF that lie on their side
SRGB = ImageCms.createProfile("sRGB")

Answer = dict[str, Any]


class Broken(Exception):
    """Says what is wrong with a picture."""


def make(source: Path, sizes: Path, making: Path) -> Answer:
    """Make the sizes of the picture `source`, unless they are there: `sizes`/<key>/<width>.<avif|webp>.

    The folder appears when all of it is written. The answer has the picture's `width` and `height`, and, unless it is
    a drawing (SVG), which needs no sizes, `key`, `widths` and `color`: the one that most of it has, empty where one
    can see through it. Raises Broken, and OSError where nothing can be written.
    """
    try:
        drawing, key = _drawing(source), _key(source)
    except OSError as error:
        raise Broken(f"can't be read: {error.strerror}") from None
    if drawing is not None:
        return drawing
    image, width, height = _decoded(source)
    widest = max(1, min(width, WIDTHS[-1], width * TALLEST // height))
    image = _resized(image, widest, width, height)
    if image.mode == "RGBA" and image.getchannel("A").getextrema()[0] == 255:
        image = image.convert("RGB")
    image.info.clear()  # or it would be written into each size
    widths = [*(width for width in WIDTHS if width < widest), widest]
    if not (sizes / key).is_dir():
        folder = making / f"{key}.{os.getpid()}"
        folder.mkdir()
        for each in widths:
            _write(_resized(image, each, width, height), folder)
        _move(folder, sizes / key)
    return {"width": width, "height": height, "color": _color(image), "key": key, "widths": widths}


def _decoded(source: Path) -> tuple[Image.Image, int, int]:
    """The picture upright, in RGB or RGBA, with its own width and height: a big one may be decoded smaller."""
    try:
        with Image.open(source, formats=READABLE) as image:
            width, height = image.size
            image.draft(None, (WIDTHS[-1], WIDTHS[-1]))
            image.load()
            with suppress(Exception):  # EXIF that can't be read turns nothing
                if image.getexif().get(ExifTags.Base.Orientation) in TURNED:
                    width, height = height, width
                ImageOps.exif_transpose(image, in_place=True)
            return _in_srgb(image), width, height
    except UnidentifiedImageError:
        raise Broken("not a picture that browsers show (AVIF, GIF, JPEG, PNG, SVG or WebP)") from None
    except Image.DecompressionBombError:
        raise Broken(f"more than {MOST_PIXELS // 1_000_000} million pixels") from None
    except MemoryError:
        raise
    except Exception as error:  # decoders raise whatever they like
        raise Broken(f"damaged: {_first_line(error)}") from None


def _in_srgb(image: Image.Image) -> Image.Image:
    """The picture in RGB, or in RGBA where one can see through it, its colours as its profile means them."""
    profile = image.info.get("icc_profile")
    mode = "RGBA" if image.has_transparency_data else "RGB"
    if image.mode.startswith("I"):  # 16 bits, which a plain conversion would cut off
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    if profile:
        with suppress(ImageCms.PyCMSError, OSError):  # a profile that doesn't fit is none
            own = image if image.mode in (mode, "CMYK") else image.convert(mode)
            given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(own, given, SRGB, outputMode=mode)
            if converted is not None:
                return converted
    return image.convert(mode)


def _resized(image: Image.Image, to: int, width: int, height: int) -> Image.Image:
    """`image`, which is `width` by `height` at full size, so many pixels wide."""
    size = (to, max(1, round(height * to / width)))
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def _color(image: Image.Image) -> str:
    if image.mode == "RGBA":
        return ""
    few = image.resize((64, 64), Image.Resampling.BOX).quantize(16, Image.Quantize.FASTOCTREE).convert("RGB")
    _, color = max(few.getcolors() or [(0, (0, 0, 0))])
    return "#{:02x}{:02x}{:02x}".format(*color)  # type: ignore[misc]


def _key(source: Path) -> str:
    """Of the picture's bytes and of how sizes are made: what has the same key looks the same."""
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
    return hashlib.sha256(digest + repr((WIDTHS, FORMATS)).encode()).hexdigest()[:20]


def _write(image: Image.Image, folder: Path) -> None:
    for kind, options in FORMATS.items():
        with (folder / f"{image.width}.{kind}").open("xb") as file:
            image.save(file, kind, **options)
            file.flush()
            os.fsync(file.fileno())


def _move(folder: Path, target: Path) -> None:
    try:
        folder.rename(target)
    except OSError:
        if not target.is_dir():
            raise
        shutil.rmtree(folder)  # another program has just made the same


# Drawings.


def _drawing(source: Path) -> Answer | None:
    """The size of an SVG drawing, where it says one; None for what is none."""
    with source.open("rb") as file:
        if not file.read(256).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
            return None
    try:
        # Only the first tag is read, no other file is opened for it, and expat itself bounds what entities grow to.
        _, root = next(ElementTree.iterparse(source, events=("start",)))  # noqa: S314
    except (ElementTree.ParseError, StopIteration, ValueError):
        return None
    if root.tag.rpartition("}")[2] != "svg":
        return None
    box = re.findall(r"[^\s,]+", root.get("viewBox", ""))
    width, height = (_pixels(root.get("width", "")), _pixels(root.get("height", "")))
    if (not width or not height) and len(box) == 4:
        width, height = (_pixels(box[2]), _pixels(box[3]))
    return {"width": width, "height": height} if width and height else {}


def _pixels(text: str) -> int:
    """A length in whole pixels, at least 1; 0 where it is none, or one in another unit."""
    number = re.fullmatch(r"\s*(\d{1,6}(?:\.\d{1,9})?)(?:px)?\s*", text)
    return max(1, round(float(number[1]))) if number and float(number[1]) else 0


# The program.


def main() -> None:
    os.nice(5)  # a shop on the same machine comes first
    with suppress(ValueError, OSError):  # some systems have no such limit
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    for line in sys.stdin:
        paths = {name: Path(path) for name, path in json.loads(line).items()}
        print(json.dumps(_answer(paths)), flush=True)


def _answer(paths: dict[str, Path]) -> Answer:
    try:
        return make(**paths)
    except Broken as broken:
        return {"problem": str(broken)}
    except MemoryError:
        return {"problem": "needs too much memory"}
    except OSError as error:
        return {"failed" if error.errno else "problem": _first_line(error)}
    except Exception as error:
        return {"problem": f"no sizes could be made: {_first_line(error)}"}


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


if __name__ == "__main__":
    main()
