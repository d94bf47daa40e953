"""Retrainings have learning curves."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "curve_points",
        sa.Column("training_id", sa.Text(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Double()),
        sa.Column("loss_db", sa.Double()),
        sa.Column("validation_esr_db", sa.Double()),
        sa.ForeignKeyConstraint(
            ["training_id"], ["trainings.id"], name="fk_curve_points_training_id_trainings"
        ),
        sa.PrimaryKeyConstraint("training_id", "step", name="pk_curve_points"),
    )
