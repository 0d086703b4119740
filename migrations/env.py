"""Alembic's entry: migrates the connection that shop.database hands over."""

from alembic import context

from shop.database import metadata


def include(thing, name, kind, reflected, compare_to):
    """False for the full-text index, which each database makes its own way, beside the tables."""
    return not (kind == "table" and name.startswith("product_search"))


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    include_object=include,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
