"""Training sounds have a profile, by which their like is found."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("examples", sa.Column("profile", sa.Text(), nullable=False, server_default=""))
