"""The merchant's look: a logo, an accent colour, fonts and a stylesheet.

What is read here raises ValueError or OSError; settings.py says in a sentence what it should have been. Pages may
carry no style of their own, so all of it becomes one stylesheet, in the cascade's last layer.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from shop import colours

LOGO_BYTES = 200_000
STYLESHEET_BYTES = 100_000

# What a stylesheet may use of the files beside it.
BESIDE = {
    ".woff2": "font/woff2",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".jpg": "image/jpeg",
}

_GENERIC_FONTS = frozenset(("serif", "sans-serif", "monospace", "cursive", "system-ui", "ui-serif", "ui-rounded"))
_FONT = re.compile(r"""\s*(?:"([\w .-]{1,60})"|'([\w .-]{1,60})'|([A-Za-z][\w .-]{0,60}))\s*""")


@dataclass(frozen=True)
class Logo:
    """A picture elsewhere (`url`), or one that the shop serves. Its size in pixels is 0 where it isn't known."""

    url: str = ""
    name: str = ""
    mimetype: str = ""
    body: bytes = b""
    width: int = 0
    height: int = 0

    @cached_property
    def fingerprint(self) -> str:
        return _fingerprint(self.body)

    @property
    def adapts(self) -> bool:
        """True of an SVG that has a dark theme of its own; any other is made to be seen on a light page."""
        return b"prefers-color-scheme" in self.body


@dataclass(frozen=True)
class Stylesheet:
    """The merchant's own CSS, and the folder whose pictures and fonts it may use."""

    css: str
    folder: Path


@dataclass(frozen=True)
class Theme:
    """What differs from the shop's own look."""

    logo: Logo | None = None
    accent: str = ""
    font: str = ""
    font_titles: str = ""
    stylesheet: Stylesheet | None = None

    @cached_property
    def css(self) -> str:
        """Everything but the logo, as one stylesheet; empty when nothing is set."""
        declared = [
            *(f"--{name}: light-dark({pair.light}, {pair.dark});" for name, pair in self._colours.items()),
            *([f"--sans: {self.font};"] if self.font else []),
            *([f"--serif: {self.font_titles};"] if self.font_titles else []),
        ]
        parts = [
            *([f":root {{ {' '.join(declared)} }}"] if declared else []),
            *(["@media (prefers-contrast: more) { :root { --accent: var(--accent-deep); } }"] if self.accent else []),
            *([self.stylesheet.css] if self.stylesheet else []),
        ]
        return "@layer theme {\n" + "\n".join(parts) + "\n}\n" if parts else ""

    @cached_property
    def fingerprint(self) -> str:
        return _fingerprint(self.css.encode())

    @property
    def paper(self) -> colours.Pair:
        """The page's colour, for the browser's own bars around it."""
        return colours.tokens()["paper"]

    @cached_property
    def _colours(self) -> dict[str, colours.Pair]:
        return colours.accent_tokens(self.accent) if self.accent else {}


def read_logo(text: str) -> Logo:
    """A logo from an absolute https URL, or the path of an SVG, PNG or WebP file."""
    if text.startswith("https://"):
        if not urlsplit(text).hostname or not text.isprintable() or " " in text:
            raise ValueError(text)
        return Logo(url=text)
    path = Path(text)
    body = path.read_bytes()
    suffix = path.suffix.lower()
    if suffix not in _SIZES or len(body) > LOGO_BYTES:
        raise ValueError(text)
    width, height = _SIZES[suffix](body)
    return Logo(name=f"logo{suffix}", mimetype=BESIDE[suffix], body=body, width=width, height=height)


def read_font(text: str) -> str:
    """A list of font families as CSS has it, each in quotes unless it is generic, and a generic one at its end."""
    names = [" ".join(_family(part).split()) for part in text.split(",")]
    if len(text) > 300:
        raise ValueError(text)
    if names[-1] not in _GENERIC_FONTS:
        names.append("sans-serif")
    return ", ".join(name if name in _GENERIC_FONTS else f'"{name}"' for name in names)


def _family(text: str) -> str:
    if not (found := _FONT.fullmatch(text)):
        raise ValueError(text)
    return found[1] or found[2] or found[3]


def read_stylesheet(text: str) -> Stylesheet:
    """A CSS file. An `@import` in it would be ignored, since it can only stand at a stylesheet's start."""
    path = Path(text)
    body = path.read_bytes()
    css = body.decode("utf-8-sig").strip()
    if len(body) > STYLESHEET_BYTES or path.suffix.lower() != ".css" or re.search(r"@import\b", css, re.I):
        raise ValueError(text)
    return Stylesheet(css, path.resolve().parent)


def _fingerprint(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:12]


def _png_size(body: bytes) -> tuple[int, int]:
    if not body.startswith(b"\x89PNG\r\n\x1a\n"):
        raise ValueError("not a PNG")
    return int.from_bytes(body[16:20]), int.from_bytes(body[20:24])


def _webp_size(body: bytes) -> tuple[int, int]:
    """Source: RFC 9649, the three kinds of first chunk."""
    if body[:4] != b"RIFF" or body[8:12] != b"WEBP":
        raise ValueError("not a WebP")
    if body[12:16] == b"VP8X":
        return int.from_bytes(body[24:27], "little") + 1, int.from_bytes(body[27:30], "little") + 1
    if body[12:16] == b"VP8L":
        bits = int.from_bytes(body[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return int.from_bytes(body[26:28], "little") & 0x3FFF, int.from_bytes(body[28:30], "little") & 0x3FFF


def _svg_size(body: bytes) -> tuple[int, int]:
    """Its proportions, from the viewBox or else from width and height; 0 where it has neither."""
    root = re.search(r"<svg\b[^>]*>", body.decode("utf-8-sig"))
    if not root:
        raise ValueError("not an SVG")
    box = re.search(r"""\bviewBox=["']\s*[-\d.]+[\s,]+[-\d.]+[\s,]+([\d.]+)[\s,]+([\d.]+)\s*["']""", root[0])
    sides = box.groups() if box else [_svg_side(root[0], name) for name in ("width", "height")]
    width, height = (round(float(side)) for side in sides)
    return width, height


def _svg_side(root: str, name: str) -> str:
    found = re.search(rf"""\s{name}=["']\s*(\d+(?:\.\d+)?)(?:px)?\s*["']""", root)
    return found[1] if found else "0"


_SIZES = {".svg": _svg_size, ".png": _png_size, ".webp": _webp_size}
