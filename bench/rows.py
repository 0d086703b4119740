"""What `make bench` measures: for each row of its table, the requests that are sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from random import Random

from bench.visits import (
    Request,
    Shelf,
    Visitor,
    adding,
    ask,
    first,
    queries,
    searching,
    shoppers,
    some_cart,
    typing,
)

_MANY = 40_000  # requests of which none is sent twice in a row's rounds
_SHOPPERS = 20
_PRODUCTS = 50  # that the product page's visitors look at


@dataclass(frozen=True)
class Row:
    """A kind of visit. `goal`: the share of the bare view's requests per second to reach, in per cent.

    `unseen` means that no two of its requests are alike, so that nothing of an answer can have been kept.
    """

    page: str
    visitor: str
    goal: int
    requests: Sequence[Request]
    unseen: bool = False


def rows_of(port: int, shelf: Shelf, generated: int) -> Iterator[Row]:
    """The rows of the shop on that port; with those of `generated` products that need as many."""
    random = Random(7)
    people = shoppers(port, _SHOPPERS)
    cart = some_cart(random, shelf)
    regular = people[0].with_cart(cart)
    pages = {
        "home": [Request("/")],
        "collection": [Request(f"/collections/{shelf.collection}")],
        "product": [Request(f"/products/{handle}") for handle in shelf.products[:_PRODUCTS]],
    }
    added = adding(next(item for item in shelf.items if item not in cart), pages["collection"][0].path)

    def unseen(requests: Sequence[Request]) -> list[Request]:
        """Each from a visitor with another cart."""
        return first(_MANY, _by_others(random, shelf, people, requests))

    for page, requests in pages.items():
        yield Row(page, "new", 80, requests)
    for page, requests in pages.items():
        yield Row(page, "with cart and shopper", 70, [regular.asking(each) for each in requests])
    if generated:
        for page, requests in pages.items():
            yield Row(page, "with cart and shopper, never seen", 70, unseen(requests), unseen=True)
    yield Row("collection, unchanged (304)", "new", 90, [_again(port, pages["collection"][0])])
    yield Row("add to cart (htmx)", "with cart and shopper", 50, [regular.asking(added)])
    if generated:
        yield Row("add to cart (htmx)", "with cart and shopper, never seen", 50, unseen([added]), unseen=True)
    yield Row("cart", "with cart and shopper", 50, [regular.asking(Request("/cart"))])
    if generated:
        yield Row("cart", "with cart and shopper, never seen", 50, unseen([Request("/cart")]), unseen=True)
        texts = list(islice(queries(generated), 3 * _MANY // 2))
        yield Row("search", "new, a query never seen", 25, first(_MANY, searching(texts)), unseen=True)
        yield Row("suggestions", "new, letters never seen", 40, first(_MANY, typing(texts)), unseen=True)


def _by_others(
    random: Random, shelf: Shelf, people: Sequence[Visitor], requests: Sequence[Request]
) -> Iterable[Request]:
    while True:
        visitor = random.choice(people).with_cart(some_cart(random, shelf))
        yield visitor.asking(random.choice(requests))


def _again(port: int, request: Request) -> Request:
    """The request of a browser that has the answer already."""
    return replace(request, headers={**request.headers, "If-None-Match": ask(port, request).header("ETag")})
