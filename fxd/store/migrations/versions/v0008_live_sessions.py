"""Sessions of playing in real time are kept."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "live_sessions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seconds", sa.Double()),
        sa.Column("ending", sa.Text(), nullable=False),
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.Column("engines", sa.Text(), nullable=False),
        sa.Column("model_id", sa.Text()),
        sa.Column("settings_hash", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("sample_rate", sa.BigInteger(), nullable=False),
        sa.Column("block", sa.BigInteger(), nullable=False),
        sa.Column("channels", sa.BigInteger(), nullable=False),
        sa.Column("engine_frames", sa.BigInteger(), nullable=False),
        sa.Column("device_seconds", sa.Double()),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("load_median", sa.Double()),
        sa.Column("load_p99", sa.Double()),
        sa.Column("load_worst", sa.Double()),
        sa.Column("late", sa.BigInteger(), nullable=False),
        sa.Column("xruns", sa.BigInteger(), nullable=False),
        sa.Column("bad_samples", sa.BigInteger(), nullable=False),
        sa.Column("clipped_samples", sa.BigInteger(), nullable=False),
        sa.Column("switches", sa.BigInteger(), nullable=False),
        sa.Column("recorded", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_live_sessions"),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name="fk_live_sessions_environment_id_environments"
        ),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_live_sessions_model_id_models"),
        sa.CheckConstraint("engines IN ('dsp', 'tcn', 'both')", name="ck_live_sessions_engines"),
    )
    op.create_index("ix_live_sessions_started_at", "live_sessions", ["started_at"])
