"""Templates compiled once for all apps of a process, and of those that are forked from it.

To compile them is most of what a start takes. They come out the same in every app: what is put into them beforehand
are this checkout's own texts, in the language that is spoken, and its own addresses.
"""

from __future__ import annotations

from types import CodeType

from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket

from shop import language


class _Compiled(BytecodeCache):
    def __init__(self) -> None:
        self._known: dict[str, CodeType] = {}

    def get_cache_key(self, name: str, filename: str | None = None) -> str:
        return f"{language.spoken()}/{super().get_cache_key(name, filename)}"

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._known.get(bucket.key)

    def dump_bytecode(self, bucket: Bucket) -> None:
        assert bucket.code
        self._known[bucket.key] = bucket.code


def compile_once() -> None:
    Flask.jinja_options = {**Flask.jinja_options, "bytecode_cache": _Compiled()}
