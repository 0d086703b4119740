"""What the product list, collections and search share: reading `sort`, `page` and `tag`, and showing a page."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from flask import abort, render_template, request

from shop.catalogue import store
from shop.catalogue.store import Wish
from shop.errors import BadQuery
from shop.views.shared import connection

_MOST_TAGS = 8


def show(template: str, wish: Wish, sorts: dict[str, str], **context: Any) -> str:
    """The page of products that `wish` and the query string ask for. `sorts` are names by value, the default first.

    Raises BadQuery for a sort or a page that can't be, NotFound for a page past the last.
    """
    default = next(iter(sorts))
    wish = replace(wish, sort=_sort(sorts, default), page=page_number(), tags=_tags())
    page = store.find_page(connection(), wish)
    if page.number > page.pages:
        abort(404, description=f"This list has {page.pages} {'page' if page.pages == 1 else 'pages'}.")

    def link(**changes: Any) -> str:
        """This listing with some of its query changed; None takes a part out."""
        query = {"q": context.get("query"), "tag": wish.tags, "sort": wish.sort, "page": wish.page} | changes
        said = {name: value for name, value in query.items() if value and value != unsaid.get(name)}
        return request.path + ("?" + urlencode(said, doseq=True) if said else "")

    unsaid = {"sort": default, "page": 1}
    return render_template(template, page=page, wish=wish, sorts=sorts, link=link, **context)


def sort_names() -> dict[str, str]:
    return {value: name for value, (name, _order) in store.SORTS.items()}


def _sort(sorts: dict[str, str], default: str) -> str:
    sort = request.args.get("sort") or default
    if sort not in sorts:
        raise BadQuery("sort", sort, f"one of {', '.join(sorts)}")
    return sort


def page_number(digits: int = 7) -> int:
    """The query's `page`, 1 if missing. Raises BadQuery for anything but a number of at most that many digits."""
    page = request.args.get("page") or "1"
    if not (page.isascii() and page.isdigit() and len(page) <= digits and int(page) > 0):
        raise BadQuery("page", page, "a number, counted from 1")
    return int(page)


def _tags() -> tuple[str, ...]:
    return tuple(dict.fromkeys(tag.strip().lower()[:255] for tag in request.args.getlist("tag") if tag.strip()))[
        :_MOST_TAGS
    ]
