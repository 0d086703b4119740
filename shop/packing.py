"""Gzip of a page that is put together from pieces, of which most were packed before.

Each piece is deflated for itself up to a byte's end, so that any row of them makes one valid stream; what is left to
do for a page is its checksum. That is a fraction of packing all of it anew, and in as few bytes.
Source: RFC 1951, RFC 1952; zlib's manual, Z_FULL_FLUSH.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple

# A gzip member's beginning: deflated, without name or time. And the stream's last block, which is empty.
_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_LAST_BLOCK = b"\x03\x00"


class Piece(NamedTuple):
    """A part of a page, plain and deflated."""

    text: bytes
    deflated: bytes


def piece(text: bytes, level: int = 9) -> Piece:
    """`text`, packed in haste at level 1, in as few bytes as it takes at 9."""
    packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    return Piece(text, packer.compress(text) + packer.flush(zlib.Z_FULL_FLUSH))


def gzipped(pieces: Sequence[Piece]) -> bytes:
    """All of the pieces as one file of gzip."""
    checksum, length = 0, 0
    for text, _ in pieces:
        checksum = zlib.crc32(text, checksum)
        length += len(text)
    end = _LAST_BLOCK + struct.pack("<LL", checksum, length & 0xFFFFFFFF)
    return b"".join((_HEAD, *(deflated for _, deflated in pieces), end))
