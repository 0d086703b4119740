"""Alembic's entry: migrates the connection that shop.database hands over."""

from alembic import context

from shop.database import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
