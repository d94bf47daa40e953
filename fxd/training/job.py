"""What a retraining set out to do, kept beside its checkpoint: by it a later one sees whether it may go on.

db/training/job.json                 this
db/training/checkpoint.safetensors   the trainer's own
db/training-steps/...                the same of one by a number of steps: neither ends the other
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from loguru import logger

from fxd.pipeline.files import write_text

JOB_NAME = "job.json"
CHECKPOINT_NAME = "checkpoint.safetensors"
MOST_NEW = 0.1
"""Share of new sound in the set up to which a training that was interrupted goes on. With more of it, the new
sound would be worse off with the rest of that training than with one of its own."""


@dataclass(frozen=True)
class Job:
    """A training from its beginning to its decision, over as many processes as it takes."""

    training_id: str
    """Of the store's record of the process that works on it, or did last."""
    model_id: str
    """Of the model to be: made twice, it is still one."""
    preset: str
    settings_hash: str
    seed: int
    """Of the settings and the parent; what is drawn depends on the night too."""
    max_minutes: float
    parent: str | None
    """The model whose weights it began with."""
    contents: tuple[str, ...]
    """Content hashes of all that it can have heard."""
    steps: int | None = None
    """Where somebody asked for so many, whatever time they take."""
    night: int = 1
    """In which it began: it is gone on with in any, and hears what it would have heard."""
    recipe: int = 0
    """`fxd.training.plan.RECIPE` when it began."""

    @property
    def drawn_seed(self) -> int:
        """Of all that is drawn: in each night other probes and other stretches are heard."""
        return self.seed + self.night - 1


def night_of(folder: Path, wanted: Job) -> int:
    """The night of the job in `folder`, where it may be the one to go on with; else that of `wanted`."""
    earlier = read_job(folder)
    if earlier is None:
        return wanted.night
    same = replace(wanted, night=earlier.night, **kept_of(earlier))
    return earlier.night if earlier == same else wanted.night


def kept_of(job: Job) -> dict[str, Any]:
    """What a job keeps when it is gone on with, whatever the new one says."""
    return {name: getattr(job, name) for name in ("training_id", "model_id", "contents")}


def job_folder(db: Path, by_steps: bool = False) -> Path:
    return db / ("training-steps" if by_steps else "training")


def take_up(folder: Path, wanted: Job, seconds: Mapping[str, float]) -> Job:
    """The job to work on: the one in `folder`, if it would come to the same as `wanted`, else `wanted`.

    `seconds` is the length of every sound that the set holds today.
    """
    earlier = read_job(folder)
    if earlier is not None and is_continued(earlier, wanted, seconds):
        heard = tuple(sorted({*earlier.contents, *wanted.contents}))
        job = replace(earlier, training_id=wanted.training_id, contents=heard)
    else:
        if earlier is not None:
            logger.warning("{} is not gone on with: {}", earlier.model_id, why_not(earlier, wanted))
        drop_job(folder)
        job = wanted
    write_text(folder / JOB_NAME, json.dumps(asdict(job), indent=1) + "\n")
    return job


def why_not(earlier: Job, wanted: Job) -> str:
    """In what the new job differs, for people."""
    names = {
        "preset": "[tcn] preset",
        "settings_hash": "[saturator]",
        "seed": "[training] seed, or the model to begin with",
        "max_minutes": "[training] max_minutes",
        "steps": "--steps",
        "recipe": "the recipe, with this version of fxd",
    }
    changed = [told for name, told in names.items() if getattr(earlier, name) != getattr(wanted, name)]
    return f"{changed[0]} is another now" if changed else "much of the sound is new, or nights went by"


def is_continued(earlier: Job, wanted: Job, seconds: Mapping[str, float]) -> bool:
    """Whether all that decides over a training is the same, and most of the sound."""
    new = sum(seconds[content] for content in set(wanted.contents) - set(earlier.contents))
    return earlier == replace(wanted, **kept_of(earlier)) and new <= MOST_NEW * sum(
        map(seconds.__getitem__, wanted.contents)
    )


def read_job(folder: Path) -> Job | None:
    """The job in `folder`; None where there is none, or one that another version of fxd wrote."""
    try:
        fields = json.loads((folder / JOB_NAME).read_text(encoding="utf-8"))
        return Job(**fields | {"contents": tuple(fields["contents"])})
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None


def drop_job(folder: Path) -> None:
    """Forget what `folder` holds: it is finished, or not to be gone on with."""
    shutil.rmtree(folder, ignore_errors=True)
