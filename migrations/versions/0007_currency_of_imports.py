"""Which currency an import's prices are in; empty for those that were made before"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade():
    with op.batch_alter_table("imports", schema=None) as batch_op:
        batch_op.add_column(sa.Column("currency", sa.Text(), nullable=False, server_default=sa.text("''")))


def downgrade():
    with op.batch_alter_table("imports", schema=None) as batch_op:
        batch_op.drop_column("currency")
