"""Importing: what the shop is like after a file, after the same file again, and after a file that can't be."""

import io
import os
import sys
import tracemalloc
from hashlib import sha256
from signal import SIGKILL

import pytest
import sqlalchemy as sa

from shop.catalogue import indexing, reading, search, traits
from shop.catalogue.importing import Report, import_file
from shop.catalogue.listing import Wish, find_page
from shop.catalogue.sets import Sets
from shop.catalogue.shopify import BadFile, BadRow
from shop.database import (
    Database,
    collections,
    images,
    imports,
    product_collections,
    product_sets,
    product_tags,
    product_translations,
    products,
    search_words,
    variants,
)
from shop.settings import Settings
from tests.databases import url_of

TEA = """\
Handle,Title,Body (HTML),Vendor,Type,Tags,Published,Option1 Name,Option1 Value,Variant Inventory Tracker,\
Variant Inventory Qty,Variant Inventory Policy,Variant Price,Variant Compare At Price,Image Src,Image Position,\
Image Alt Text,Status
teapot,"“Clay” Teapot",<p>Holds <b>four</b> cups.</p>,Kiln,Tea & Coffee,"clay, gift",true,Title,Default Title,\
shopify,3,deny,40,50,https://cdn.example/teapot.jpg,1,A teapot,active
mug,Mug,,Kiln,Cups,gift,true,Size,Small,shopify,0,deny,12,,/b.jpg,2,Side,active
mug,,,,,,,,Large,shopify,2,deny,9,11,/a.jpg,1,Front,
clock,Clock,,Gears,,,false,,,shopify,0,deny,99,,,,,active
"""

# Of these, as they were worked out before.
FORMER_DIGESTS = {
    "teapot": "4e315e6ced6f7ba62b437a90fc6bf969d99b9d8939eaefd56b966eb100b52bdb",
    "mug": "c1b6ae18f8ee7ee3d1a8c9e1fc38629473e348fc271c35b2b4600475a4536c79",
    "clock": "3c33b10007ec48703889a178e60d33983a87481543e24d4986cbe70b73e39995",
}


@pytest.fixture
def settings(tmp_path):
    data = tmp_path / "instance"
    data.mkdir()
    return Settings(data=data, database_url=url_of(data))


@pytest.fixture
def database(settings):
    database = Database(settings.database_url)
    database.migrate()
    yield database
    database.close()


@pytest.fixture
def bring(database, settings, tmp_path):
    """`bring(text)` imports a file with that text."""

    def bring(text, **options) -> Report:
        path = tmp_path / "goods.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return import_file(database, path, settings, **options)

    return bring


@pytest.fixture
def rows(database):
    """`rows(table)` is all that a table holds."""

    def rows(table):
        with database.reading() as connection:
            return connection.execute(sa.select(table).order_by(*table.primary_key.columns)).mappings().all()

    return rows


@pytest.fixture
def product(rows):
    """`product("mug")` is its row."""
    return lambda handle: next(row for row in rows(products) if row["handle"] == handle)


@pytest.fixture
def dump(database, rows):
    """The whole catalogue, save for when which import wrote it."""

    def dump():
        of_products = (variants, images, product_tags, product_translations, collections, product_collections)
        tables = (products, *of_products, product_sets, search_words)
        whole = [[dict(row) for row in rows(table)] for table in tables]
        for row in whole[0]:
            del row["import_id"]
        return whole

    return dump


def found(database, words):
    """The ids of the products that a search for the words finds."""
    with database.reading() as connection:
        return list(search.find(Sets(connection), words).ids)


def test_what_comes_in_one_size_only_can_be_added_without_a_choice(bring, database):
    bring("Title,Option1 name,Option1 value,Price\nScarf,Size,One size,30\nMug,Size,S,9\n,,L,12\n")

    with database.reading() as connection:
        cards = find_page(connection, Wish()).cards

    assert {card.handle: card.item for card in cards} == {"scarf": "scarf", "mug": None}


def test_a_first_import_fills_the_shop(bring, rows):
    report = bring(TEA)

    assert [row["handle"] for row in rows(products)] == ["teapot", "mug", "clock"]
    assert [row["id"] for row in rows(products)] == [1, 2, 3]
    assert [row["item"] for row in rows(variants)] == ["teapot", "mug.small", "mug.large", "clock"]
    assert [(row["handle"], row["title"]) for row in rows(collections)] == [
        ("tea-coffee", "Tea & Coffee"),
        ("cups", "Cups"),
    ]
    assert {(row["tag"], row["product_id"]) for row in rows(product_tags)} == {("clay", 1), ("gift", 1), ("gift", 2)}
    assert report == Report(products=3, variants=4, images=3, collections=2, created=3)


def test_a_listing_finds_all_it_shows_in_the_product(bring, product):
    bring(TEA)

    mug = product("mug")
    assert (mug["price_min"], mug["price_max"], mug["compare_at_price"]) == (900, 1200, 1100)
    assert (mug["variant_count"], mug["in_stock"], mug["option_names"]) == (2, True, ["Size"])
    assert (mug["image_src"], mug["image_alt"]) == ("/a.jpg", "Front")
    teapot = product("teapot")
    assert (teapot["title_key"], teapot["compare_at_price"]) == ("clay” teapot", 5000)


@pytest.mark.parametrize(
    ("cells", "visible"),
    [
        ("true,active", True),
        ("false,active", False),
        ("true,draft", False),
        ("true,archived", False),
        ("true,unlisted", False),
    ],
)
def test_shoppers_see_what_is_published_and_active(bring, product, cells, visible):
    bring(f"Handle,Title,Variant Price,Published,Status\nmug,Mug,1,{cells}\n")

    assert product("mug")["visible"] is visible


@pytest.mark.parametrize(
    ("cells", "in_stock"),
    [("shopify,1,deny", True), ("shopify,0,deny", False), ("shopify,0,continue", True), (",0,deny", True)],
)
def test_in_stock_is_what_a_shopper_could_buy(bring, product, cells, in_stock):
    header = "Handle,Title,Variant Price,Variant Inventory Tracker,Variant Inventory Qty,Variant Inventory Policy"
    bring(f"{header}\nmug,Mug,1,{cells}\n")

    assert product("mug")["in_stock"] is in_stock


def test_a_compare_at_price_that_is_no_higher_is_no_sale(bring, product, rows):
    bring("Handle,Title,Variant Price,Variant Compare At Price\nmug,Mug,10,10\n")

    assert product("mug")["compare_at_price"] is None
    assert rows(variants)[0]["compare_at_price"] == 1000


@pytest.mark.parametrize("words", ["teapot", "kiln coffee", "four", "gift clay", "cláy"])
def test_products_are_found_by_their_words(bring, database, words):
    bring(TEA)

    assert found(database, words) == [1]


def test_the_imports_are_noted(bring, rows):
    bring(TEA)

    (run,) = rows(imports)
    assert (run["source"], run["digest"]) == ("goods.csv", sha256(TEA.encode()).hexdigest())
    assert run["finished_at"]


def test_the_same_file_twice_leaves_the_same_shop(bring, dump):
    bring(TEA)
    before = dump()

    report = bring(TEA)

    assert (report.created, report.updated, report.unchanged) == (0, 0, 3)
    assert dump() == before


def test_the_same_file_does_not_give_back_stock_that_was_sold(bring, database, rows):
    bring(TEA)
    with database.writing() as connection:
        connection.execute(variants.update().where(variants.c.item == "teapot").values(stock=1))

    bring(TEA)

    assert rows(variants)[0]["stock"] == 1


def test_nor_where_it_was_imported_by_an_earlier_version(bring, database, rows):
    bring(TEA)
    with database.writing() as connection:
        for handle, digest in FORMER_DIGESTS.items():
            connection.execute(products.update().where(products.c.handle == handle).values(digest=digest))
        connection.execute(variants.update().where(variants.c.item == "teapot").values(stock=1))

    report = bring(TEA)

    assert (report.created, report.updated, report.unchanged) == (0, 0, 3)
    assert rows(variants)[0]["stock"] == 1
    report = bring(TEA.replace("mug,Mug", "mug,Beaker"))
    assert (report.created, report.updated, report.unchanged) == (0, 1, 2)


def test_a_changed_product_is_updated_where_it_is(bring, database, rows, product):
    bring(TEA)
    before = product("mug")
    ids = {row["item"]: row["id"] for row in rows(variants)}

    changed = TEA.replace("mug,Mug", "mug,Beaker").replace(",Large,", ",Huge,").replace("Cups,gift", "Glasses,party")
    report = bring(changed.replace("/b.jpg", "/c.jpg"))

    after = product("mug")
    assert (report.created, report.updated, report.unchanged) == (0, 1, 2)
    assert (after["id"], after["title"], after["created_at"]) == (before["id"], "Beaker", before["created_at"])
    now = {row["item"]: row["id"] for row in rows(variants)}
    assert now.keys() == {"teapot", "clock", "mug.small", "mug.huge"}
    assert now["mug.small"] == ids["mug.small"]
    assert [row["src"] for row in rows(images) if row["product_id"] == after["id"]] == ["/a.jpg", "/c.jpg"]
    assert [row["tag"] for row in rows(product_tags) if row["product_id"] == after["id"]] == ["party"]
    assert [row["handle"] for row in rows(collections)] == ["tea-coffee", "glasses"]
    assert found(database, "mug") == []
    assert found(database, "beaker") == [after["id"]]


def test_rows_in_another_order_make_the_same_variants_in_that_order(bring, rows):
    header = "Handle,Title,Option1 Name,Option1 Value,Variant Price\n"
    bring(header + "pan,Pan,Size,1/2,1\npan,,,1-2,2\n")
    before = {row["option_values"][0]: (row["id"], row["item"]) for row in rows(variants)}

    bring(header + "pan,Pan,Size,1-2,2\npan,,,1/2,1\n")

    assert {row["option_values"][0]: (row["id"], row["item"]) for row in rows(variants)} == before
    assert [row["option_values"][0] for row in sorted(rows(variants), key=lambda row: row["position"])] == [
        "1-2",
        "1/2",
    ]


def test_collections_with_one_slug_are_one(bring, rows):
    bring("Handle,Title,Price,Collection\na,A,1,Tea & Cups\nb,B,1,tea cups;Gifts\nc,C,1,Tea cups; tea-cups\n")

    assert [row["handle"] for row in rows(collections)] == ["tea-cups", "gifts"]
    assert len(rows(product_collections)) == 4


def test_a_collection_can_be_spelled_anew(bring, rows):
    bring("Handle,Title,Price,Type\nmug,Mug,1,cups\n")

    bring("Handle,Title,Price,Type\nmug,Mug,1,Cups\n")

    assert [row["title"] for row in rows(collections)] == ["Cups"]


BAD = {
    "a bad price": "cup,Cup,,,,,true,Title,Default Title,,,,free,,,,,",
    "a handle from further up": "teapot,Teapot,,,,,true,Title,Default Title,,,,5,,,,,",
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_bad_row_leaves_the_shop_as_it_was(bring, dump, rows, bad):
    bring(TEA)
    before = dump()

    with pytest.raises(BadRow, match=r"goods\.csv, line 6"):
        bring(TEA.replace("Mug", "Beaker") + bad + "\n")

    assert dump() == before
    assert len(rows(imports)) == 1


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_bad_row_can_be_skipped(bring, rows, bad):
    report = bring(TEA + bad + "\n", skip_bad_rows=True)

    assert [row["handle"] for row in rows(products)] == ["teapot", "mug", "clock"]
    assert [row.line for row in report.skipped] == [6]
    assert report.products == 3
    assert str(report).endswith(f"1 bad rows skipped:\n  {report.skipped[0]}")


def test_a_handle_from_further_up_is_found_across_batches(bring, monkeypatch):
    monkeypatch.setattr(reading, "BATCH", 1)

    with pytest.raises(BadRow, match="an earlier product has this handle"):
        bring("Handle,Title,Price\na,A,1\nb,B,1\na,A,1\n")


def test_what_a_replacing_file_lacks_is_no_longer_published_until_it_is_back(bring, product, dump):
    bring(TEA)
    before = dump()
    without_mug = "".join(line for line in TEA.splitlines(keepends=True) if not line.startswith("mug"))

    report = bring(without_mug, replace=True)

    assert report.unpublished == 1
    assert (product("mug")["published"], product("mug")["visible"]) == (False, False)
    assert product("teapot")["visible"] is True

    report = bring(TEA, replace=True)

    assert (report.updated, report.unchanged, report.unpublished) == (1, 2, 0)
    assert product("mug")["visible"] is True
    assert [row["title"] for row in before[0]] == [row["title"] for row in dump()[0]]


def test_without_replace_other_products_stay(bring, product):
    bring(TEA)

    bring("Handle,Title,Price\ncup,Cup,1\n")

    assert product("mug")["visible"] is True


def test_a_skipped_product_is_not_unpublished_by_a_replacing_file(bring, product):
    bring(TEA)

    report = bring(TEA.replace("deny,40", "deny,forty"), replace=True, skip_bad_rows=True)

    assert (len(report.skipped), report.unpublished) == (1, 0)
    assert (product("teapot")["visible"], product("teapot")["price_min"]) == (True, 4000)


PICTURED = "Handle,Title,Price,Image Src,Variant Image\nmug,Mug,1,{src},\n"


def test_pictures_beside_the_csv_are_copied(bring, rows, settings, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "mug.jpg").write_bytes(b"old")
    bring(PICTURED.format(src="photos/mug.jpg"))
    (tmp_path / "photos" / "mug.jpg").write_bytes(b"newer")

    report = bring(PICTURED.format(src="photos/mug.jpg"))

    assert (settings.images / "photos" / "mug.jpg").read_bytes() == b"newer"
    assert (report.missing_images, report.unchanged) == (0, 1)
    assert rows(images)[0]["src"] == "/images/photos/mug.jpg"


def test_a_picture_that_is_not_there_is_counted(bring, rows, settings):
    report = bring(PICTURED.format(src="mug.jpg"))

    assert report.missing_images == 1
    assert "1 image files not found" in str(report)
    assert rows(images)[0]["src"] == "/images/mug.jpg"
    assert not settings.images.exists()


@pytest.mark.parametrize(
    "src", ["link.jpg", "elsewhere/secret.jpg", "circle.jpg", "folder.jpg", "secret.txt", "x" * 300]
)
def test_only_pictures_in_the_csvs_folder_are_copied(bring, settings, tmp_path, tmp_path_factory, src):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret.jpg").write_bytes(b"secret")
    (tmp_path / "link.jpg").symlink_to(outside / "secret.jpg")
    (tmp_path / "elsewhere").symlink_to(outside)
    (tmp_path / "circle.jpg").symlink_to(tmp_path / "circle.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "secret.txt").write_bytes(b"secret")

    report = bring(PICTURED.format(src=src))

    assert report.missing_images == 1
    assert not settings.images.exists()


def test_a_picture_that_cannot_be_copied_is_one_clear_line(bring, settings, tmp_path, rows):
    (tmp_path / "mug.jpg").write_bytes(b"mug")
    settings.images.write_text("a file where the folder should be")

    with pytest.raises(BadFile, match=r"mug\.jpg could not be copied to"):
        bring(PICTURED.format(src="mug.jpg"))

    assert rows(products) == []


def test_a_missing_file_and_a_folder_are_one_clear_line(database, settings, tmp_path):
    with pytest.raises(BadFile, match=r"goods\.csv can't be read: No such file"):
        import_file(database, tmp_path / "goods.csv", settings)
    with pytest.raises(BadFile, match="can't be read: Is a directory"):
        import_file(database, tmp_path, settings)


@pytest.mark.parametrize("trouble", ["opened", "read"])
def test_an_unreadable_file_is_one_clear_line(bring, rows, monkeypatch, trouble):
    class Unreadable(io.FileIO):
        def __init__(self, path):
            self.refuse("opened")
            super().__init__(path)

        def readinto(self, buffer):
            self.refuse("read")
            return super().readinto(buffer)

        def refuse(self, moment):
            if moment == trouble:
                raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(io, "FileIO", Unreadable)

    with pytest.raises(BadFile, match=r"goods\.csv can't be read: Permission denied"):
        bring(TEA)

    assert rows(products) == []


def test_a_file_that_is_no_export_leaves_the_shop_as_it_was(bring, dump):
    bring(TEA)
    before = dump()

    with pytest.raises(BadFile, match="line 6: is not UTF-8"):
        bring(TEA.encode() + b"\xff\n")

    assert dump() == before


def test_progress_ends_at_the_whole_file(bring):
    calls = []

    bring(TEA, progress=lambda done, total: calls.append((done, total)))

    assert calls[-1] == (len(TEA.encode()), len(TEA.encode()))
    assert calls == sorted(calls)


def test_the_report_reads_as_a_summary(bring):
    report = bring(TEA.replace("Vendor", "Maker", 1))

    assert report.lines() == [
        "3 products, 4 variants, 3 images, 2 collections",
        "3 created, 0 updated, 0 unchanged",
        "Columns ignored: Maker",
    ]
    one = bring("Title,Price\nTray,9\n")
    assert one.lines()[0] == "1 product, 1 variant, 0 images, 2 collections"


@pytest.fixture
def read_elsewhere(monkeypatch):
    """Any file is read in another process, as large ones are on Linux."""
    if sys.platform != "linux":
        pytest.skip("files are read in the same process")
    monkeypatch.setattr(reading, "LARGE", 0)
    monkeypatch.setattr(reading.os, "sched_getaffinity", lambda _process: {0, 1})


@pytest.mark.usefixtures("read_elsewhere")
def test_a_file_read_in_another_process_makes_the_same_shop(bring, monkeypatch):
    monkeypatch.setattr(reading, "BATCH", 1)
    progress = []

    report = bring(TEA, progress=lambda done, _all: progress.append(done))

    assert report == Report(products=3, variants=4, images=3, collections=2, created=3)
    assert progress[-1] == len(TEA.encode())
    monkeypatch.setattr(reading, "LARGE", 10**9)
    assert bring(TEA).unchanged == 3


@pytest.mark.usefixtures("read_elsewhere")
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_bad_rows_are_told_by_the_process_that_reads(bring, dump, bad):
    before = dump()

    with pytest.raises(BadRow, match=r"goods\.csv, line 6"):
        bring(TEA + bad + "\n")

    assert dump() == before
    report = bring(TEA + bad + "\n", skip_bad_rows=True)
    assert ([row.line for row in report.skipped], report.products) == ([6], 3)


@pytest.mark.usefixtures("read_elsewhere")
def test_a_reader_that_is_killed_leaves_the_shop_as_it_was(bring, dump, monkeypatch):
    before = dump()
    this = os.getpid()
    monkeypatch.setattr(reading, "prepared", lambda *_: os.getpid() == this or os.kill(os.getpid(), SIGKILL))

    with pytest.raises(BadFile, match="was ended from outside"):
        bring(TEA)

    assert dump() == before


@pytest.mark.parametrize("words", ["two tone", "steel", "oak", "handmade", "steels"])
def test_words_of_descriptions_are_found_however_they_are_joined(bring, database, words):
    told = TEA.replace("Holds <b>four</b> cups.", "Two-tone — of steel/oak &amp; <b>hand</b>made.")

    bring(told)
    new = found(database, words)
    bring(TEA)
    bring(told)

    assert new == found(database, words) == [1]


def test_no_products_replace_none(bring, dump):
    bring(TEA)
    before = dump()

    with pytest.raises(BadFile, match="has no products"):
        bring(TEA.splitlines()[0] + "\n", replace=True)

    assert dump() == before


def test_what_refers_to_no_product_is_refused_after_an_import_as_before(bring, database):
    bring(TEA)
    bring(TEA.replace("gift", "present").replace("Large", "Huge"), replace=True)

    if database.engine.dialect.name == "sqlite":
        with database.reading() as connection:
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
    with pytest.raises(sa.exc.IntegrityError), database.writing() as connection:
        connection.execute(product_tags.insert().values(tag="lost", product_id=99))


def test_memory_does_not_grow_with_the_file(bring, monkeypatch):
    monkeypatch.setattr(reading, "BATCH", 100)
    monkeypatch.setattr(indexing, "MOST_WAITING", 3_000)
    monkeypatch.setattr(traits, "MOST_TRAITS", 300)

    def peak(count, prefix):
        text = io.StringIO()
        text.write("Handle,Title,Type,Tags,Variant Price\n")
        text.writelines(
            f'{prefix}{n},Product {n},Type {n % 9},"tag {n % 50}, only {prefix}{n}",{n % 90}\n' for n in range(count)
        )
        data = text.getvalue().encode()
        tracemalloc.start()
        try:
            assert bring(data).created == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(1_000, "a")  # fills the caches

    assert peak(2_000, "b") < 1.2 * peak(1_000, "c")
