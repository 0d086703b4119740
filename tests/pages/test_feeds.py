"""The Atom feed of new products and the feed for Google's merchants."""

from __future__ import annotations

import gzip
import re
from datetime import datetime
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa

from shop.catalogue import feeds
from shop.catalogue.indexing import reindex
from shop.database import images, products, variants
from shop.views import xml as streaming
from tests.conftest import soup, xml
from tests.ordering import ordering

ATOM = {"a": "http://www.w3.org/2005/Atom"}
GOOGLE = {"g": "http://base.google.com/ns/1.0"}
NOT_XML = "\x00\x08\x0e\ufffe\uffff"
HOSTILE = f"<b>Mug</b> & ]]> \"'{NOT_XML} кружка 🫖"
READABLE = "<b>Mug</b> & ]]> \"' кружка 🫖"


@pytest.fixture
def change(database):
    """`change(variants.c.item == "mug", price=0)` changes what is so."""

    def change(condition, **values) -> None:
        with database.writing() as connection:
            connection.execute(condition.left.table.update().where(condition).values(values))
            reindex(connection)

    return change


def entries(client) -> list:
    answer = client.get("/products.atom")
    assert answer.mimetype == "application/atom+xml" and "Set-Cookie" not in answer.headers
    return xml(answer).findall("a:entry", ATOM)


def texts(elements, path: str) -> list[str | None]:
    return [element.findtext(path, namespaces=ATOM | GOOGLE) for element in elements]


def test_the_atom_feed_has_what_its_standard_asks_for(client):
    feed = xml(client.get("/products.atom"))
    links = {link.get("rel"): link.get("href") for link in feed.iterfind("a:link", ATOM)}

    assert feed.tag == "{http://www.w3.org/2005/Atom}feed"
    assert feed.findtext("a:title", namespaces=ATOM) == feed.findtext("a:author/a:name", namespaces=ATOM) == "Crumb"
    assert feed.findtext("a:id", namespaces=ATOM) == links["self"] == "http://localhost/products.atom"
    assert links["alternate"] == "http://localhost/"
    found = feed.findall("a:entry", ATOM)
    ids = texts(found, "a:id")
    assert len(set(ids)) == len(ids) == 8
    assert all(urlsplit(id).scheme for id in ids)
    times = texts([feed, *found], "a:updated") + texts(found, "a:published")
    assert all(datetime.fromisoformat(time).tzinfo for time in times)
    assert feed.findtext("a:updated", namespaces=ATOM) == max(times)
    for entry in found:
        assert entry.findtext("a:title", namespaces=ATOM)
        assert entry.find("a:content", ATOM).get("type") == "html"
        assert client.get(urlsplit(entry.find("a:link[@rel='alternate']", ATOM).get("href")).path).status_code == 200


def test_the_atom_feed_begins_with_what_came_last_and_ends_somewhere(client, database):
    assert texts(entries(client), "a:title")[:2] == ["Café crème bowl", "Postcard"]

    with database.writing() as connection:
        mug = connection.execute(sa.select(products).where(products.c.handle == "mug")).one()._asdict()
        del mug["id"]
        connection.execute(sa.insert(products), [mug | {"handle": f"mug-{n}"} for n in range(60)])
        reindex(connection)
    assert texts(entries(client), "a:id") == [f"http://localhost/products/mug-{n}" for n in range(59, 9, -1)]


def test_an_entry_shows_the_product(client):
    (mug,) = [entry for entry in entries(client) if entry.findtext("a:title", namespaces=ATOM) == "Mug"]
    picture = mug.find("a:link[@rel='enclosure']", ATOM)

    assert mug.findtext("a:content", namespaces=ATOM) == "<p>For the morning.</p>"
    assert picture.attrib["href"] == "http://localhost/static/img/demo/tea-cup.webp"
    assert picture.attrib["type"] == "image/webp"


def test_a_shop_without_products_has_feeds_too(client, database):
    with database.writing() as connection:
        connection.execute(sa.delete(products))

    assert entries(client) == []
    assert xml(client.get("/products.atom")).findtext("a:updated", namespaces=ATOM)
    assert items(client) == {}
    assert xml(client.get("/sitemap.xml")) is not None


def test_pages_name_the_atom_feed(client):
    for path in ("/", "/products/mug", "/cart", "/nowhere"):
        (link,) = soup(client.get(path)).select('link[type="application/atom+xml"]')
        assert (link["rel"], link["href"]) == (["alternate"], "/products.atom")


def items(client) -> dict:
    answer = client.get("/feeds/google.xml")
    assert answer.mimetype == "application/xml" and "Set-Cookie" not in answer.headers
    found = xml(answer).findall("channel/item")
    return dict(zip(texts(found, "g:id"), found, strict=True))


def said(item) -> dict[str, str | None]:
    return {re.sub(r"\{.*\}", "g:", element.tag): element.text for element in item}


def test_google_is_told_of_each_variant_that_is_for_sale(client, monkeypatch):
    all_at_once = list(items(client))
    monkeypatch.setattr(feeds, "BATCH", 2)

    assert list(items(client)) == all_at_once
    assert all_at_once == [
        "clay-teapot",
        "mug",
        "shirt.white.m",
        "shirt.white.l",
        "shirt.blue.m",
        "last-poster",
        "mantel-clock",
        "carved-chair",
        "postcard",
        "creme-bowl",
    ]


def test_an_item_says_what_its_page_says(client):
    found = items(client)

    assert said(found["clay-teapot"]) == {
        "g:id": "clay-teapot",
        "title": "Clay Teapot",
        "description": "Holds four cups.",
        "link": "http://localhost/products/clay-teapot",
        "g:image_link": "http://localhost/static/img/demo/teapot.webp",
        "g:availability": "in_stock",
        "g:price": "42.50 USD",
        "g:sale_price": "34.00 USD",
        "g:condition": "new",
        "g:brand": "Fern Pottery",
        "g:mpn": "T-1",
        "g:product_type": "Kitchen",
    }
    blue = said(found["shirt.blue.m"])
    assert (blue["title"], blue["g:item_group_id"]) == ("Linen Shirt, Blue / M", "shirt")
    assert (blue["g:color"], blue["g:size"], blue["g:identifier_exists"]) == ("Blue", "M", "no")
    page = soup(client.get(blue["link"].removeprefix("http://localhost")))
    assert page.select_one(".product-price .money").text == "$65.00"
    assert said(found["shirt.white.l"])["g:availability"] == "out_of_stock"
    assert said(found["carved-chair"])["g:availability"] == "backorder"
    assert said(found["postcard"])["g:availability"] == "in_stock"
    assert "g:sale_price" not in said(found["mug"])


def test_an_item_stays_within_googles_limits(client, change, database):
    change(products.c.handle == "mug", title="Mug " * 60, description="", category="Home > Mugs", vendor="v" * 90)
    change(variants.c.item == "mug", item="mug." + "x" * 200, barcode="4006381333931", image_src="/images/own.png")
    with database.writing() as connection:
        id = connection.scalar(sa.select(products.c.id).where(products.c.handle == "mug"))
        more = [{"product_id": id, "position": n, "src": f"/images/{n} é.png", "alt": ""} for n in range(2, 20)]
        connection.execute(sa.insert(images), more)
    answer = client.get("/feeds/google.xml")
    (item,) = [item for item in xml(answer).iter("item") if item.findtext("title").startswith("Mug")]

    mug = said(item)
    assert len(mug["title"]) <= 150 and mug["description"].startswith("Mug")
    assert re.fullmatch(r"mug\.x{33}-[0-9a-f]{12}", mug["g:id"])
    assert (len(mug["g:brand"]), mug["g:product_type"], mug["g:gtin"]) == (70, "Home > Mugs", "4006381333931")
    pictures = texts(item.findall("g:additional_image_link", GOOGLE), ".")
    assert mug["g:image_link"] == "http://localhost/images/own.png"
    assert len(pictures) == 10
    assert pictures[:2] == ["http://localhost/static/img/demo/tea-cup.webp", "http://localhost/images/2%20%C3%A9.png"]


@pytest.mark.sqlite  # PostgreSQL's text has no NUL to begin with
def test_any_text_arrives_but_what_xml_can_not_carry(client, change):
    change(products.c.handle == "mug", title=HOSTILE, description=f"<p>{HOSTILE}</p>", vendor=HOSTILE, type=HOSTILE)

    (entry,) = [entry for entry in entries(client) if "кружка" in entry.findtext("a:title", namespaces=ATOM)]
    assert entry.findtext("a:title", namespaces=ATOM) == READABLE
    assert entry.findtext("a:content", namespaces=ATOM) == f"<p>{READABLE}</p>"
    mug = said(items(client)["mug"])
    assert mug["title"] == mug["g:brand"] == mug["g:product_type"] == READABLE
    assert mug["description"] == "Mug & ]]> \"' кружка 🫖"


@pytest.mark.parametrize("path", ["/sitemap.xml", "/products.atom", "/feeds/google.xml", "/robots.txt"])
def test_what_has_not_changed_is_not_sent_again(client, path):
    first = client.get(path, buffered=True)
    again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})

    assert first.status_code == 200 and not first.headers["ETag"].startswith("W/")
    assert (again.status_code, again.data) == (304, b"")
    elsewhere = client.get(path, headers={"If-None-Match": first.headers["ETag"], "Host": "other.example"})
    assert (elsewhere.status_code, b"other.example" in elsewhere.data) == (200, True)


def test_what_a_sale_changes_is_sent(client, database):
    before = client.get("/feeds/google.xml", buffered=True)
    ordering(database, {"last-poster": 1})
    after = client.get("/feeds/google.xml", headers={"If-None-Match": before.headers["ETag"]})

    (poster,) = [item for item in xml(after).iter("item") if item.findtext("title") == "Last Poster"]
    assert said(poster)["g:availability"] == "out_of_stock"


def test_one_slow_reader_does_not_hold_up_the_shop(client):
    slow = client.get("/feeds/google.xml")
    refused = client.get("/feeds/google.xml")

    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "60")
    assert client.head("/feeds/google.xml").status_code == 200
    slow.close()  # half-way, or at the end
    assert len(items(client)) == len(items(client)) == 10


@pytest.mark.parametrize("coding", ["", "gzip"])
def test_who_takes_nothing_loses_the_turn_to_who_asks_next_and_gets_no_whole_feed(client, monkeypatch, coding):
    whole = client.get("/feeds/google.xml", headers={"Accept-Encoding": coding}, buffered=True)
    slow = client.get("/feeds/google.xml", headers={"Accept-Encoding": coding})
    monkeypatch.setattr(streaming, "_PATIENCE", 0)

    assert len(items(client)) == 10
    assert len(slow.data) < len(whole.data)
    assert len(items(client)) == 10


def test_those_who_lost_their_turn_are_few(client, monkeypatch):
    monkeypatch.setattr(streaming, "_PATIENCE", 0)
    answers = [client.get("/feeds/google.xml") for _ in range(20)]

    assert 2 <= [answer.status_code for answer in answers].count(200) <= 8
    for answer in answers:
        answer.close()
    assert len(items(client)) == 10


def test_the_feed_is_packed_for_those_who_can_unpack_it(client):
    plain = client.get("/feeds/google.xml", buffered=True)
    packed = client.get("/feeds/google.xml", headers={"Accept-Encoding": "gzip, br"}, buffered=True)

    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert packed.headers["ETag"] != plain.headers["ETag"]
    assert "Accept-Encoding" in plain.headers["Vary"]
    rather_plain = client.get("/feeds/google.xml", headers={"Accept-Encoding": "gzip;q=0.1, identity"}, buffered=True)
    assert rather_plain.data == plain.data
