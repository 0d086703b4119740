"""A second number in the catalogue's version, for changes of the stock that no page shows"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade():
    with op.batch_alter_table("catalogue_version", schema=None) as batch_op:
        batch_op.add_column(sa.Column("stock", sa.BigInteger(), nullable=False, server_default=sa.text("0")))


def downgrade():
    with op.batch_alter_table("catalogue_version", schema=None) as batch_op:
        batch_op.drop_column("stock")
