"""Without the indexes of products that nothing asks any more, and that each import and sale had to write"""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade():
    with op.batch_alter_table("products", schema=None) as batch_op:
        batch_op.drop_index("ix_products_visible_price")
        batch_op.drop_index("ix_products_import_id")


def downgrade():
    with op.batch_alter_table("products", schema=None) as batch_op:
        batch_op.create_index("ix_products_import_id", ["import_id"], unique=False)
        batch_op.create_index("ix_products_visible_price", ["visible", "price_min", "id"], unique=False)
