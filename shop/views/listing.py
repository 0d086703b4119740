"""What the product list, collections and search share: reading filters, sort and page from the query, showing them.

A filter is named as its facet is (`type`, `vendor`, `tag`, `availability`, `option.colour`), once for each value;
`price-from` and `price-to` are in the currency's major units. `until` shows the pages from `page` to there as one,
`all` names a facet whose values are all listed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from urllib.parse import quote_plus, urlencode

from flask import abort, render_template, request

from shop import hypermedia, language
from shop.asked import shop
from shop.catalogue.facets import is_facet
from shop.catalogue.listing import PAGE_SIZE, SORTS, Page, Wish, find_page
from shop.errors import BadQuery
from shop.hypermedia import Partial
from shop.language import gettext as _
from shop.language import ngettext
from shop.money import MOST, Currency, NotAPrice, TooFine, TooMuch
from shop.views import head
from shop.views.for_everybody import Made
from shop.views.shared import connection, money

_MOST_VALUES = 40  # of all filters together; the rest is ignored
_LONGEST_VALUE = 255
_LONGEST_FILTERS = 3000  # characters, as each link to the list repeats them all; the rest is ignored
_MOST_PAGES = 20  # that are shown as one
_PRICES = ("price-from", "price-to")


@dataclass(frozen=True)
class Chip:
    """A filter that is set, and the address of the list without it."""

    title: str
    address: str


@dataclass(frozen=True)
class Listing:
    """A page of products and all that can be asked of it, as `fragments/listing.html` shows it."""

    page: Page
    wish: Wish
    sorts: dict[str, str]  # names by value, the one that is meant without a word first
    until: int  # the last page that is shown
    whole: str  # the facet of which all values are listed; empty for none
    typed: dict[str, str]  # the prices as they were typed
    error: str = ""  # what is wrong with them

    @property
    def first(self) -> int:
        """The place in the whole list of the first product that is shown, counted from 1."""
        return (self.wish.page - 1) * PAGE_SIZE + 1

    @property
    def last(self) -> int:
        return min(self.until * PAGE_SIZE, self.page.total)

    @property
    def numbers(self) -> list[int | None]:
        """Pages to link to: the ends, and those around what is shown; None for a gap."""
        pages = self.page.pages
        near = {1, pages, *range(max(1, self.wish.page - 2), min(pages, self.until + 2) + 1)}
        numbers: list[int | None] = []
        for number in sorted(near):
            if numbers and number - 1 != numbers[-1]:
                numbers.append(None)
            numbers.append(number)
        return numbers

    def at(self, page: int) -> str:
        return self._address(page=page)

    @property
    def longer(self) -> str:
        """The address of this list with its next page below; empty where there is none, or it would be too long."""
        if self.until >= self.page.pages or self.until - self.wish.page + 1 >= _MOST_PAGES:
            return ""
        return self._address(page=self.wish.page, until=self.until + 1)

    def with_all_of(self, facet: str) -> str:
        """The address of this list with all of that facet's values to choose from; of none when it is empty."""
        return self._address(page=self.wish.page, until=self.until if self.until > self.wish.page else 0, whole=facet)

    @property
    def cleared(self) -> str:
        return self._address(chosen={}, prices={})

    @property
    def chips(self) -> list[Chip]:
        chosen = (facet for facet in self.page.facets if facet.chosen)
        titles = {(facet.key, value.value): value.title for facet in chosen for value in facet.values}
        chips = []
        for key, values in self.wish.chosen.items():
            for value in values:
                others = tuple(each for each in values if each != value)
                without = self._address(chosen={**self.wish.chosen, key: others})
                chips.append(Chip(titles.get((key, value), value), without))
        if self.wish.priced:
            chips.append(Chip(self._price_title(), self._address(prices={})))
        return chips

    def _price_title(self) -> str:
        lowest, highest = self.wish.price_from, self.wish.price_to
        if lowest is None:
            return _("Up to %(price)s", price=money(highest or 0))
        if highest is None:
            return _("From %(price)s", price=money(lowest))
        return _("%(lowest)s to %(highest)s", lowest=money(lowest), highest=money(highest))

    def _address(
        self,
        page: int = 1,
        until: int = 0,
        chosen: dict[str, tuple[str, ...]] | None = None,
        prices: dict[str, str] | None = None,
        whole: str | None = None,
    ) -> str:
        """This list's address with something changed; without what goes without saying."""
        parts = [self._filters if chosen is None and prices is None else self._filtered(chosen, prices)]
        if page > 1:
            parts.append(f"page={page}")
        if until:
            parts.append(f"until={until}")
        if whole := self.whole if whole is None else whole:
            parts.append("all=" + quote_plus(whole))
        parts.append(self._language)
        query = "&".join(filter(None, parts))
        return self._path + ("?" + query if query else "")

    @cached_property
    def _path(self) -> str:
        return request.path

    @cached_property
    def _language(self) -> str:
        named = request.args.get("language", "")
        return _encoded({"language": named if named in shop().settings.languages else ""})

    @cached_property
    def _filters(self) -> str:
        return self._filtered()

    def _filtered(
        self, chosen: dict[str, tuple[str, ...]] | None = None, prices: dict[str, str] | None = None
    ) -> str:
        sort = self.wish.sort if self.wish.sort != next(iter(self.sorts)) else ""
        return _encoded(
            {
                "q": self.wish.query,
                **(self.wish.chosen if chosen is None else chosen),
                **(self.typed if prices is None else prices),
                "sort": sort,
            }
        )


def _encoded(query: Mapping[str, Any]) -> str:
    """As a part of an address, without what says nothing."""
    return urlencode({name: value for name, value in query.items() if value}, doseq=True)


def show(template: str, wish: Wish, sorts: dict[str, str], **context: Any) -> Made:
    """The page of products that `wish` and the query string ask for.

    Raises BadQuery for a sort or a page that can't be, NotFound for a page past the last. What is wrong with the
    prices is said beside their fields, with 400.
    """
    typed = {name: value for name in _PRICES if (value := request.args.get(name, "").strip()[:20])}
    lowest, highest, error = _prices(typed)
    wish = replace(
        wish,
        sort=_sort(sorts),
        page=page_number(),
        chosen=_chosen(),
        price_from=lowest,
        price_to=highest,
        whole=named if _is_filter(named := request.args.get("all", "")) else "",
    )
    until = _until(wish.page)
    found = _pages(wish, until)
    listing = Listing(found, wish, sorts, until, _whole(found), typed, error)
    if hypermedia.wants_fragments():
        return _longer(listing), 200
    about = head.of_listing(listing.page, wish, next(iter(sorts)), context.get("collection"))
    page = render_template(template, head=about, listing=listing, page=listing.page, wish=wish, **context)
    return page, 400 if error else 200


def _whole(page: Page) -> str:
    """The facet that the query's `all` names; empty when it names none of the page's."""
    named = request.args.get("all", "")
    return named if any(facet.key == named for facet in page.facets) else ""


def sort_names() -> dict[str, str]:
    return {value: _(name) for value, name in SORTS.items()}


def page_number(digits: int = 7) -> int:
    """The query's `page`, 1 if missing. Raises BadQuery for anything but a number of at most that many digits."""
    return _number("page", digits) or 1


def _number(name: str, digits: int = 7) -> int | None:
    text = request.args.get(name)
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= digits and int(text) > 0):
        raise BadQuery(name, text, _("a number, counted from 1"))
    return int(text)


def _until(first: int) -> int:
    until = _number("until") or first
    if not first <= until < first + _MOST_PAGES:
        raise BadQuery("until", str(until), _("at most %(pages)s pages after the first", pages=_MOST_PAGES - 1))
    return until


def _pages(wish: Wish, until: int) -> Page:
    """The pages from the wished one to `until`, as one; where htmx has the others already, the last alone."""
    first = until if hypermedia.wants_fragments() else wish.page
    pages = [
        find_page(connection(), replace(wish, page=number), language.spoken()) for number in range(first, until + 1)
    ]
    page = pages[0]
    if until > page.pages:
        abort(404, description=ngettext("This list has %(num)s page.", "This list has %(num)s pages.", page.pages))
    return replace(page, number=wish.page, cards=tuple(card for each in pages for card in each.cards))


def _longer(listing: Listing) -> str:
    """What "show more" puts below the list on screen."""
    return hypermedia.fragments_text(
        Partial("product-grid", "fragments/product-cards.html", "beforeend", {"cards": listing.page.cards}),
        Partial("pages", "fragments/pages.html", context={"listing": listing, "page": listing.page}),
    )


def _sort(sorts: dict[str, str]) -> str:
    sort = request.args.get("sort") or next(iter(sorts))
    if sort not in sorts:
        raise BadQuery("sort", sort, _("one of %(choices)s", choices=", ".join(sorts)))
    return sort


def _chosen() -> dict[str, tuple[str, ...]]:
    """The values of the facets that the query names."""
    chosen: dict[str, tuple[str, ...]] = {}
    pairs = [(key, value.strip()[:_LONGEST_VALUE]) for key, value in request.args.items(multi=True) if value.strip()]
    room = _LONGEST_FILTERS
    for key, value in [pair for pair in pairs if _is_filter(pair[0])][:_MOST_VALUES]:
        room -= len(_encoded({key: value}))
        if room < 0:
            break
        chosen[key] = (*chosen.get(key, ()), value)
    return chosen


def _is_filter(name: str) -> bool:
    return is_facet(name) and len(name) <= _LONGEST_VALUE


def _prices(typed: Mapping[str, str]) -> tuple[int | None, int | None, str]:
    """The lowest and the highest in minor units, and what is wrong with them; where something is, without them."""
    try:
        lowest, highest = (_price(typed.get(name, "")) for name in _PRICES)
    except TooMuch:
        return None, None, _("Type prices of at most %(most)s.", most=money(MOST))
    except TooFine:
        decimals = Currency(shop().settings.currency).decimals
        error = ngettext(
            "Type prices with at most %(num)s decimal.", "Type prices with at most %(num)s decimals.", decimals
        )
        return None, None, error
    except NotAPrice:
        return None, None, _("Type prices in digits, such as %(example)s.", example=_example())
    if lowest is not None and highest is not None and lowest > highest:
        return None, None, _("“From” is above “To”: swap them, or empty one.")
    return lowest, highest, ""


def _price(text: str) -> int | None:
    """Minor units of what somebody typed, with a comma or a dot. Raises NotAPrice."""
    return Currency(shop().settings.currency).parse(text.replace(",", ".")) if text else None


def _example() -> str:
    return "1999" if Currency(shop().settings.currency).decimals == 0 else "19.99"
