"""What the training set amounts to is kept, so that it need not be added up over a million sounds."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

FILL = """
INSERT INTO dataset_totals (id, seconds, bytes)
SELECT 1, COALESCE(SUM(CAST(frames AS DOUBLE PRECISION) / sample_rate), 0), COALESCE(SUM(bytes), 0) FROM examples
WHERE id IN (SELECT MIN(id) FROM examples GROUP BY content_sha256)
"""


def upgrade() -> None:
    op.create_table(
        "dataset_totals",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_dataset_totals"),
    )
    op.execute(FILL)
