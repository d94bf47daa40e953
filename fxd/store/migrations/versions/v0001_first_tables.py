"""The first tables. Types and names stand here as they were then, whatever `fxd.store.tables` says later."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT = sa.Text()
TIME = sa.DateTime(timezone=True)
MEASURE: sa.Double[float] = sa.Double()
COUNT = sa.BigInteger()


def upgrade() -> None:
    create_runs()
    create_results_and_steps()
    create_examples()
    create_models()
    create_trainings()


def create_runs() -> None:
    op.create_table(
        "environments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("fingerprint", TEXT, nullable=False),
        sa.Column("host", TEXT, nullable=False),
        sa.Column("cpu", TEXT, nullable=False),
        sa.Column("cores", COUNT, nullable=False),
        sa.Column("threads", COUNT, nullable=False),
        sa.Column("python", TEXT, nullable=False),
        sa.Column("fxd", TEXT, nullable=False),
        sa.Column("libraries", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_environments"),
        sa.UniqueConstraint("fingerprint", name="uq_environments_fingerprint"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "runs",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("file", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("sha256", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("finished_at", TIME, nullable=False),
        sa.Column("sample_rate", COUNT, nullable=False),
        sa.Column("channels", COUNT, nullable=False),
        sa.Column("frames", COUNT, nullable=False),
        sa.Column("bytes", COUNT, nullable=False),
        sa.Column("queue_seconds", MEASURE),
        sa.Column("total_seconds", MEASURE),
        sa.Column("environment_id", sa.Integer(), nullable=False),
        sa.CheckConstraint("state IN ('done', 'failed')", name=op.f("ck_runs_state")),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environments.id"], name="fk_runs_environment_id_environments"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
    )
    op.create_index("ix_runs_file", "runs", ["file"])
    op.create_index("ix_runs_name", "runs", ["name"])
    op.create_index("ix_runs_state", "runs", ["state"])
    op.create_index("ix_runs_finished_at_id", "runs", ["finished_at", "id"])


def create_results_and_steps() -> None:
    op.create_table(
        "results",
        sa.Column("run_id", TEXT, nullable=False),
        sa.Column("engine", TEXT, nullable=False),
        sa.Column("version", TEXT, nullable=False),
        sa.Column("engine_seconds", MEASURE),
        sa.Column("cpu_seconds", MEASURE),
        sa.Column("output", TEXT, nullable=False),
        sa.Column("output_name", TEXT, nullable=False),
        sa.Column("output_bytes", COUNT, nullable=False),
        sa.Column("peak_dbfs", MEASURE),
        sa.Column("clipped_frames", COUNT, nullable=False),
        sa.Column("loudness_lufs", MEASURE),
        sa.Column("compared", sa.Boolean(), nullable=False),
        sa.Column("esr", MEASURE),
        sa.Column("esr_db", MEASURE),
        sa.Column("mae", MEASURE),
        sa.Column("si_sdr_db", MEASURE),
        sa.Column("mrstft", MEASURE),
        sa.CheckConstraint("engine IN ('dsp', 'tcn')", name=op.f("ck_results_engine")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_results_run_id_runs"),
        sa.PrimaryKeyConstraint("run_id", "engine", name="pk_results"),
    )
    op.create_index("ix_results_output", "results", ["output"])
    op.create_index("ix_results_output_name", "results", ["output_name"])
    op.create_table(
        "steps",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", TEXT, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("detail", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_steps_run_id_runs"),
        sa.PrimaryKeyConstraint("id", name="pk_steps"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_steps_run_id", "steps", ["run_id"])


def create_examples() -> None:
    op.create_table(
        "examples",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("content_sha256", TEXT, nullable=False),
        sa.Column("settings_hash", TEXT, nullable=False),
        sa.Column("subset", TEXT, nullable=False),
        sa.Column("path", TEXT, nullable=False),
        sa.Column("sample_rate", COUNT, nullable=False),
        sa.Column("channels", COUNT, nullable=False),
        sa.Column("frames", COUNT, nullable=False),
        sa.Column("bytes", COUNT, nullable=False),
        sa.Column("added_at", TIME, nullable=False),
        sa.CheckConstraint("subset IN ('training', 'validation')", name=op.f("ck_examples_subset")),
        sa.CheckConstraint("sample_rate > 0", name=op.f("ck_examples_sample_rate")),
        sa.PrimaryKeyConstraint("id", name="pk_examples"),
        sa.UniqueConstraint(
            "content_sha256", "settings_hash", name="uq_examples_content_sha256_settings_hash"
        ),
        sqlite_autoincrement=True,
    )


def create_models() -> None:
    op.create_table(
        "models",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("preset", TEXT, nullable=False),
        sa.Column("sample_rate", COUNT, nullable=False),
        sa.Column("settings_hash", TEXT, nullable=False),
        sa.Column("parent", TEXT),
        sa.Column("origin", TEXT, nullable=False),
        sa.Column("train_seconds", MEASURE),
        sa.Column("steps", COUNT, nullable=False),
        sa.Column("weights", COUNT, nullable=False),
        sa.Column("esr_db", MEASURE),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("details", TEXT, nullable=False),
        sa.CheckConstraint("origin IN ('factory', 'trained')", name=op.f("ck_models_origin")),
        sa.PrimaryKeyConstraint("id", name="pk_models"),
    )
    op.create_table(
        "promotions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model_id", TEXT, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_promotions_model_id_models"),
        sa.PrimaryKeyConstraint("id", name="pk_promotions"),
        sqlite_autoincrement=True,
    )


def create_trainings() -> None:
    op.create_table(
        "trainings",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("trigger", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("finished_at", TIME),
        sa.Column("model_id", TEXT),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("dataset_seconds", MEASURE),
        sa.CheckConstraint("trigger IN ('schedule', 'command')", name=op.f("ck_trainings_trigger")),
        sa.CheckConstraint(
            "state IN ('running', 'promoted', 'kept', 'failed', 'stopped')", name=op.f("ck_trainings_state")
        ),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name="fk_trainings_model_id_models"),
        sa.PrimaryKeyConstraint("id", name="pk_trainings"),
    )
    op.create_index("ix_trainings_started_at", "trainings", ["started_at"])
