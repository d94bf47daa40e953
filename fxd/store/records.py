"""What the store keeps, as plain dataclasses: times are aware UTC datetimes, paths are display text.

A path is kept as text made by `fxd.pipeline.files.display`: bytes that are no UTF-8 stand there as \\xNN.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

EngineName = Literal["dsp", "tcn"]
RunState = Literal["done", "failed"]
Subset = Literal["training", "validation"]
TrainingState = Literal["running", "promoted", "kept", "failed", "stopped"]
LiveEngines = Literal["dsp", "tcn", "both"]


@dataclass(frozen=True)
class Environment:
    """Where a run happened: timings are comparable only within one."""

    host: str
    cpu: str
    cores: int
    threads: int
    """Threads an engine may use."""
    python: str
    fxd: str
    libraries: dict[str, str]
    """Name to version: numpy, scipy, numba, soundfile, libsndfile, torch."""


@dataclass(frozen=True)
class Step:
    """One thing that happened to a file, for `fxd why`."""

    at: datetime
    name: str
    """seen, claimed, started, processed, published, recorded, archived, retried, failed, recovered, ..."""
    detail: str = ""


@dataclass(frozen=True)
class Quality:
    """How far an estimate is from its target; a measure that does not exist for a signal is nan."""

    esr: float
    esr_db: float
    mae: float
    si_sdr_db: float
    mrstft: float


@dataclass(frozen=True)
class Result:
    """What one engine did in a run."""

    engine: EngineName
    version: str
    """Settings hash for dsp, model id for tcn."""
    engine_seconds: float
    """Wall time inside the engine."""
    cpu_seconds: float
    output: str
    """Path below the outbox."""
    output_bytes: int
    peak_dbfs: float
    clipped_frames: int
    loudness_lufs: float
    """Integrated, BS.1770; nan where too short or silent."""
    quality: Quality | None = None
    """Against the dsp output; only for tcn."""


@dataclass(frozen=True)
class Example:
    """A training pair: the dry sound is kept, the wet is rendered from it."""

    content_sha256: str
    """Of the decoded sound (`fxd.audio`), so the same sound in another container is the same example."""
    settings_hash: str
    subset: Subset
    path: str
    """Of the dry sound, below db/dataset."""
    sample_rate: int
    channels: int
    frames: int
    bytes: int
    added_at: datetime
    profile: str = ""
    """What it sounds like (`fxd.sound_profile`); empty where nobody has listened."""


@dataclass(frozen=True)
class Run:
    """One dropped file, processed."""

    id: str
    file: str
    """Path below the inbox."""
    sha256: str
    """Of the file's bytes; empty where it could not be read."""
    state: RunState
    reason: str
    """Why it failed; empty where it did not."""
    received_at: datetime
    finished_at: datetime
    sample_rate: int
    channels: int
    frames: int
    bytes: int
    queue_seconds: float
    """From seen to started."""
    total_seconds: float
    """From seen to recorded."""
    environment: Environment
    results: tuple[Result, ...] = ()
    steps: tuple[Step, ...] = ()
    content_sha256: str | None = None
    """Of the decoded sound, as in `Example`; None where it failed, or where an older fxd recorded it."""
    warm_up: bool = False
    """Whether its worker's caches were cold: the first file of a worker, or with another model or saturator.
    What it took says little of the others."""

    @property
    def seconds(self) -> float:
        """Audio length."""
        return self.frames / self.sample_rate if self.sample_rate else 0.0


@dataclass(frozen=True)
class Model:
    """One trained TCN; `models/<id>/model.json` says the same and more."""

    id: str
    created_at: datetime
    preset: str
    sample_rate: int
    settings_hash: str
    """Of the saturator it learned."""
    parent: str | None
    """The model its training started from."""
    origin: Literal["factory", "trained"]
    train_seconds: float
    steps: int
    weights: int
    """How many numbers."""
    esr_db: float
    """Over its validation set, total error energy over total target energy; nan where there was none."""
    reason: str
    """Why it was promoted, or why not: one plain sentence."""
    details: dict[str, Any] = field(default_factory=dict)
    """Recipe, scores per file, decision, environment: what model.json holds."""


@dataclass(frozen=True)
class Promotion:
    """From `at` on, this model serves."""

    model_id: str
    at: datetime
    reason: str


@dataclass(frozen=True)
class Review:
    """What new files said of a promotion: whether the model is worse than the one that it replaced."""

    model_id: str
    previous_id: str
    at: datetime
    worse: bool
    reason: str
    """One plain sentence."""
    details: dict[str, Any]
    """The figures behind it."""


@dataclass(frozen=True)
class Training:
    """One retraining, from its start to its decision."""

    id: str
    started_at: datetime
    trigger: Literal["schedule", "command"]
    state: TrainingState
    finished_at: datetime | None = None
    model_id: str | None = None
    """The challenger, where there is one."""
    reason: str = ""
    dataset_seconds: float = 0.0
    """Length of the training set when it started: what is new since then makes the next one due."""


@dataclass(frozen=True)
class CurvePoint:
    """How far a training had come when it was validated."""

    step: int
    seconds: float
    """Spent in training so far."""
    loss_db: float
    """Error energy over target energy of all batches since the point before; nan where there was none."""
    validation_esr_db: float
    """nan where there is nothing to validate with."""


@dataclass(frozen=True)
class Event:
    """Something that changed from one run to the next."""

    kind: str
    """`model`, `rollback`, `saturator`, a field of `Environment`, the name of a library, or `sounds`."""
    before: str
    after: str
    at: datetime
    """When the first run with it finished."""


@dataclass(frozen=True)
class Change:
    """A moment from which on a measure was another."""

    series: str
    """Engine, measure and where: `tcn esr_db on known sounds`, `dsp x_realtime on studio`."""
    run_id: str
    """The first run of the new level."""
    at: datetime
    """When that run finished."""
    earliest: datetime
    latest: datetime
    """Between these, with 95 % confidence."""
    before: float
    after: float
    """The medians on either side, up to the changes next to it."""
    low: float
    high: float
    """95 % interval of `after` - `before`."""
    chance: float
    """p-value: how likely a series without any change would look like this."""
    found_at: datetime
    events: tuple[Event, ...] = ()
    """What else changed between `earliest` and `latest`."""
    id: int = 0
    """What `fxd stats --accept` takes; given by the store."""
    accepted_at: datetime | None = None
    """When somebody said that it was to be expected."""
    note: str = ""
    """What they said."""


@dataclass(frozen=True)
class Bench:
    """One benchmark: what was measured, and where."""

    id: str
    started_at: datetime
    environment: Environment
    settings_hash: str
    """Of the saturator that was measured."""
    fxd: str
    """Version."""
    document: dict[str, Any]
    """What `fxd bench --json` printed."""


@dataclass(frozen=True)
class LiveSession:
    """Somebody played through the engines, in real time."""

    id: str
    started_at: datetime
    seconds: float
    """How long, so far."""
    ending: str
    """Why it ended; empty where it still plays, or where it was killed."""
    environment: Environment
    engines: LiveEngines
    """Which could be heard, beside the dry sound."""
    model_id: str | None
    """The model that was heard last; None where there was none."""
    settings_hash: str
    """Of the saturator, as the knobs left it."""
    device: str
    sample_rate: int
    block: int
    """Frames."""
    channels: int
    engine_frames: int
    """Latency of the engines, all delayed to the longest."""
    device_seconds: float
    """Latency of the device, in and out, as far as it says; nan where it does not."""
    calls: int
    """Callbacks; the load is what they took over what their blocks play."""
    load_median: float
    load_p99: float
    load_worst: float
    late: int
    """Callbacks that took longer than their blocks play."""
    xruns: int
    """Blocks that the device called late or incomplete, whoever was to blame."""
    bad_samples: int
    """From the device: no numbers, or absurd ones."""
    clipped_samples: int
    """To the device, beyond full scale."""
    switches: int
    recorded: str
    """The file of the recorded dry sound; empty where nothing was recorded."""
