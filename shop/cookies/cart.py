"""The cart's cookie: JSON that anybody can read, `{"clay-teapot":2}`."""

from __future__ import annotations

from datetime import timedelta

from shop.asked import known
from shop.cart import Cart
from shop.catalogue.products import MOST_OF_ONE
from shop.cookies.jar import Kind, Unreadable, check_room, decode, encode, is_text, keep, sent, spelled
from shop.language import N_
from shop.language import gettext as _

CART = Kind(
    "cart",
    N_("What you put in your cart: items and quantities, and nothing about you."),
    budget=2000,
    lives=timedelta(days=30),
    full=N_("Your cart is full: it has no room for more. It is as it was. Remove a line to make room."),
)
_LONGEST_ITEM = 255


def current_cart() -> Cart:
    """The cart of this request: what `keep_cart` was given, else what the browser sent, else an empty one."""
    return _decoded_cart()[0]


def cart_problem() -> str | None:
    """What is wrong with the cart cookie that the browser sent, as the end of a sentence; None when it is fine."""
    return _decoded_cart()[1]


def keep_cart(cart: Cart) -> None:
    """Send `cart` with this answer, unless the browser has just that. Raises OverBudget, changing nothing."""
    if list(cart.quantities.items()) == list(current_cart().quantities.items()) and not cart_problem():
        return
    value = encode(dict(cart.quantities))
    check_room(CART, value, encode(dict(current_cart().quantities)))
    known()["cart"] = cart, None
    keep(CART, value if cart else "")


def decode_cart(value: str) -> Cart:
    """The cart in `value`: JSON, percent-encoded or plain. Raises Unreadable.

    An object of items and quantities; or a list of items, one for each unit, which is the older form.
    """
    decoded = decode(value, longest=CART.budget * 3)
    if isinstance(decoded, list):
        decoded = _counted(decoded)
    if not isinstance(decoded, dict):
        raise Unreadable(_("it is neither an object nor a list"))
    for item, quantity in decoded.items():
        _check_item(item)
        if type(quantity) is not int or not 1 <= quantity <= MOST_OF_ONE:
            reason = _(
                "it has a quantity of %(item)s that is no whole number from 1 to %(most)s",
                item=repr(item),
                most=MOST_OF_ONE,
            )
            raise Unreadable(reason)
    return Cart(decoded)


def encode_cart(cart: Cart) -> str:
    """The cart as compact JSON, for a form's hidden field or a link: what `decode_cart` reads."""
    return spelled(dict(cart.quantities))


def _decoded_cart() -> tuple[Cart, str | None]:
    kept: tuple[Cart, str | None] | None = known().get("cart")
    if kept is None:
        value = sent(CART)
        try:
            kept = (decode_cart(value) if value else Cart()), None
        except Unreadable as unreadable:
            kept = Cart(), str(unreadable)
        known()["cart"] = kept
    return kept


def _counted(items: list[object]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for item in items:
        checked = _check_item(item)
        counts[checked] = counts.get(checked, 0) + 1
    return counts


def _check_item(item: object) -> str:
    if not isinstance(item, str) or not 0 < len(item) <= _LONGEST_ITEM or not is_text(item):
        raise Unreadable(_("it names something that is no item"))
    return item


def erase_cart() -> None:
    known()["cart"] = Cart(), None
    keep(CART, "")
