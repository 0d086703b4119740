"""A catalogue with titles and descriptions in another language: wherever a product is shown."""

from __future__ import annotations

import pytest

from shop.catalogue.importing import import_file
from tests.conftest import HTMX, OWN, soup, text

RUSSIAN = {"Accept-Language": "ru"}
GOODS = """\
Handle,Title,Title [ru],Body (HTML),Description [ru],Option1 Name,Option1 Value,Variant Price,Type
samovar,Samovar,Самовар,<p>Boils.</p>,<p>Кипит.</p><script>1</script>,Title,Default Title,90.00,Kitchen
birch-cup,Birch cup,Берестяная чашка,<p>Light.</p>,,Title,Default Title,7.00,Kitchen
"""


@pytest.fixture
def translated(database, settings, tmp_path):
    (tmp_path / "goods.csv").write_text(GOODS)
    import_file(database, tmp_path / "goods.csv", settings)


def test_each_page_speaks_of_it_in_the_visitors_language(client, translated):
    for path in ("/products", "/collections/kitchen", "/search?q=самовары", "/search?q=samovar"):
        assert "Самовар" in client.get(path, headers=RUSSIAN).text
        assert "Самовар" not in soup(client.get(path)).get_text().replace("самовары", "")

    page = client.get("/products/samovar", headers=RUSSIAN)
    assert text(page, "h1") == "Самовар"
    assert "Кипит." in page.text and "<script>1" not in page.text
    assert "Берестяная чашка" in page.text  # among the related ones
    assert "Light." in client.get("/products/birch-cup", headers=RUSSIAN).text  # what has no translation stays
    assert text(client.get("/products/samovar"), "h1") == "Samovar"


def test_suggestions_and_the_cart_too(client, translated):
    assert "Самовар" in client.get("/search/suggestions?q=самов", headers={**RUSSIAN, **HTMX}).text
    added = client.post("/cart-items", data={"item": "samovar"}, headers={**RUSSIAN, **HTMX})

    assert "Самовар" in text(added, "hx-partial[hx-target='#messages']")
    assert "Самовар" in text(client.get("/cart", headers=RUSSIAN), "#cart")
    assert "Samovar" in text(client.get("/cart"), "#cart")
    assert "Самовар" in client.get("/checkout", headers=RUSSIAN).text


def test_what_was_looked_at_is_named_in_it(client, translated):
    client.post("/recently-viewed", data={"handle": "samovar"}, headers=OWN)
    strip = client.post("/recently-viewed", data={"handle": "mug"}, headers={**RUSSIAN, **HTMX})

    assert "Самовар" in strip.text
