"""Listings: what is shown, in which order, with which counts; and that they follow imports and sales at once."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from shop.catalogue import facets, indexing, listing, sets, store, traits
from shop.catalogue.importing import import_file
from shop.catalogue.listing import (
    Wish,
    find_collections,
    find_featured,
    find_page,
    find_related,
    find_suggestions,
)
from shop.catalogue.slugs import items_for
from shop.database import Database, catalogue_version, product_sets, products, search_words, stock_flips, variants
from shop.orders import states, stock, stocktaking
from shop.settings import Settings
from tests import shelves
from tests.conftest import SHELF
from tests.ordering import NOW, ordering


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file without products, to copy."""
    path = tmp_path_factory.mktemp("empty") / "shop.sqlite3"
    database = Database(f"sqlite:///{path}")
    database.migrate()
    database.close()
    return path


@pytest.fixture(scope="module")
def small():
    """Listings of which a few products make several pages, and facets that have too many values."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "PAGE_SIZE", 3)
        patch.setattr(facets, "FEW_VALUES", 2)
        patch.setattr(facets, "MOST_VALUES", 4)
        patch.setattr(facets, "_FEW", 2)
        patch.setattr(facets, "_LOOKED_UP", 4)
        patch.setattr(facets, "_AT_ONCE", 1)
        patch.setattr(sets, "_AT_ONCE", 2)
        patch.setattr(indexing, "MOST_WAITING", 200)
        patch.setattr(traits, "MOST_TRAITS", 40)
        yield


class Trade:
    """A shop whose products come, change, sell out and go at random, and what its listings ought to be."""

    def __init__(self, database: Database, folder: Path, random: Random) -> None:
        self.database = database
        self._folder = folder
        self._random = random
        self._goods: dict[str, shelves.Good] = {}

    def bring(self, replace: bool) -> None:
        handles = self._random.sample([f"good-{number}" for number in range(20)], 12)
        goods = [
            self._goods[handle]
            if handle in self._goods and self._random.random() < 0.5
            else shelves.random_good(self._random, handle)
            for handle in handles
        ]
        path = self._folder / "goods.csv"
        path.write_bytes(shelves.as_csv(goods))
        import_file(self.database, path, Settings(data=self._folder), replace=replace)
        self._goods |= {good.handle: good for good in goods}

    def sell(self) -> None:
        """Sell some variants out, and put others back."""
        with self.database.reading() as connection:
            items = connection.scalars(sa.select(variants.c.item)).all()
        for item in self._random.sample(items, 4):
            with self.database.writing() as connection:
                (variant,) = store.find_variants(connection, [item]).values()
                if variant.stock:
                    stock.take(connection, [(replace(variant, visible=True), variant.stock)])
                else:
                    stock.put_back(connection, {item: 2})

    def check(self) -> None:
        """Ask for some listings, and compare them with what they are by definition."""
        goods = list(self._current())
        with self.database.reading() as connection:
            for _ in range(8):
                wish = shelves.random_wish(self._random)
                page = find_page(connection, wish)
                expected = shelves.listed(goods, wish, listing.PAGE_SIZE, facets.FEW_VALUES, facets.MOST_VALUES)
                found = shelves.Listed(
                    handles=[card.handle for card in page.cards],
                    total=page.total,
                    counts={
                        facet.key: (
                            [(value.value, value.products, value.value in facet.chosen) for value in facet.values],
                            facet.more,
                        )
                        for facet in page.facets
                    },
                    prices=page.prices,
                )
                assert (found, wish) == (expected, wish)
                best = find_page(connection, Wish(query=wish.query, sort="relevance")).cards[:2]
                if wish.query:
                    assert find_suggestions(connection, wish.query, products=2).cards == best

    def _current(self):
        """The products as the database's own rows have them."""
        with self.database.reading() as connection:
            stocks = dict(connection.execute(sa.select(variants.c.item, variants.c.stock)).all())
            for row in connection.execute(sa.select(products.c.handle, products.c.visible).order_by(products.c.id)):
                good = self._goods[row.handle]
                values = [each for each, _ in good.variants]
                counted = (stocks[item] for item in items_for(row.handle, values))
                yield replace(good, shown=row.visible, variants=tuple(zip(values, counted, strict=True)))


def trade(database: Database, folder: Path, random: Random) -> None:
    trade = Trade(database, folder, random)
    trade.bring(replace=False)
    trade.check()
    trade.sell()
    trade.check()
    trade.bring(replace=random.random() < 0.5)
    assert written(database) == written_anew(database)
    trade.check()
    trade.sell()
    trade.check()


def written(database: Database) -> dict[tuple[str, str], tuple[list[int], str]]:
    """All sets, and the words; save for what the order of imports may make different."""
    with database.reading() as connection:
        rows = connection.execute(sa.select(product_sets).where(product_sets.c.kind != "gram")).all()
        words = connection.execute(sa.select(search_words)).all()
    found = {
        (row.kind, row.name): (list(sets.BitMap.deserialize(row.ids)), (row.title or "").casefold()) for row in rows
    }
    stems = {name for kind, name in found if kind == "anywhere"}
    assert {row.stem for row in words} == stems
    return found


def written_anew(database: Database) -> dict[tuple[str, str], tuple[list[int], str]]:
    with database.writing() as connection:
        indexing.reindex(connection)
    return written(database)


@pytest.mark.sqlite  # the next test is this on PostgreSQL
@hypothesis_settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a smaller seed is no simpler
    max_examples=15,
    deadline=None,
)
@given(seed=st.integers(0, 2**32), large=st.booleans())
def test_any_listing_is_what_it_is_by_definition(small, empty, tmp_path, seed, large):
    path = tmp_path / "shop.sqlite3"
    shutil.copy(empty, path)
    database = Database(f"sqlite:///{path}")
    try:
        with pytest.MonkeyPatch.context() as patch:
            if large:
                patch.setattr(facets, "_LARGE", 1)
                patch.setattr(sets, "_THINGS", 0)
            trade(database, tmp_path, Random(seed))
    finally:
        database.close()
        for file in tmp_path.glob("shop.sqlite3*"):
            file.unlink()


def test_so_it_is_on_postgresql(small, postgres, tmp_path):
    url = postgres.create()
    database = Database(url)
    try:
        database.migrate()
        trade(database, tmp_path, Random(7))
    finally:
        database.close()
        postgres.drop(url)


def test_facets_say_what_else_there_is(either_database):
    with either_database.reading() as connection:
        page = find_page(connection, Wish(chosen={"vendor": ("FERN pottery", "Nonesuch"), "tag": ("Gift",)}))

    assert [card.handle for card in page.cards] == ["clay-teapot"]
    assert [(facet.key, facet.title) for facet in page.facets] == [
        ("availability", "Availability"),
        ("type", "Type"),
        ("vendor", "Vendor"),
        ("tag", "Tag"),
    ]
    vendors, tags = page.facets[2:]
    assert [(each.value, each.title, each.products, each.value in vendors.chosen) for each in vendors.values] == [
        ("inkwell", "Inkwell", 2, False),
        ("fern pottery", "Fern Pottery", 1, True),
        ("nonesuch", "nonesuch", 0, True),
    ]
    assert [(each.title, each.products) for each in tags.values] == [("everyday", 2), ("tea", 2), ("gift", 1)]
    assert page.prices == (3400, 3400)


def test_options_go_by_their_names_and_values_in_any_case(either_database):
    with either_database.reading() as connection:
        page = find_page(connection, Wish(chosen={"option.color": ("BLUE",)}))

    assert [card.handle for card in page.cards] == ["shirt"]
    colours = next(facet for facet in page.facets if facet.key == "option.color")
    assert [(each.value, each.title, each.value in colours.chosen) for each in colours.values] == [
        ("blue", "Blue", True),
        ("white", "White", False),
    ]


def test_what_is_sold_out_is_listed_so_at_once(either_database):
    """And by another process, which has looked at the shelf before."""
    other = Database(either_database.url)

    def available() -> tuple[list[str], dict[str, int]]:
        with other.reading() as connection:
            page = find_page(connection, Wish(collection="paper", chosen={"availability": ("in-stock",)}))
        return [card.handle for card in page.cards], {each.value: each.products for each in page.facets[0].values}

    assert available() == (["last-poster", "postcard"], {"in-stock": 2})

    order = ordering(either_database, {"last-poster": 1})
    assert available() == (["postcard"], {"in-stock": 1, "sold-out": 1})

    states.cancel(either_database, order.id, NOW)
    assert available() == (["last-poster", "postcard"], {"in-stock": 2})

    stocktaking.set_count(either_database, "last-poster", 0)
    assert available() == (["postcard"], {"in-stock": 1, "sold-out": 1})
    other.close()


def test_the_version_grows_with_what_pages_show(either_database, tmp_path):
    def number() -> int:
        return either_database.catalogue_version().number

    def bring(file: Path) -> None:
        import_file(either_database, file, Settings(data=tmp_path))

    first = number()
    bring(SHELF)
    assert number() == first  # it was all there
    ordering(either_database, {"shirt.white.m": 2})
    assert number() == first + 1
    ordering(either_database, {"postcard": 1})
    assert number() == first + 1  # nobody counts them
    ordering(either_database, {"mug": 1})
    assert number() == first + 1  # plenty are left
    with pytest.raises(ZeroDivisionError), either_database.writing() as connection:
        stock.put_back(connection, {"mug": 1 // 0})
    assert number() == first + 1
    more = tmp_path / "more.csv"
    more.write_text("Title,Price\nTray,9\n")
    bring(more)
    assert number() == first + 2


def test_sets_of_another_format_are_written_anew(either_database):
    with either_database.writing() as connection:
        connection.execute(catalogue_version.update().values(format=0))
        connection.execute(product_sets.delete())
        connection.execute(search_words.delete())

    indexing.catch_up(either_database)

    with either_database.reading() as connection:
        assert find_page(connection, Wish(query="teapot")).total == 1
        assert find_page(connection, Wish(collection="paper")).total == 2


def test_a_sale_during_an_import_is_seen_after_it(postgres_url, tmp_path):
    """The order's stock is that of a product which the import leaves alone."""
    database = Database(postgres_url)
    more = tmp_path / "more.csv"
    more.write_text("Title,Price\nTray,9\n")
    sold = []

    def sell(_done: int, _total: int) -> None:
        sold.append(sold or ordering(database, {"last-poster": 1}))

    import_file(database, more, Settings(data=tmp_path), progress=sell)

    with database.reading() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(stock_flips)) == 0
        page = find_page(connection, Wish(chosen={"availability": ("sold-out",)}))
    assert [card.handle for card in page.cards] == ["last-poster", "mantel-clock"]
    database.close()


def test_home_shows_sales_with_pictures_that_can_be_bought(either_database):
    with either_database.reading() as connection:
        featured = find_featured(connection, 4)
        groups = find_collections(connection)

    assert [card.handle for card in featured] == ["clay-teapot", "mug", "shirt", "last-poster"]
    assert [(group.handle, group.count) for group in groups] == [
        ("clothing", 1),
        ("home", 2),
        ("kitchen", 3),
        ("paper", 2),
    ]
    assert groups[2].image == featured[0].image


def test_related_products_share_the_most_and_can_be_bought(either_database):
    def related(handle: str, most: int = 4) -> list[str]:
        with either_database.reading() as connection:
            return [card.handle for card in find_related(connection, handle, most)]

    assert related("clay-teapot") == [
        "mug",
        "creme-bowl",
        "last-poster",
        "postcard",
    ]  # kitchen and tea; kitchen; gifts
    assert related("mug", 2) == ["creme-bowl", "clay-teapot"]  # they share as much, and the bowl follows
    assert related("carved-chair") == ["mantel-clock"]
    assert related("shirt") == []
    assert related("hidden-lamp") == related("nonesuch") == []
