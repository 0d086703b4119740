"""What pages say of pictures, with and without sizes; and what is served under /images/."""

from __future__ import annotations

from io import BytesIO

import pytest
from bs4 import Tag
from PIL import Image

from shop.catalogue import pictures
from shop.catalogue.importing import import_file
from shop.database import Database
from shop.settings import Settings
from tests.conftest import set_cart, soup
from tests.picture_server import picture

EXPORT = """\
Handle,Title,Price,Image Src,Image Alt Text,Published,Status
kettle,Kettle,12,kettle.png,A blue kettle,true,active
lost-map,Lost Map,9,lost.png,,true,active
"""


@pytest.fixture
def pictured(database: Database, settings: Settings, tmp_path):
    """A kettle with a wide, blue picture, and a map whose picture is missing. Called, it makes sizes."""
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "kettle.png").write_bytes(picture(700, 350, "royalblue"))
    (folder / "goods.csv").write_text(EXPORT)
    import_file(database, folder / "goods.csv", settings)
    return lambda: pictures.make(database, settings)


def candidates(source: Tag) -> dict[int, str]:
    """A `srcset`: address by width."""
    pairs = (entry.split() for entry in source["srcset"].split(", "))
    return {int(width.removesuffix("w")): address for address, width in pairs}


def test_a_picture_is_offered_in_sizes_as_soon_as_there_are_some(client, pictured):
    path = "/products/kettle"
    before = soup(client.get(path)).select_one("#main .picture-tile")
    assert not before.select("source")
    assert before.img["src"] == "/images/kettle.png"

    pictured()

    tile = soup(client.get(path)).select_one("#main .picture-tile")
    avif, webp = tile.select("picture > source")
    assert (avif["type"], webp["type"]) == ("image/avif", "image/webp")
    for source in (avif, webp):
        assert source["sizes"]
        sizes = candidates(source)
        assert list(sizes) == [160, 320, 480, 640, 700]
        for width, address in sizes.items():
            answer = client.get(address)
            assert (answer.status_code, answer.content_type) == (200, source["type"])
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            assert Image.open(BytesIO(answer.data)).size == (width, width // 2)
    assert (tile.img["src"], tile.img["alt"]) == ("/images/kettle.png", "A blue kettle")
    assert (tile.img["width"], tile.img["height"]) == ("700", "350")
    assert tile.select_one("svg[aria-hidden=true] > rect")["fill"] == "#4169e1"


def test_the_first_picture_of_a_product_comes_first_and_the_others_when_they_are_near(client, pictured):
    pictured()

    tiles = soup(client.get("/products/kettle")).select("#main .picture-tile img")
    cards = soup(client.get("/products")).select(".product-grid img")

    assert (tiles[0].get("fetchpriority"), tiles[0].get("loading")) == ("high", None)
    assert not any(tile.get("fetchpriority") for tile in [*tiles[1:], *cards[4:]])
    assert all(card.get("loading") == "lazy" for card in cards[8:])


def test_sizes_are_offered_wherever_a_picture_is_shown(client, pictured):
    pictured()
    set_cart(client, '{"kettle":1}')

    for path in ("/products", "/search?q=kettle", "/search/suggestions?q=kettle", "/cart"):
        tiles = soup(client.get(path)).select(".picture-tile:has(img[src='/images/kettle.png'])")
        assert tiles and all(len(tile.select("source[srcset][sizes]")) == 2 for tile in tiles), path


def test_what_has_no_sizes_is_shown_as_the_catalogue_names_it(client, pictured):
    pictured()

    tile = soup(client.get("/products/lost-map")).select_one("#main .picture-tile")

    assert (tile.img["src"], tile.img["alt"]) == ("/images/lost.png", "Lost Map")
    assert tile.img["width"] and tile.img["height"] and tile["data-initial"] == "L"
    assert not tile.select("source, svg")


OUTSIDE = (
    "/images/../shop.sqlite3",
    "/images/%2e%2e/shop.sqlite3",
    "/images/..%2fshop.sqlite3",
    "/images//etc/hostname",
    "/images/sizes/../../shop.sqlite3",
    "/images/sizes/../160.webp",
    "/images/sizes/%2e%2e/160.webp",
    "/images/sizes/.lock",
    "/images/sizes/.making/unfinished",
    "/images/x/%2e%2e/sizes/.making/unfinished",
    "/images/sizes/{key}",
    "/images/sizes/{key}/161.webp",
    "/images/sizes/{key}/160.png",
)


def test_nothing_is_served_but_finished_pictures(client, pictured, settings):
    pictured()
    key = next(settings.images.glob("sizes/*/160.webp")).parent.name
    (settings.images / "sizes" / ".making" / "unfinished").write_text("<script>")

    def status(path: str) -> int:
        return client.get(path, follow_redirects=True).status_code

    assert status(f"/images/sizes/{key}/160.webp") == 200
    assert [path for path in OUTSIDE if status(path.format(key=key)) != 404] == []
