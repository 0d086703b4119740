"""What the heads of the catalogue's pages tell search engines, and sites that show a link: `fragments/head.html`.

Every other page is about its visitor, and asks not to be indexed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from babel import Locale
from babel.core import get_global
from babel.lists import format_list

from shop import language, structured_data
from shop.asked import shop
from shop.catalogue.listing import PAGE_SIZE, Page, Wish
from shop.catalogue.plain_text import excerpt, plain_text
from shop.catalogue.products import Collection, Product, Variant
from shop.language import gettext as _
from shop.language import ngettext
from shop.money import Currency
from shop.structured_data import Thing
from shop.views import assets, shared
from shop.views.addresses import Addresses, addresses

_DESCRIPTION = 155  # characters: search engines show about as many
_COLLECTIONS_NAMED = 6
_PRODUCTS_NAMED = 3


@dataclass(frozen=True)
class Picture:
    """A picture that goes with a link to the page."""

    url: str
    alt: str


@dataclass(frozen=True)
class Price:
    """A decimal, and the ISO 4217 code of its currency."""

    amount: str
    currency: str


@dataclass(frozen=True)
class Head:
    """All addresses are absolute."""

    url: str = ""  # the canonical one: what all addresses of this page come down to
    description: str = ""
    title: str = ""  # the whole title, where the merchant wrote one
    part: str = ""  # of the title: which page of a list this is
    robots: str = ""
    alternates: tuple[tuple[str, str], ...] = ()  # pairs of hreflang and address
    previous: str = ""
    following: str = ""
    locales: tuple[str, ...] = ()  # the page's own first, then those that it is also there in
    picture: Picture | None = None
    price: Price | None = None
    data: tuple[Thing, ...] = ()


def context() -> dict[str, Head]:
    """What a page says whose view gives it no head."""
    return {"head": Head(robots="noindex")}


def of_cart() -> Head:
    """A page that search engines may know of, empty as they find it: people look for "the shop's cart"."""
    text = _("What you put in your cart at %(shop)s. It stays in your browser.", shop=shop().settings.name)
    return Head(url=addresses().cart(), description=text)


def of_home() -> Head:
    name, to = shop().settings.name, addresses()
    path = to.path("home.show")
    return Head(
        url=to.of(path),
        description=_description_of_home(),
        alternates=tuple(to.alternates(path)),
        locales=_locales(),
        data=(structured_data.organization(name, _logo(to), to), structured_data.website(name, to)),
    )


def of_listing(page: Page, wish: Wish, sort: str, collection: Collection | None = None) -> Head:
    """`sort` is how this list is sorted when nothing else is asked for. Several of its pages may be shown as one."""
    part = _("Page %(number)s", number=shared.number(page.number)) if page.number > 1 else ""
    if wish.query:
        return Head(part=part, robots="noindex")
    to = addresses()
    path = to.path("collections.show", handle=collection.handle) if collection else to.path("products.index")
    if wish.narrowed or wish.sort != sort or len(page.cards) > PAGE_SIZE:
        return Head(url=to.of(path), part=part, robots="noindex, follow")
    trail = [(_("All products"), to.products())]
    if collection:
        trail.append((collection.title, to.collection(collection.handle)))
    numbered = _numbered(path, page.number)
    return Head(
        url=to.of(numbered),
        description=_description_of_listing(page, collection),
        part=part,
        alternates=tuple(to.alternates(numbered)),
        locales=_locales(),
        previous=to.of(_numbered(path, page.number - 1)) if page.number > 1 else "",
        following=to.of(_numbered(path, page.number + 1)) if page.number < page.pages else "",
        data=(
            structured_data.breadcrumbs(trail),
            structured_data.item_list(page.cards, (page.number - 1) * PAGE_SIZE + 1, to),
        ),
    )


def of_product(product: Product, chosen: Variant) -> Head:
    to = addresses()
    path = to.path("products.show", handle=product.handle)
    currency = Currency(shop().settings.currency)
    trail = [
        (_("All products"), to.products()),
        *((collection.title, to.collection(collection.handle)) for collection in product.collections[:1]),
        (product.title, to.of(path)),
    ]
    text = product.seo_description or excerpt(plain_text(product.description), _DESCRIPTION) or product.title
    return Head(
        url=to.of(path),
        description=text,
        title=product.seo_title,
        alternates=tuple(to.alternates(path)),
        locales=_locales(),
        picture=Picture(to.picture(chosen.image.src), chosen.image.alt) if chosen.image else None,
        price=Price(currency.plain(chosen.price), currency.code),
        data=(structured_data.product(product, currency, to), structured_data.breadcrumbs(trail)),
    )


def _numbered(path: str, page: int) -> str:
    return f"{path}?page={page}" if page > 1 else path


def _description_of_home() -> str:
    name = shop().settings.name
    titles = [collection.title for collection in shared.menu()][:_COLLECTIONS_NAMED]
    if not titles:
        return _("Welcome to %(shop_name)s.", shop_name=name)
    text = _("%(shop)s: %(collections)s. Take your time.", shop=name, collections=_listed(titles))
    return excerpt(text, _DESCRIPTION)


def _description_of_listing(page: Page, collection: Collection | None) -> str:
    if not page.cards:
        return ""
    text = ngettext(
        "%(collection)s at %(shop)s: %(num)s product, %(examples)s.",
        "%(collection)s at %(shop)s: %(num)s products, such as %(examples)s.",
        page.total,
        num=shared.number(page.total),
        collection=collection.title if collection else _("All products"),
        shop=shop().settings.name,
        examples=_listed([card.title for card in page.cards[:_PRODUCTS_NAMED]]),
    )
    return excerpt(text, _DESCRIPTION)


def _listed(names: list[str]) -> str:
    return format_list(names, locale=shared.locale())


def _logo(to: Addresses) -> str:
    logo = shop().settings.theme.logo
    if logo is None:
        return to.picture(assets.address("img/icon.svg"))
    return to.picture(logo.url or to.path("theme.show", name=logo.name, v=logo.fingerprint))


def _locales() -> tuple[str, ...]:
    settings, spoken = shop().settings, language.spoken()
    others = (code for code in settings.languages if code != spoken)
    return tuple(_with_territory(settings.locale_of(code)) for code in (spoken, *others))


@cache
def _with_territory(locale: str) -> str:
    """A locale as Open Graph has them: `"ru"` is `"ru_RU"`."""
    known = Locale.parse(locale)
    likely = known if known.territory else Locale.parse(get_global("likely_subtags").get(locale, locale))
    return "_".join(filter(None, (likely.language, likely.territory)))
