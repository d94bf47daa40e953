"""The tables. A change here needs a new migration (`fxd/store/migrations`); a test compares the two.

environments 1 --- n runs 1 --- n results          one result an engine
                          1 --- n steps            what happened to the file, in order
examples                                           the training set: (content, settings) is unique
dataset_totals                                     its length and size, each sound counted once
models 1 --- n promotions                          the newest promotion names the champion
       1 --- n reviews                             what new files said of a promotion
       1 --- n trainings                           a training may end without a model
trainings 1 --- n curve_points                     a point for each validation of a training
environments 1 --- n benches                       a benchmark is one document
environments 1 --- n live_sessions
runs 1 --- n changes                               the run with which a measure became another
"""

from typing import Any, get_args

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    UniqueConstraint,
    false,
)

from fxd.store.columns import AnyText, Count, Document, Measure, UtcTime
from fxd.store.records import EngineName, LiveEngines, RunState, Subset, TrainingState

# Named from the first migration on: Alembic rebuilds a SQLite table to change it, and drops what has no name.
NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

metadata = MetaData(naming_convention=NAMES)


def one_of(column: str, values: Any) -> CheckConstraint:
    """The column holds one of the texts of a Literal."""
    texts = ", ".join(f"'{value}'" for value in get_args(values))
    return CheckConstraint(f"{column} IN ({texts})", name=column)


environments = Table(
    "environments",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("fingerprint", AnyText, nullable=False, unique=True),  # SHA-256 of all the others
    Column("host", AnyText, nullable=False),
    Column("cpu", AnyText, nullable=False),
    Column("cores", Count, nullable=False),
    Column("threads", Count, nullable=False),
    Column("python", AnyText, nullable=False),
    Column("fxd", AnyText, nullable=False),
    Column("libraries", Document, nullable=False),
    sqlite_autoincrement=True,
)

runs = Table(
    "runs",
    metadata,
    Column("id", AnyText, primary_key=True),
    Column("file", AnyText, nullable=False, index=True),
    Column("name", AnyText, nullable=False, index=True),  # the last part of `file`
    Column("sha256", AnyText, nullable=False),
    Column("state", AnyText, nullable=False, index=True),
    Column("reason", AnyText, nullable=False),
    Column("received_at", UtcTime, nullable=False),
    Column("finished_at", UtcTime, nullable=False),
    Column("sample_rate", Count, nullable=False),
    Column("channels", Count, nullable=False),
    Column("frames", Count, nullable=False),
    Column("bytes", Count, nullable=False),
    Column("queue_seconds", Measure),
    Column("total_seconds", Measure),
    Column("environment_id", ForeignKey("environments.id"), nullable=False),
    Column("content_sha256", AnyText),
    Column("warm_up", Boolean, nullable=False, server_default=false()),
    one_of("state", RunState),
    Index(None, "finished_at", "id"),  # newest first
)

results = Table(
    "results",
    metadata,
    Column("run_id", ForeignKey("runs.id"), primary_key=True),
    Column("engine", AnyText, primary_key=True),
    Column("version", AnyText, nullable=False),
    Column("engine_seconds", Measure),
    Column("cpu_seconds", Measure),
    Column("output", AnyText, nullable=False, index=True),
    Column("output_name", AnyText, nullable=False, index=True),  # the last part of `output`
    Column("output_bytes", Count, nullable=False),
    Column("peak_dbfs", Measure),
    Column("clipped_frames", Count, nullable=False),
    Column("loudness_lufs", Measure),
    Column("compared", Boolean, nullable=False),  # has a quality; each number of it may still be missing
    Column("esr", Measure),
    Column("esr_db", Measure),
    Column("mae", Measure),
    Column("si_sdr_db", Measure),
    Column("mrstft", Measure),
    one_of("engine", EngineName),
)

steps = Table(
    "steps",
    metadata,
    Column("id", Integer, primary_key=True),  # order of arrival: clocks may jump
    Column("run_id", ForeignKey("runs.id"), nullable=False, index=True),
    Column("at", UtcTime, nullable=False),
    Column("name", AnyText, nullable=False),
    Column("detail", AnyText, nullable=False),
    sqlite_autoincrement=True,
)

examples = Table(
    "examples",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("content_sha256", AnyText, nullable=False),
    Column("settings_hash", AnyText, nullable=False),
    Column("subset", AnyText, nullable=False),
    Column("path", AnyText, nullable=False),
    Column("sample_rate", Count, nullable=False),
    Column("channels", Count, nullable=False),
    Column("frames", Count, nullable=False),
    Column("bytes", Count, nullable=False),
    Column("added_at", UtcTime, nullable=False),
    Column("profile", AnyText, nullable=False, server_default=""),
    UniqueConstraint("content_sha256", "settings_hash"),
    one_of("subset", Subset),
    CheckConstraint("sample_rate > 0", name="sample_rate"),
    sqlite_autoincrement=True,
)

dataset_totals = Table(
    "dataset_totals",
    metadata,
    Column("id", Count, primary_key=True, autoincrement=False),  # there is one row
    Column("seconds", Measure, nullable=False),
    Column("bytes", Count, nullable=False),
)

models = Table(
    "models",
    metadata,
    Column("id", AnyText, primary_key=True),
    Column("created_at", UtcTime, nullable=False),
    Column("preset", AnyText, nullable=False),
    Column("sample_rate", Count, nullable=False),
    Column("settings_hash", AnyText, nullable=False),
    Column("parent", AnyText),  # no foreign key: a factory model's parent was never in this home
    Column("origin", AnyText, nullable=False),
    Column("train_seconds", Measure),
    Column("steps", Count, nullable=False),
    Column("weights", Count, nullable=False),
    Column("esr_db", Measure),
    Column("reason", AnyText, nullable=False),
    Column("details", Document, nullable=False),
    CheckConstraint("origin IN ('factory', 'trained')", name="origin"),
)

promotions = Table(
    "promotions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("model_id", ForeignKey("models.id"), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("reason", AnyText, nullable=False),
    sqlite_autoincrement=True,
)

reviews = Table(
    "reviews",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("model_id", ForeignKey("models.id"), nullable=False),
    Column("previous_id", ForeignKey("models.id"), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("worse", Boolean, nullable=False),
    Column("reason", AnyText, nullable=False),
    Column("details", Document, nullable=False),
    sqlite_autoincrement=True,
)

trainings = Table(
    "trainings",
    metadata,
    Column("id", AnyText, primary_key=True),
    Column("started_at", UtcTime, nullable=False, index=True),
    Column("trigger", AnyText, nullable=False),
    Column("state", AnyText, nullable=False),
    Column("finished_at", UtcTime),
    Column("model_id", ForeignKey("models.id")),
    Column("reason", AnyText, nullable=False),
    Column("dataset_seconds", Measure),
    CheckConstraint("trigger IN ('schedule', 'command')", name="trigger"),
    one_of("state", TrainingState),
)

curve_points = Table(
    "curve_points",
    metadata,
    Column("training_id", ForeignKey("trainings.id"), primary_key=True),
    Column("step", Count, primary_key=True, autoincrement=False),
    Column("seconds", Measure),
    Column("loss_db", Measure),
    Column("validation_esr_db", Measure),
)

benches = Table(
    "benches",
    metadata,
    Column("id", AnyText, primary_key=True),
    Column("started_at", UtcTime, nullable=False, index=True),
    Column("environment_id", ForeignKey("environments.id"), nullable=False),
    Column("settings_hash", AnyText, nullable=False),
    Column("fxd", AnyText, nullable=False),
    Column("document", Document, nullable=False),
)

changes = Table(
    "changes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("series", AnyText, nullable=False),
    Column("run_id", ForeignKey("runs.id"), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("earliest", UtcTime, nullable=False),
    Column("latest", UtcTime, nullable=False),
    Column("before", Measure),
    Column("after", Measure),
    Column("low", Measure),
    Column("high", Measure),
    Column("chance", Measure),
    Column("found_at", UtcTime, nullable=False),
    Column("events", Document, nullable=False),
    Column("accepted_at", UtcTime),
    Column("note", AnyText, nullable=False),
    sqlite_autoincrement=True,
)

live_sessions = Table(
    "live_sessions",
    metadata,
    Column("id", AnyText, primary_key=True),
    Column("started_at", UtcTime, nullable=False, index=True),
    Column("seconds", Measure),
    Column("ending", AnyText, nullable=False),
    Column("environment_id", ForeignKey("environments.id"), nullable=False),
    Column("engines", AnyText, nullable=False),
    Column("model_id", ForeignKey("models.id")),
    Column("settings_hash", AnyText, nullable=False),
    Column("device", AnyText, nullable=False),
    Column("sample_rate", Count, nullable=False),
    Column("block", Count, nullable=False),
    Column("channels", Count, nullable=False),
    Column("engine_frames", Count, nullable=False),
    Column("device_seconds", Measure),
    Column("calls", Count, nullable=False),
    Column("load_median", Measure),
    Column("load_p99", Measure),
    Column("load_worst", Measure),
    Column("late", Count, nullable=False),
    Column("xruns", Count, nullable=False),
    Column("bad_samples", Count, nullable=False),
    Column("clipped_samples", Count, nullable=False),
    Column("switches", Count, nullable=False),
    Column("recorded", AnyText, nullable=False),
    one_of("engines", LiveEngines),
)
