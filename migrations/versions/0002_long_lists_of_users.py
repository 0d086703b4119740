"""Long lists of users"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.create_table(
        "user_lists",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("used_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_lists")),
    )
    with op.batch_alter_table("user_lists", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_user_lists_used_at"), ["used_at"], unique=False)


def downgrade():
    with op.batch_alter_table("user_lists", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_user_lists_used_at"))

    op.drop_table("user_lists")
