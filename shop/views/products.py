"""`GET /products` and `GET /products/<handle>`."""

from __future__ import annotations

from flask import Blueprint, abort, render_template, request

from shop import hypermedia
from shop.catalogue import store
from shop.catalogue.products import Product, Variant
from shop.catalogue.store import Wish
from shop.views import listing
from shop.views.shared import connection

bp = Blueprint("products", __name__)


@bp.get("/products")
def index() -> str:
    return listing.show("pages/products.html", Wish(), listing.sort_names())


@bp.get("/products/<handle>")
def show(handle: str) -> str:
    product = store.find_product(connection(), handle) or abort(404, description="There is no such product.")
    return render(product, _chosen(product))


def render(product: Product, chosen: Variant, quantity: str = "1", error: str = "") -> str:
    """The product with one of its variants chosen: its page, or for htmx the part that a choice changes.

    `quantity` and `error` are what was typed and what is wrong with it.
    """
    template = "fragments/product-detail.html" if hypermedia.wants_fragments() else "pages/product.html"
    return render_template(template, product=product, chosen=chosen, quantity=quantity, error=error)


def _chosen(product: Product) -> Variant:
    item = request.args.get("variant")
    if not item:
        return product.first_choice
    return product.variant(item) or abort(404, description="This product does not come like that.")
