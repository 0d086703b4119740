"""Engine, schema, transactions. SQLite by default, PostgreSQL by URL: one schema, one set of queries.

Alembic's migrations (`migrations/`) build what the tables here describe; `make check` compares the two.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Integer, MetaData, Table, Text
from sqlalchemy.engine import Connection, Engine, ExceptionContext, make_url

from shop.settings import PROJECT
from shop.turns import MOST_WAITING, waiting
from shop.watch import RowWatch, SqliteWatch, Version, Watch

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# One run of an import that changed the catalogue. `digest` is the file's SHA-256: the same file is not read again.
imports = Table(
    "imports",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("source", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("finished_at", Text, nullable=False),  # UTC, ISO 8601
    Column(
        "currency", Text, nullable=False, server_default=sa.text("''")
    ),  # of its prices; empty where it wasn't kept
)

# What a listing shows is kept with the product (price range, first picture, whether anything is in stock), written by
# the import and by each sale, so that a page of products is one query without joins.
products = Table(
    "products",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("handle", Text, nullable=False, unique=True),
    Column("title", Text, nullable=False),
    Column("title_key", Text, nullable=False),  # case-folded title, for sorting in any script
    Column("description", Text, nullable=False),  # HTML, cleaned at import
    Column("vendor", Text, nullable=False),
    Column("category", Text, nullable=False),  # the standard taxonomy's path, as in the export
    Column("type", Text, nullable=False),
    Column("status", Text, nullable=False),  # active, draft, archived or unlisted
    Column("published", sa.Boolean, nullable=False),
    Column("visible", sa.Boolean, nullable=False),  # published and active: what shoppers may see
    Column("gift_card", sa.Boolean, nullable=False),
    Column("seo_title", Text, nullable=False),
    Column("seo_description", Text, nullable=False),
    Column("option_names", sa.JSON, nullable=False),  # list of 0 to 3 names
    Column("price_min", sa.BigInteger, nullable=False),  # minor units
    Column("price_max", sa.BigInteger, nullable=False),
    Column("compare_at_price", sa.BigInteger),  # of the cheapest variant, when it is on sale
    Column("variant_count", Integer, nullable=False),
    Column("in_stock", sa.Boolean, nullable=False),
    Column("image_src", Text),
    Column("image_alt", Text, nullable=False),
    Column("digest", Text, nullable=False),  # of what the import read: equal means unchanged
    Column("import_id", Integer, nullable=False),  # the last import whose file had it
    Column("created_at", Text, nullable=False),
    Column("updated_at", Text, nullable=False),
    Index("ix_products_visible_id", "visible", "id"),
    Index("ix_products_visible_title", "visible", "title_key", "id"),
)

variants = Table(
    "variants",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("item", Text, nullable=False, unique=True),
    Column("product_id", Integer, ForeignKey("products.id", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("option_values", sa.JSON, nullable=False),  # as many as the product's option_names
    Column("sku", Text, nullable=False),  # the merchant's label, never a key
    Column("barcode", Text, nullable=False),
    Column("price", sa.BigInteger, nullable=False),
    Column("compare_at_price", sa.BigInteger),
    Column("cost", sa.BigInteger),
    Column("tracker", Text, nullable=False),  # "" means that the merchant counts no stock: any quantity sells
    Column("stock", Integer, nullable=False),
    Column("oversell", sa.Boolean, nullable=False),  # inventory policy "continue": sells past zero
    Column("grams", Integer, nullable=False),
    Column("weight_unit", Text, nullable=False),
    Column("requires_shipping", sa.Boolean, nullable=False),
    Column("taxable", sa.Boolean, nullable=False),
    Column("tax_code", Text, nullable=False),
    Column("fulfillment_service", Text, nullable=False),
    Column("image_src", Text),
    sa.CheckConstraint("stock >= 0", name="ck_variants_stock"),
    Index("ix_variants_product_id", "product_id", "position"),
)

images = Table(
    "images",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("product_id", Integer, ForeignKey("products.id", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("src", Text, nullable=False),
    Column("alt", Text, nullable=False),
    Index("ix_images_product_id", "product_id", "position"),
)

collections = Table(
    "collections",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("handle", Text, nullable=False, unique=True),
    Column("title", Text, nullable=False),
)

# What `shop images` knows of each picture that a product names. `made` has the fields of products.Image, but src and
# alt, and is null where nothing could be made; `problem` says why, or why it couldn't be made anew.
pictures = Table(
    "pictures",
    metadata,
    Column("src", Text, primary_key=True),
    Column("made", sa.JSON(none_as_null=True)),
    Column("problem", Text, nullable=False),
    Column("etag", Text, nullable=False),  # its server's; of a file that the shop serves: its time and size
    Column("modified", Text, nullable=False),  # as its server says it
    Column("checked_at", Text, nullable=False),  # UTC, ISO 8601
)

product_collections = Table(
    "product_collections",
    metadata,
    Column("collection_id", Integer, ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True),
    Column("product_id", Integer, ForeignKey("products.id", ondelete="CASCADE"), primary_key=True),
    Index("ix_product_collections_product_id", "product_id"),
)

product_tags = Table(
    "product_tags",
    metadata,
    Column("tag", Text, primary_key=True),
    Column("product_id", Integer, ForeignKey("products.id", ondelete="CASCADE"), primary_key=True),
    Index("ix_product_tags_product_id", "product_id"),
)

# What a catalogue's file says in other languages than its own. Blank: as in its own.
product_translations = Table(
    "product_translations",
    metadata,
    Column("product_id", Integer, ForeignKey("products.id", ondelete="CASCADE"), primary_key=True),
    Column("language", Text, primary_key=True),  # a code in lower case, such as "ru" or "pt-br"
    Column("title", Text, nullable=False),
    Column("title_key", Text, nullable=False),  # as in products; of the product's own title where this is blank
    Column("description", Text, nullable=False),
)

# One row. `number` and `stock` are the catalogue's version (catalogue/version.py); `listed` is the number at which
# the product sets were written last, and `format` says by which rules (catalogue/indexing.py).
catalogue_version = Table(
    "catalogue_version",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("number", sa.BigInteger, nullable=False),
    Column("stock", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    Column("listed", sa.BigInteger, nullable=False),
    Column("format", Integer, nullable=False),
)

# Sets of visible products as Roaring bitmaps of their ids: a facet's values, digits of what lists are sorted by, the
# products that have a word. catalogue/indexing.py writes them and names their kinds. `title` is how people read the
# name, where they do.
product_sets = Table(
    "product_sets",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("title", Text),
    Column("size", Integer, nullable=False),
    Column("ids", sa.LargeBinary, nullable=False),
    Index(
        "ix_product_sets_kind_size",
        "kind",
        "size",
        "name",
        # In PostgreSQL, too (migration 0004). Said here, it would load that dialect, 2 MB, for every shop on SQLite.
        sqlite_where=sa.text("title is not null"),
    ),
)

# Products that came into or went out of stock since the sets were written. `number` is the catalogue's version then.
stock_flips = Table(
    "stock_flips",
    metadata,
    Column("product_id", Integer, ForeignKey("products.id", ondelete="CASCADE"), primary_key=True),
    Column("in_stock", sa.Boolean, nullable=False),
    Column("number", sa.BigInteger, nullable=False, index=True),
)

# The words of the catalogue, folded, each with its stem. Ids grow as words come, so a frequent word's is small.
search_words = Table(
    "search_words",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("word", Text().with_variant(Text(collation="C"), "postgresql"), nullable=False, unique=True),
    Column("stem", Text, nullable=False, index=True),
)

# Lists of users that outgrew their cookie. `id` is the SHA-256 of a token that only the visitor's cookie holds, and
# `sealed` is encrypted with a key made of that token: the database alone reveals nobody.
user_lists = Table(
    "user_lists",
    metadata,
    Column("id", Text, primary_key=True),
    Column("sealed", Text, nullable=False),
    Column("used_at", Text, nullable=False, index=True),  # UTC, ISO 8601: the last change
)

# Amounts are in minor units of `currency`; times are UTC, ISO 8601. `nonce` is the checkout form's: the same form
# sent again is the same order. Orders are numbered from 1001 by their id, which is never used twice.
orders = Table(
    "orders",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("token", Text, nullable=False, unique=True),
    Column("nonce", Text, nullable=False, unique=True),
    Column("placed_at", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("locale", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("address", sa.JSON, nullable=False),  # the fields of orders.Address
    Column("shipping_title", Text, nullable=False),
    Column("payment_method", Text, nullable=False),
    Column("subtotal", sa.BigInteger, nullable=False),
    Column("discount_code", Text, nullable=False),
    Column("discount", sa.BigInteger, nullable=False),
    Column("shipping", sa.BigInteger, nullable=False),
    Column("tax_title", Text, nullable=False),
    Column("tax", sa.BigInteger, nullable=False),
    Column("tax_included", sa.Boolean, nullable=False),
    Column("total", sa.BigInteger, nullable=False),
    Column("payment", Text, nullable=False),  # an orders.Payment
    Column("fulfilment", Text, nullable=False),  # an orders.Fulfilment
    Column("payment_until", Text),
    Column("payment_reference", Text, nullable=False),
    Column("tracking_number", Text, nullable=False),
    Column("attention", Text, nullable=False),
    Index("ix_orders_payment_until", "payment", "payment_until"),
    Index("ix_orders_payment_reference", "payment_reference"),
    sqlite_autoincrement=True,
)

order_lines = Table(
    "order_lines",
    metadata,
    Column("order_id", Integer, ForeignKey("orders.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("item", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("variant_title", Text, nullable=False),
    Column("sku", Text, nullable=False),
    Column("price", sa.BigInteger, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("discount", sa.BigInteger, nullable=False),
    Column("tax", sa.BigInteger, nullable=False),
    Column("requires_shipping", sa.Boolean, nullable=False),
    Column("taxable", sa.Boolean, nullable=False),
    Column("stock_taken", Integer, nullable=False),
)

order_events = Table(
    "order_events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("order_id", Integer, ForeignKey("orders.id"), nullable=False, index=True),
    Column("at", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("detail", Text, nullable=False),
)

# How often each discount code was used. The codes themselves are the merchant's, in the terms file.
discount_uses = Table(
    "discount_uses",
    metadata,
    Column("code", Text, primary_key=True),
    Column("uses", Integer, nullable=False),
)

# Mail to send, written in the transaction of what it tells of. A worker claims a message until `claimed_until`.
outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("order_id", Integer, ForeignKey("orders.id"), nullable=False, index=True),
    Column("recipient", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("due_at", Text, nullable=False),
    Column("claimed_until", Text),
    Column("attempts", Integer, nullable=False),
    Column("sent_at", Text),
    Column("last_error", Text, nullable=False),
    Index("ix_outbox_sent_at_due_at", "sent_at", "due_at"),
)


_MIGRATIONS = PROJECT / "migrations"
_MOST_IDLE = 2  # connections
_MIGRATING = 0x_C2_B7_5A_01  # a lock's number, of which the shop has no other


class UnknownSchema(Exception):
    """The database was made by another version of the shop than this can bring up to date."""


class Database:
    """The shop's database. Reads see one consistent moment; a `writing()` block is one transaction."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = _engine(url)
        path = make_url(url).database
        self._idle: list[Connection] = []
        self._watch: Watch = SqliteWatch(str(path)) if self.engine.dialect.name == "sqlite" else RowWatch(self.engine)

    def catalogue_version(self) -> Version | None:
        """The catalogue's version as of now; None when the database doesn't answer."""
        return self._watch.version()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to read with, in one snapshot. Nothing done on it is kept."""
        with self.engine.connect() as connection:
            if connection.dialect.name == "postgresql":
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction: committed when the block ends, rolled back when it raises.

        Others may be at work meanwhile: it may have to wait long for its own turn to write, as while an import does.
        """
        with waiting(), self.engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                # A write lock from the first statement: a transaction that reads first and writes later would
                # otherwise fail at once, without waiting, when another writer came between.
                connection.info["begin"] = "BEGIN IMMEDIATE"
            try:
                with connection.begin():
                    yield connection
            finally:
                connection.info.pop("begin", None)

    def migrate(self) -> None:
        """Bring the schema up to date, making an SQLite file and its folder where there is none yet."""
        path = make_url(self.url).database
        if self.engine.dialect.name == "sqlite" and path and path != ":memory:":
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        if self._is_migrated():
            return
        from alembic import command
        from alembic.config import Config
        from alembic.util import CommandError

        with self.writing() as connection:
            if connection.dialect.name == "postgresql":
                # Machines that start together take turns; the later ones find that all is done.
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATING)))
            config = Config()
            config.set_main_option("script_location", str(_MIGRATIONS))
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                raise UnknownSchema(str(error)) from None

    def _is_migrated(self) -> bool:
        """Whether the newest migration was done, whose number its file's name starts with.

        Alembic is asked only where it was not: it takes a fifth of a second to load, and 9 MB of a server.
        """
        newest = max(path.name for path in (_MIGRATIONS / "versions").glob("[0-9]*.py")).partition("_")[0]
        try:
            with self.reading() as connection:
                done = connection.execute(sa.text("select version_num from alembic_version")).scalars().all()
        except sa.exc.DBAPIError:  # there is no such table yet; what else may be wrong is said by what comes next
            return False
        return done == [newest]

    def answers(self) -> bool:
        """True when the database is there and has the shop's tables."""
        try:
            with self.reading() as connection:
                connection.execute(sa.select(products.c.id).limit(1))
        except sa.exc.SQLAlchemyError:
            return False
        return True

    def borrow(self) -> Connection:
        """A connection to read with until it is given back, for a request. SQLite's are kept open for the next."""
        try:
            return self._idle.pop()
        except IndexError:
            return self.engine.connect()

    def give_back(self, connection: Connection) -> None:
        if connection.dialect.name == "sqlite" and len(self._idle) < _MOST_IDLE and not connection.closed:
            if connection.in_transaction():
                connection.rollback()
            cast(Any, connection.connection.dbapi_connection).rollback()
            self._idle.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()
        self._watch.close()
        self.engine.dispose()


# Of a database of up to so many bytes, what pages ask for is read where the system has it, and not copied.
_MAPPED = 1 << 30
PRAGMAS = ("journal_mode=WAL", "foreign_keys=ON", "synchronous=FULL", "cache_size=-16000", f"mmap_size={_MAPPED}")


_MOST_CONNECTIONS = 2 * MOST_WAITING  # beyond the usual few: a request that waits to write may be reading as well


def _engine(url: str) -> Engine:
    # What a statement was to write is none of an error's or a log's business: it may be somebody's address.
    usual: dict[str, Any] = {"max_overflow": _MOST_CONNECTIONS, "hide_parameters": True}
    if make_url(url).get_backend_name() != "sqlite":
        engine = sa.create_engine(url, pool_pre_ping=True, **usual)
        sa.event.listen(engine, "connect", _take_any_text)
        sa.event.listen(engine, "handle_error", _without_details)
        return engine
    engine = sa.create_engine(url, connect_args={"timeout": 20}, **usual)

    # Python's sqlite3 opens transactions by itself, and only before writes; here SQLAlchemy says when.
    # Source: SQLAlchemy's documentation of pysqlite, "Serializable isolation / transactional DDL".
    @sa.event.listens_for(engine, "connect")
    def connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        if to_write := connection.info.get("begin"):
            connection.exec_driver_sql(to_write)
        else:
            begin(connection)

    return engine


def begin(connection: Connection) -> None:
    """Begin a transaction to read in, where none has begun. It never has to wait.

    Without SQLAlchemy's own care, which takes ten times as long. PostgreSQL's driver begins by itself.
    """
    driver: Any = connection.connection.dbapi_connection
    if connection.dialect.name == "sqlite" and not driver.in_transaction:
        driver.execute("BEGIN")


def _take_any_text(connection: Any, _record: object) -> None:
    """Let a text with a NUL, which PostgreSQL has none of, be one that nothing in the database is called.

    The driver would refuse it, whoever asks for `/products/%00`.
    """
    from psycopg.types.string import StrDumperUnknown

    class Dumper(StrDumperUnknown):
        def dump(self, text: str) -> Any:
            return super().dump(text.replace("\0", "\N{REPLACEMENT CHARACTER}"))

    connection.adapters.register_dumper(str, Dumper)


def _without_details(context: ExceptionContext) -> None:
    """Let an error say what PostgreSQL refuses, and not the row that it refuses: "Failing row contains (…)"."""
    refused = context.original_exception
    if said := getattr(getattr(refused, "diag", None), "message_primary", None):
        whole = str(refused)
        for error in filter(None, (refused, context.sqlalchemy_exception)):
            error.args = tuple(str(each).replace(whole, said) for each in error.args)
