"""Pages put together from pieces that are packed for themselves."""

from __future__ import annotations

import gzip
import zlib

from hypothesis import given
from hypothesis import strategies as st

from shop.packing import gzipped, piece


@given(st.lists(st.binary(max_size=5_000), max_size=6))
def test_any_row_of_pieces_is_one_file_of_gzip(texts):
    packed = gzipped([piece(text, level=9 if place % 2 else 1) for place, text in enumerate(texts)])

    assert gzip.decompress(packed) == b"".join(texts)
    reader = zlib.decompressobj(16 + zlib.MAX_WBITS)  # as browsers read it: one member, and nothing after it
    assert reader.decompress(packed) + reader.flush() == b"".join(texts)
    assert reader.eof and reader.unused_data == b""
