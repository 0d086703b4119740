"""The files of static/ as browsers get them: one stylesheet, one script, addresses that change with the content.

`css/shop.css` and `js/shop.js` are lists of imports, which work as they stand; here their files become one. An
address carries a fingerprint of what it answers, so browsers may keep it for ever.
"""

from __future__ import annotations

import mimetypes
import re
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from pathlib import Path

_BUNDLES = frozenset({"css/shop.css", "js/shop.js"})
_IMPORT = re.compile(r'^@?import "(?:\./)?([a-z-]+\.(?:css|js))";$', re.MULTILINE)
_COMMENT = re.compile(r"/\*[\s\S]*?\*/|^\s*//.*$|(?<=[;{}]) +// .*$", re.MULTILINE)
_SMALL = 4_000  # bytes
_SPACE = re.compile(r"\s*\n\s*")


@dataclass(frozen=True)
class Asset:
    """One file: its `path` under static/, its bytes as they are sent, and their fingerprint."""

    path: str
    body: bytes
    fingerprint: str
    type: str


@dataclass
class Assets:
    """The files under one folder, by path."""

    folder: Path
    _known: dict[str, Asset] = field(default_factory=dict)

    def find(self, path: str) -> Asset | None:
        """The file at that path, spelled in the one way there is, read at its first use; None when there is none."""
        if path in self._known:
            return self._known[path]
        if path not in self._paths:
            return None
        file = self.folder / path
        body = _bundled(file) if path in _BUNDLES else file.read_bytes()
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        asset = Asset(path, body, blake2b(body, digest_size=6).hexdigest(), kind)
        if kind.startswith("text/") or len(body) < _SMALL:  # what every page names; pictures are many
            self._known[path] = asset
        return asset

    @cached_property
    def _paths(self) -> frozenset[str]:
        """All that there is. What else is asked for never gets as far as the file system."""
        files = (file for file in self.folder.rglob("*") if file.is_file())
        return frozenset(file.relative_to(self.folder).as_posix() for file in files)


def _bundled(listing: Path) -> bytes:
    """The files that `listing` imports, in that order, without comments and indentation."""
    texts = [(listing.parent / name).read_text() for name in _IMPORT.findall(listing.read_text())]
    return "\n".join(_SPACE.sub("\n", _COMMENT.sub("", text)).strip() for text in texts).encode()
