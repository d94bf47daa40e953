"""Settings of a home: defaults, overridden by `config.toml`, overridden by `FXD_<SECTION>__<KEY>`."""

import os
import tomllib
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from fxd.cores import usable_cores
from fxd.places import lies_in

CONFIG_NAME = "config.toml"
VARIABLE_PREFIX = "FXD_"
HOME_VARIABLE = "FXD_HOME"

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
MOST_MINUTES = 1_000_000
"""Two years: when a retraining ends must be a date."""
Days = Annotated[float, Field(ge=0)]
Preset = Literal["standard", "lite", "feather", "nano", "compact"]
Subtype = Literal["FLOAT", "DOUBLE", "PCM_16", "PCM_24", "PCM_32"]


class ConfigError(Exception):
    """A setting cannot be used; the message names the key, the value and the remedy."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PathSettings(Section):
    inbox: Path = Field(Path("inbox"), description="dropped files; relative paths are below the home")
    outbox: Path = Field(Path("outbox"), description="what the engines made")
    models: Path = Field(Path("models"), description="trained models, one folder each")
    db: Path = Field(Path("db"), description="the database, the training set and the log")


class InboxSettings(Section):
    settle_seconds: Positive = Field(1.0, description="a file is complete when it was still for this long")
    rescan_seconds: Positive = Field(60.0, description="the whole folder is looked through this often")
    patterns: tuple[str, ...] = Field(("*",), description="names that are taken, as shell patterns")
    recursive: bool = Field(True, description="take files in sub-folders too")
    polling: bool = Field(
        False, description="look at settle_seconds intervals: for network shares and mounts"
    )
    archive: bool = Field(True, description="keep originals in inbox/done; false deletes what is recorded")


class SaturatorSettings(Section):
    drive: Annotated[float, Field(gt=0, le=1000)] = Field(5.0, description="gain into the tube")
    asymmetry: Annotated[float, Field(ge=-5, le=5)] = Field(0.2, description="bias: even harmonics")
    tone_hz: Annotated[float, Field(ge=20, le=40_000)] = Field(
        5000.0, description="Butterworth low-pass, order 4"
    )
    output_gain: Annotated[float, Field(gt=0, le=1000)] = Field(0.8, description="gain out of the tube")
    antialias: Literal["none", "on"] = Field("on", description='"on" oversamples; "none" is the bare formula')


class TcnSettings(Section):
    preset: Preset = Field("compact", description="shape of the next trained network")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where training runs")


class TrainingSettings(Section):
    schedule: str = Field(
        "0 3 * * *", description='when to retrain: minute hour day month weekday; "" is never'
    )
    max_minutes: Annotated[float, Field(gt=0, le=MOST_MINUTES, allow_inf_nan=False)] = Field(
        10.0, description="time budget of one retraining"
    )
    min_new_seconds: Annotated[float, Field(ge=0)] = Field(
        60.0, description="new audio that makes a scheduled retraining worth it"
    )
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(0, description="of initial weights and sampling")
    max_dataset_gb: Positive = Field(
        20.0, description="dry sound kept for training; what there is most of goes first"
    )
    auto_rollback: bool = Field(
        False, description="return to the earlier model where new files show that it was better"
    )

    @field_validator("schedule")
    @classmethod
    def five_fields(cls, value: str) -> str:
        if value and len(value.split()) != 5:
            raise ValueError('wants five fields such as "0 3 * * *", or "" for never')
        return value


class ProcessingSettings(Section):
    workers: Annotated[int, Field(ge=0)] = Field(0, description="files at a time; 0 is one per core")
    timeout_factor: Positive = Field(
        20.0, description="a file may take this many times its length, and a minute"
    )
    memory_limit_mb: Annotated[int, Field(ge=256)] = Field(2000, description="a worker above this is ended")


class OutputSettings(Section):
    subtype: Subtype = Field("FLOAT", description="sample format of the WAV files in outbox")


class RetentionSettings(Section):
    done_days: Days = Field(
        0.0, description="recorded originals in inbox/done older than this are removed; 0 is never"
    )
    failed_days: Days = Field(0.0, description="the same for inbox/failed")
    outbox_days: Days = Field(0.0, description="the same for results in outbox")
    attempts: Annotated[int, Field(ge=0)] = Field(
        0, description="failed attempts of which outbox/.leftovers keeps what they had written"
    )
    log_days: Days = Field(0.0, description="the same for rotated log files")


class DatabaseSettings(Section):
    url: str = Field("", description='"" is SQLite in db; or postgresql+psycopg://user@host/name')


class LoggingSettings(Section):
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="least level written")
    file: str = Field("db/fxd.log", description='rotating log file, relative to the home; "" is none')
    as_json: bool = Field(False, alias="json", description="JSON lines in that file")


class Settings(BaseSettings):
    """All settings of one home; paths are absolute once `load_settings` made them."""

    model_config = SettingsConfigDict(
        env_prefix=VARIABLE_PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
    )

    paths: PathSettings = PathSettings()
    inbox: InboxSettings = InboxSettings()
    saturator: SaturatorSettings = SaturatorSettings()
    tcn: TcnSettings = TcnSettings()
    training: TrainingSettings = TrainingSettings()
    processing: ProcessingSettings = ProcessingSettings()
    output: OutputSettings = OutputSettings()
    retention: RetentionSettings = RetentionSettings()
    database: DatabaseSettings = DatabaseSettings()
    logging: LoggingSettings = LoggingSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def database_url(self) -> str:
        """The configured database, or SQLite in `db/fxd.sqlite3`."""
        path = str(self.paths.db / "fxd.sqlite3").replace("%", "%25").replace("?", "%3F")
        return self.database.url or f"sqlite+pysqlite:///{path}"

    @property
    def dataset(self) -> Path:
        """The folder that keeps the dry sound of every training example."""
        return self.paths.db / "dataset"

    @property
    def worker_count(self) -> int:
        return self.processing.workers or len(usable_cores())


def load_settings(home: Path) -> Settings:
    """The settings of `home`, with absolute paths.

    Raises ConfigError for an unknown key, a bad value, or a file that is not TOML.
    """
    home = home.absolute()
    path = home / CONFIG_NAME
    reject_unknown_variables()

    class HomeSettings(Settings):
        model_config = SettingsConfigDict(toml_file=path)

    try:
        settings = HomeSettings()
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: this is not valid TOML: {error}; compare it with `fxd init`'s") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: this is not UTF-8 text: {error}; save it as UTF-8") from error
    except SettingsError as error:
        raise ConfigError(f'{error}: {error.__cause__}; lists are JSON: ["*.wav"]') from error
    except ValidationError as error:
        raise ConfigError("\n".join(explain(detail, path) for detail in error.errors())) from error
    for name in ("outbox", "models", "db"):
        folder = home / getattr(settings.paths, name)
        if lies_in(folder, home / settings.paths.inbox):
            raise ConfigError(
                f"{path}: [paths] {name} = {str(folder)!r} lies in the inbox, so fxd would process what it made "
                "itself; choose another folder"
            )
    log_file = settings.logging.file and str(home / settings.logging.file)
    return settings.model_copy(
        update={
            "paths": PathSettings(**{name: home / value for name, value in settings.paths}),
            "logging": settings.logging.model_copy(update={"file": log_file}),
        }
    )


def settings_mark(settings: Settings) -> str:
    """A short text that differs where any setting does; it gives none of them away."""
    return sha256(settings.model_dump_json().encode()).hexdigest()[:12]


def reject_unknown_variables() -> None:
    """Raise ConfigError for an `FXD_` variable that names no section; a typing error must not go unseen."""
    for name in sorted(os.environ):
        section = name.removeprefix(VARIABLE_PREFIX).split("__")[0].lower()
        if (
            name.startswith(VARIABLE_PREFIX)
            and name != HOME_VARIABLE
            and section not in Settings.model_fields
        ):
            raise ConfigError(
                f"{name}: no such setting; the form is {VARIABLE_PREFIX}<SECTION>__<KEY>, "
                f"the sections are {', '.join(Settings.model_fields)}"
            )


def explain(detail: Any, path: Path) -> str:
    """One line for one pydantic error: where it was set, key, value, remedy."""
    keys = [str(part) for part in detail["loc"]]
    section, key = keys[0], ".".join(keys[1:])
    variable = "__".join([VARIABLE_PREFIX + section.upper(), *(part.upper() for part in keys[1:2])])
    source = variable if variable in os.environ else str(path)
    name = f"[{section}] {key}" if key else f"[{section}]"
    if detail["type"] == "extra_forbidden":
        known = Settings.model_fields
        if key and section in known:
            known = section_type(section).model_fields
        names = ", ".join(field.alias or name for name, field in known.items())
        return f"{source}: {name} is not a known key; remove it, or use one of: {names}"
    reason = detail["msg"].removeprefix("Value error, ")
    # The address of a database may hold a password, and an error may end in a log.
    value = "" if section == "database" else f" = {detail['input']!r}"
    return f"{source}: {name}{value}: {reason}; correct it or remove it for the default"


def section_type(name: str) -> type[Section]:
    annotation = Settings.model_fields[name].annotation
    assert isinstance(annotation, type)
    assert issubclass(annotation, Section)
    return annotation


def default_config() -> str:
    """The text of a `config.toml` in which every key stands at its default, with what it means."""
    lines = ["# Settings of this fxd home. Every key is optional; these are the defaults.", ""]
    for section in Settings.model_fields:
        lines.append(f"[{section}]")
        fields = section_type(section).model_fields
        entries = [
            (f"{field.alias or name} = {toml_value(field.default)}", field) for name, field in fields.items()
        ]
        width = max(len(entry) for entry, _ in entries)
        lines += [
            f"{entry:<{width}}  # {field.description}{choices(field.annotation)}" for entry, field in entries
        ]
        lines.append("")
    return "\n".join(lines)


def choices(annotation: Any) -> str:
    options = [option for option in get_args(annotation) if isinstance(option, str)]
    return f" ({', '.join(options)})" if options else ""


def toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    if isinstance(value, Path | str):
        return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)
