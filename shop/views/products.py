"""`GET /products` and `GET /products/<handle>`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flask import Blueprint, abort, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from shop import hypermedia, language
from shop.asked import shop
from shop.cart import BadQuantity, parse_quantity
from shop.catalogue import store
from shop.catalogue.listing import Wish, find_related
from shop.catalogue.products import Product, Variant
from shop.language import gettext as _
from shop.views import head, listing
from shop.views.for_everybody import Made, for_everybody
from shop.views.shared import connection

bp = Blueprint("products", __name__)


@dataclass(frozen=True)
class Sheet:
    """What was typed on a product's order sheet, and what is wrong with it, by item; `problem` is with all of it."""

    typed: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""


@bp.get("/products")
@for_everybody
def index() -> Made:
    return listing.show("pages/products.html", Wish(), listing.sort_names())


@bp.get("/products/<handle>")
@for_everybody
def show(handle: str) -> str | BaseResponse:
    """A product with one of its variants chosen: its page, or for htmx the part that a choice changes."""
    product = store.find_product(connection(), handle, language.spoken()) or abort(
        404, description=_("There is no such product.")
    )
    chosen = _chosen(product)
    quantity, error = _typed_quantity()
    if not hypermedia.wants_fragments():
        return page(product, chosen, quantity, error)
    body = render_template(
        "fragments/product-chosen.html", product=product, chosen=chosen, quantity=quantity, error=error
    )
    # The typed quantity came along, and stays out of the address.
    return hypermedia.moved(body, url_for(".show", handle=handle, variant=chosen.item))


def page(product: Product, chosen: Variant, quantity: str = "1", error: str = "", sheet: Sheet | None = None) -> str:
    """A product's page. `quantity` and `error` are what was typed and what is wrong with it."""
    return render_template(
        "pages/product.html",
        head=head.of_product(product, chosen),
        product=product,
        chosen=chosen,
        quantity=quantity,
        error=error,
        sheet=sheet,
        related=find_related(connection(), product.handle, language=language.spoken()),
        remembers=shop().settings.recently_viewed,
    )


def _typed_quantity() -> tuple[str, str]:
    """What was typed before another variant was chosen, and what is wrong with it."""
    typed = request.args.get("quantity") or "1"
    try:
        parse_quantity(typed)
    except BadQuantity as refusal:
        return typed[:20], str(refusal)
    return typed, ""


def _chosen(product: Product) -> Variant:
    item = request.args.get("variant")
    if not item:
        return product.first_choice
    return product.variant(item) or abort(404, description=_("This product does not come like that."))
