"""Fragments that show nothing but the values they are given: made without the context that other templates share.

So that one can't depend on the visitor unnoticed, and may be kept.
"""

from __future__ import annotations

from sys import getsizeof
from typing import Any

from flask import current_app
from markupsafe import Markup

from shop import language
from shop.asked import shop


def fragment(name: str, /, **values: Any) -> Markup:
    """The fragment of that name, of these values and nothing else."""
    template = current_app.jinja_env.get_template(f"fragments/{name}.html")
    return Markup(template.render(values))  # noqa: S704


def kept_fragment(name: str, /, **values: Any) -> Markup:
    """The same, made once for values that are alike. They must be hashable."""
    memory = shop().parts
    key = (name, language.spoken(), *values.values())
    kept: Markup | None = memory.get(key)
    if kept is None:
        kept = fragment(name, **values)
        memory.put(key, kept, getsizeof(kept))
    return kept
