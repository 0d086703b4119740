"""The fragments that show what a visitor carries, the cart and the saved list, and which of them a change touches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup

from shop import cookies, hypermedia, security
from shop.asked import shop
from shop.fragments import fragment, kept_fragment
from shop.hypermedia import Partial
from shop.views.shared import address_of, current_contents

# A denser QR code than this many characters make is one that phones give up on.
LONGEST_SCANNABLE = 900


@dataclass(frozen=True)
class Refused:
    """A quantity that can't be, as it was typed, and why."""

    item: str
    typed: str
    why: str


def everything() -> tuple[Partial, ...]:
    """What brings a page up to date that may have been left for a while."""
    return (*whole_cart(), *saved_list())


def whole_cart(added: str = "") -> tuple[Partial, ...]:
    """What to send when any part of the cart may have changed. `added` is the item whose line is shown as new."""
    return (badge(), Partial("cart", html=cart(added)))


def line(item: str) -> tuple[Partial, ...]:
    """What a new quantity changes. The line's forms stay: swapping them would lose clicks that are under way."""
    context = {"line": current_contents().line(item)}
    parts = ("quantity", "total", "problem")
    changed = (Partial(_line_id(item, part), f"fragments/cart-line-{part}.html", context=context) for part in parts)
    return (badge(), *summary(), *changed)


def without_line(item: str) -> tuple[Partial, ...]:
    """What changes when the line leaves the cart."""
    if not cookies.current_cart():
        return whole_cart()
    return (badge(), Partial(_line_id(item), swap="delete"), *summary())


def badge() -> Partial:
    return Partial("cart-count", html=kept_fragment("cart-count", in_cart=current_contents().count))


def shopper() -> Partial:
    return Partial("shopper", html=kept_fragment("shopper", user=cookies.shopper()))


def summary() -> tuple[Partial, ...]:
    """What the lines come to. The forms around it stay."""
    cart = current_contents()
    return (
        Partial("cart-subtotal", html=kept_fragment("cart-subtotal", count=cart.count, subtotal=cart.subtotal)),
        Partial("cart-share", html=fragment("cart-share", **_share())),
    )


def cart(added: str = "", refused: Refused | None = None) -> Markup:
    """The lines, what they come to, and what to do with them. `added` is the item whose line is shown as new."""
    return fragment("cart", cart=current_contents(), added=added, refused=refused, **_share())


def _share() -> dict[str, Any]:
    """The cart as a link, and the address of its QR code where a phone could still read one."""
    cart = cookies.current_cart()
    if not cart:
        return {}
    query = urlencode({"items": cookies.encode_cart(cart)})
    link = _own_address("cart.shared", query)
    scannable = len(link) <= LONGEST_SCANNABLE
    return {"share_link": link, "share_code": f"{address_of('cart.shared_code')}?{query}" if scannable else None}


def shared_link(items: str) -> str:
    """The whole address that offers these items, a cart as JSON, to anybody."""
    return _own_address("cart.shared", urlencode({"items": items}))


def saved_list(gone: str = "") -> tuple[Partial, ...]:
    """What a change of the saved list touches; on its own page the list too, or only the item that is `gone`."""
    count = Partial("saved-count", html=kept_fragment("saved-count", saved=cookies.saved_items()))
    if hypermedia.page_on_screen() != address_of("saved_items.index"):
        return (count,)
    if gone and cookies.saved_items():
        return (count, Partial(f"saved-item-{hypermedia.dom_id(gone)}", swap="delete"))
    return (count, Partial("saved-list", "fragments/saved-list.html"))


def _own_address(endpoint: str, query: str) -> str:
    return f"{security.own_origin(shop().settings)}{address_of(endpoint)}?{query}"


def _line_id(item: str, part: str = "") -> str:
    return "-".join(filter(None, ("cart-line", hypermedia.dom_id(item), part)))
