"""Product sets, for filters, sorting and search, and translations; they replace the full-text index

The sets of the products that are there already are written by the next start or import (catalogue/indexing.py).
"""

import sqlalchemy as sa
import sqlalchemy.dialects.postgresql
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade():
    postgresql = op.get_bind().dialect.name == "postgresql"
    op.execute("drop table product_search")
    op.create_table(
        "product_translations",
        sa.Column("product_id", sa.Integer(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("title_key", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["product_id"], ["products.id"], name=op.f("fk_product_translations_product_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("product_id", "language", name=op.f("pk_product_translations")),
    )
    op.create_table(
        "catalogue_version",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("listed", sa.BigInteger(), nullable=False),
        sa.Column("format", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_catalogue_version")),
    )
    op.execute("insert into catalogue_version (id, number, listed, format) values (1, 0, 0, 0)")
    op.create_table(
        "product_sets",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("ids", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", name=op.f("pk_product_sets")),
    )
    with op.batch_alter_table("product_sets", schema=None) as batch_op:
        batch_op.create_index(
            "ix_product_sets_kind_size",
            ["kind", "size", "name"],
            unique=False,
            sqlite_where=sa.text("title is not null"),
            postgresql_where=sa.text("title is not null"),
        )
    if postgresql:
        op.execute("alter table product_sets alter column ids set storage external")  # bitmaps don't compress further

    op.create_table(
        "stock_flips",
        sa.Column("product_id", sa.Integer(), nullable=False),
        sa.Column("in_stock", sa.Boolean(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["product_id"], ["products.id"], name=op.f("fk_stock_flips_product_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("product_id", name=op.f("pk_stock_flips")),
    )
    with op.batch_alter_table("stock_flips", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_stock_flips_number"), ["number"], unique=False)

    op.create_table(
        "search_words",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("word", sa.Text(collation="C" if postgresql else None), nullable=False),
        sa.Column("stem", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_search_words")),
        sa.UniqueConstraint("word", name=op.f("uq_search_words_word")),
    )
    with op.batch_alter_table("search_words", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_search_words_stem"), ["stem"], unique=False)


def downgrade():
    op.drop_table("search_words")
    op.drop_table("stock_flips")
    op.drop_table("product_sets")
    op.drop_table("catalogue_version")
    op.drop_table("product_translations")
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "create virtual table product_search using fts5(title, vendor, type, tags, description,"
            " tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3 4')"
        )
    else:
        op.create_table(
            "product_search",
            sa.Column("rowid", sa.Integer(), sa.ForeignKey("products.id", ondelete="CASCADE"), primary_key=True),
            sa.Column("document", sa.dialects.postgresql.TSVECTOR(), nullable=False),
        )
        op.execute("create index ix_product_search_document on product_search using gin (document)")
