"""What pages tell search engines and the sites that show a link: the head, JSON-LD, the sitemap, robots.txt."""

from __future__ import annotations

import json
import re
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from markupsafe import escape

from shop.catalogue import feeds
from shop.catalogue.indexing import reindex
from shop.database import products, variants
from tests.conftest import OWN, soup, xml
from tests.schema_org import complaints

NAMES = {"s": "http://www.sitemaps.org/schemas/sitemap/0.9", "xhtml": "http://www.w3.org/1999/xhtml"}


class Page:
    """A page's head, as search engines read it."""

    def __init__(self, answer) -> None:
        assert "Set-Cookie" not in answer.headers
        self.status = answer.status_code
        self.page = soup(answer)

    def meta(self, name: str) -> str | None:
        """The content of the one `meta` element of that name or property."""
        found = self.page.select(f'meta[name="{name}"], meta[property="{name}"]')
        assert len(found) < 2
        return found[0]["content"] if found else None

    def link(self, rel: str) -> str | None:
        found = self.page.select(f'link[rel="{rel}"]:not([hreflang]):not([type])')
        assert len(found) < 2
        return found[0]["href"] if found else None

    @property
    def title(self) -> str:
        (title,) = self.page.select("title")
        return title.text

    @property
    def languages(self) -> dict[str, str]:
        return {link["hreflang"]: link["href"] for link in self.page.select("link[hreflang]")}

    @property
    def data(self) -> dict[str, dict]:
        """What it says in JSON-LD, by type, which must be right."""
        things = [json.loads(script.text) for script in self.page.select('script[type="application/ld+json"]')]
        assert [complaints(thing) for thing in things] == [[] for _thing in things]
        return {thing["@type"]: thing for thing in things}


@pytest.fixture
def visit(client):
    return lambda path: Page(client.get(path))


@pytest.fixture
def change(database):
    """`change("mug", title="Cup")` changes that product."""

    def change(name: str, **values) -> None:
        with database.writing() as connection:
            connection.execute(sa.update(products).where(products.c.handle == name).values(values))
            reindex(connection)

    return change


@pytest.fixture
def many(database):
    """60 more products, so that there are three pages. The ids of the last are far from the first."""
    with database.writing() as connection:
        mug = connection.execute(sa.select(products).where(products.c.handle == "mug")).one()._asdict()
        new = [
            mug | {"id": 1000 + n * 300, "handle": f"mug-{n}", "title": f"Mug {n}", "image_src": None}
            for n in range(60)
        ]
        connection.execute(sa.insert(products), new)
        reindex(connection)


def test_titles_say_the_page_and_the_shop(visit, change):
    change("teapot", seo_title="not this one")
    assert visit("/").title == "Crumb"
    assert visit("/products/mug").title == "Mug · Crumb"
    assert visit("/collections/paper").title == "Paper · Crumb"
    assert visit("/cart").title == "Cart · Crumb"
    assert visit("/products/none").title == "Nothing here · Crumb"

    change("mug", seo_title="The mug for every morning")
    mug = visit("/products/mug")
    assert mug.title == mug.meta("og:title") == "The mug for every morning"


def test_every_page_has_one_title_of_its_own(visit):
    paths = ("/", "/products", "/collections/home", "/products/mug", "/search", "/search?q=mug", "/cart", "/users")
    titles = [visit(path).title for path in (*paths, "/users/new", "/orders", "/cookies", "/nowhere")]

    assert len(set(titles)) == len(titles)
    assert all(re.fullmatch(r"(?:[^·]*[^· ] · )?Crumb", title) for title in titles), titles


def test_descriptions_are_the_merchants_or_the_beginning_of_the_text(visit, change):
    assert visit("/products/clay-teapot").meta("description") == "Holds four cups."

    change("mug", description=f"<p>{'Warm and round. ' * 20}</p>")
    description = visit("/products/mug").meta("description")
    assert re.fullmatch(r"(Warm and round\. )*(Warm|Warm and|Warm and round)…", description)
    assert 140 < len(description) <= 155

    change("mug", seo_description='A mug, "the" mug & <b>more</b>')
    mug = visit("/products/mug")
    assert mug.meta("description") == mug.meta("og:description") == 'A mug, "the" mug & <b>more</b>'
    assert "Last Poster" in visit("/collections/paper").meta("description")
    assert "Clothing" in visit("/").meta("description")


def test_a_page_has_one_address_however_it_was_reached(visit, many):
    assert visit("/products/shirt?variant=shirt.blue.m").link("canonical") == "http://localhost/products/shirt"
    assert visit("/?from=a-letter").link("canonical") == "http://localhost/"
    assert visit("/products?page=1").link("canonical") == "http://localhost/products"
    assert visit("/products?page=2&utm_source=x").link("canonical") == "http://localhost/products?page=2"
    ru = visit("/products/shirt?variant=shirt.blue.m&language=ru")
    assert ru.link("canonical") == ru.meta("og:url") == "http://localhost/products/shirt?language=ru"
    assert visit("/products?language=ru&page=2").link("canonical") == "http://localhost/products?page=2&language=ru"
    assert visit("/products/shirt?language=tlh").link("canonical") == "http://localhost/products/shirt"


def test_addresses_are_of_the_origin_that_browsers_see(https_app, monkeypatch):
    page = Page(https_app.test_client().get("/products/mug", headers={"Host": "tea.example"}))

    assert page.link("canonical") == "https://tea.example/products/mug"
    assert page.meta("og:image") == "https://tea.example/static/img/demo/tea-cup.webp"


def test_pages_of_a_list_lead_to_each_other(visit, many):
    first, second, last = (visit(f"/products?page={n}") for n in (1, 2, 3))

    assert (first.link("prev"), first.link("next")) == (None, "http://localhost/products?page=2")
    assert (second.link("prev"), second.link("next")) == (
        "http://localhost/products",
        "http://localhost/products?page=3",
    )
    assert last.link("next") is None
    assert second.title == "All products · Page 2 · Crumb"
    assert second.data["ItemList"]["itemListElement"][0]["position"] == 25


@pytest.mark.parametrize(
    "query", ["tag=gift", "sort=title", "type=Paper", "price-to=20", "availability=in-stock&page=1", "until=2"]
)
def test_a_list_that_was_narrowed_or_sorted_is_not_indexed(visit, many, query):
    page = visit(f"/products?{query}")

    assert page.status == 200
    assert page.meta("robots") == "noindex, follow"
    assert page.link("canonical") == "http://localhost/products"
    assert not page.languages and not page.data and not page.meta("og:title")


@pytest.mark.parametrize(
    "path", ["/search", "/search?q=mug", "/users", "/users/new", "/orders", "/cookies", "/nowhere", "/saved"]
)
def test_pages_about_a_visitor_are_not_indexed(visit, path):
    page = visit(path)

    assert page.meta("robots") == "noindex"
    assert page.link("canonical") is None and not page.languages


def test_neither_is_the_checkout(client):
    client.post("/cart-items", data={"item": "mug"}, headers=OWN)

    assert soup(client.get("/checkout")).select_one('meta[name="robots"]')["content"] == "noindex"


@pytest.mark.parametrize("path", ["/", "/products", "/products?page=2", "/collections/paper", "/products/mug"])
def test_each_page_names_its_other_languages(visit, many, path):
    page, other = visit(path), visit(path + ("&" if "?" in path else "?") + "language=ru")

    assert set(page.languages) == {"en", "ru", "x-default"}
    assert page.languages["x-default"] == page.link("canonical")
    assert page.languages["ru"] == other.link("canonical")
    assert page.languages == other.languages
    assert visit(page.languages["ru"].removeprefix("http://localhost")).page.html["lang"] == "ru"
    assert page.meta("robots") is None
    assert (page.meta("og:locale"), page.meta("og:locale:alternate")) == ("en_US", "ru_RU")
    assert (other.meta("og:locale"), other.meta("og:locale:alternate")) == ("ru_RU", "en_US")


def test_a_shared_link_shows_the_product(visit):
    teapot = visit("/products/clay-teapot")

    assert {
        name: teapot.meta(name)
        for name in (
            "og:type",
            "og:site_name",
            "og:title",
            "og:url",
            "og:image",
            "og:image:alt",
            "product:price:amount",
            "product:price:currency",
            "twitter:card",
        )
    } == {
        "og:type": "product",
        "og:site_name": "Crumb",
        "og:title": "Clay Teapot",
        "og:url": "http://localhost/products/clay-teapot",
        "og:image": "http://localhost/static/img/demo/teapot.webp",
        "og:image:alt": "A round clay teapot",
        "product:price:amount": "34.00",
        "product:price:currency": "USD",
        "twitter:card": "summary_large_image",
    }
    assert visit("/products/shirt?variant=shirt.blue.m").meta("product:price:amount") == "65.00"
    assert visit("/").meta("og:type") == "website"


def test_each_page_says_what_it_shows(visit):
    home, list, shirt = visit("/").data, visit("/collections/paper").data, visit("/products/shirt").data

    assert set(home) == {"Organization", "WebSite"}
    assert set(list) == {"BreadcrumbList", "ItemList"}
    assert [item["url"] for item in list["ItemList"]["itemListElement"]] == [
        "http://localhost/products/last-poster",
        "http://localhost/products/postcard",
    ]
    trail = [(step["name"], step["item"]["@id"]) for step in shirt["BreadcrumbList"]["itemListElement"]]
    assert trail == [
        ("All products", "http://localhost/products"),
        ("Clothing", "http://localhost/collections/clothing"),
        ("Linen Shirt", "http://localhost/products/shirt"),
    ]
    offers = [variant["offers"] for variant in shirt["ProductGroup"]["hasVariant"]]
    assert [(offer["price"], offer["availability"].rpartition("/")[2]) for offer in offers] == [
        ("60.00", "InStock"),
        ("60.00", "OutOfStock"),
        ("65.00", "InStock"),
    ]
    assert visit(offers[2]["url"].removeprefix("http://localhost")).meta("product:price:amount") == "65.00"


def test_a_barcode_that_is_a_gtin_is_said(visit, database):
    with database.writing() as connection:
        connection.execute(sa.update(variants).where(variants.c.item == "mug").values(barcode="4006381333931"))
        reindex(connection)

    assert visit("/products/mug").data["Product"]["gtin"] == "4006381333931"


def test_no_text_of_a_merchant_can_end_the_data(client, change):
    plain = len(soup(client.get("/products/clay-teapot")).select("script"))
    hostile = "</script><script>alert(1)</script><!-- ]]> \" ' & \u2028."
    change("clay-teapot", title=hostile, vendor=hostile, description=str(escape(hostile)))
    answer = client.get("/products/clay-teapot")

    assert "<script>alert(1)" not in answer.text
    assert len(soup(answer).select("script")) == plain
    assert Page(answer).data["Product"]["name"] == hostile


def addresses(answer) -> list[str]:
    assert "Set-Cookie" not in answer.headers and answer.mimetype == "application/xml"
    return [element.text for element in xml(answer).iterfind(".//s:loc", NAMES)]


def test_the_sitemap_lists_what_shoppers_may_see(client):
    answer = client.get("/sitemap.xml")

    listed = addresses(answer)
    assert listed[:2] == ["http://localhost/", "http://localhost/products"]
    assert sorted(listed[2:6]) == [
        f"http://localhost/collections/{handle}" for handle in ("clothing", "home", "kitchen", "paper")
    ]
    assert listed[6:8] == ["http://localhost/products/clay-teapot", "http://localhost/products/mug"]
    assert len(listed) == len(set(listed)) == 14  # neither the hidden lamp nor the draft vase
    assert {client.get(urlsplit(url).path).status_code for url in listed} == {200}


def test_the_sitemap_says_when_and_in_which_languages(client, change):
    change("mug", updated_at="2026-02-03T04:05:06+00:00", handle="кружка")
    root = xml(client.get("/sitemap.xml"))
    (mug,) = [url for url in root if "%D0%BA" in url.findtext("s:loc", namespaces=NAMES)]

    address = mug.findtext("s:loc", namespaces=NAMES)
    assert address == "http://localhost/products/%D0%BA%D1%80%D1%83%D0%B6%D0%BA%D0%B0"
    assert mug.findtext("s:lastmod", namespaces=NAMES) == "2026-02-03T04:05:06+00:00"
    assert {link.get("hreflang"): link.get("href") for link in mug.iterfind("xhtml:link", NAMES)} == {
        "en": f"{address}?language=en",
        "ru": f"{address}?language=ru",
        "x-default": address,
    }


def test_a_long_sitemap_is_in_parts(client, many, change, monkeypatch):
    whole = addresses(client.get("/sitemap.xml"))
    monkeypatch.setattr(feeds, "PRODUCTS_OF_A_PART", 4_600)
    change("mug-59", visible=False)  # the only one of its part, which is not told of

    parts = addresses(client.get("/sitemap.xml"))
    listed = [url for part in parts for url in addresses(client.get(urlsplit(part).path))]
    assert parts == [f"http://localhost/sitemap-{n}.xml" for n in (1, 2, 3, 4)]
    assert listed == [url for url in whole if not url.endswith("mug-59")]
    for missing in ("0", "5", "999999", "99999999999999999999999", "x", "-1", "1.5"):
        answer = client.get(f"/sitemap-{missing}.xml")
        assert answer.status_code == 404 and soup(answer).h1


def allowed(robots: str, path: str) -> bool:
    """Whether a robot may look there: of the rules that match, the longest counts. Source: RFC 9309, 2.2.2."""
    rules = re.findall(r"^(Allow|Disallow): (\S+)$", robots, re.MULTILINE)
    matching = [
        (len(pattern), rule == "Allow")
        for rule, pattern in rules
        if re.match(re.escape(pattern).replace(r"\*", ".*"), path)
    ]
    return max(matching, default=(0, True))[1]


def test_robots_may_look_at_the_catalogue_alone(client, many):
    answer = client.get("/robots.txt")
    assert answer.mimetype == "text/plain" and "Set-Cookie" not in answer.headers
    robots = answer.text

    assert robots.startswith("User-agent: *\n")
    assert "\nSitemap: http://localhost/sitemap.xml" in robots
    for path in (
        "/",
        "/products",
        "/products?page=2",
        "/products?page=2&language=ru",
        "/products/mug?language=ru",
        "/cart",
    ):
        assert allowed(robots, path), path
    for path in (
        "/collections/home?page=2",
        "/products/shirt?variant=shirt.blue.m",
        "/static/css/x.css",
        "/images/a",
    ):
        assert allowed(robots, path), path
    for path in (
        "/cart/shared?items={}",
        "/cart-items?item=mug",
        "/checkout",
        "/orders/x",
        "/users",
        "/cookies",
        "/search?q=a",
        "/saved",
    ):
        assert not allowed(robots, path), path
    narrowed = {
        link["href"]
        for path in ("/products", "/products?tag=gift", "/products?sort=title", "/collections/home?tag=gift")
        for link in soup(client.get(path)).select("main a[href*='?']")
        if "page=" not in link["href"].split("?")[1].split("&")[0] or "until" in link["href"]
    }
    assert narrowed
    assert not [path for path in narrowed if allowed(robots, path)]
