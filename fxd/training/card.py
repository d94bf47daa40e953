"""The card of a challenger: all that is worth knowing about it later."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from fxd import __version__
from fxd.config import Settings
from fxd.environment import describe_environment
from fxd.training.job import Job
from fxd.training.models import ModelCard, Score
from fxd.training.promotion import Decision, FileScore, esr_db
from fxd.training.trainer import Trained


def card_of(
    settings: Settings,
    job: Job,
    trained: Trained,
    trained_on: Sequence[str],
    scores: Sequence[FileScore],
    decision: Decision,
    threads: int,
) -> ModelCard:
    """The card of the model that `job` came to."""
    network = trained.model
    return ModelCard(
        id=network.id,
        created_at=datetime.now(UTC),
        origin="trained",
        fxd=__version__,
        preset=job.preset,
        architecture=json.loads(network.architecture.to_json()),
        sample_rate=network.sample_rate,
        weights=network.architecture.weight_count,
        saturator=settings.saturator,
        settings_hash=network.settings_hash,
        parent=job.parent,
        recipe={"version": job.recipe}
        | no_nan(asdict(trained.plan))
        | {"max_minutes": job.max_minutes, "device": trained.device, "compiled": trained.compiled}
        | {"best_step": trained.best_step}
        | {"cut_by_clock": trained.cut_by_clock, "cut_short": trained.cut_short},
        train_seconds=round(trained.seconds, 3),
        steps=trained.steps,
        trained_on=tuple(trained_on),
        scores=tuple(
            Score(content_sha256=one.content_sha256, seconds=one.seconds, esr_db=finite(one.esr_db))
            for one in scores
        ),
        esr_db=finite(esr_db(scores)),
        curve=tuple(no_nan(asdict(point)) for point in trained.curve),
        reason=decision.reason,
        decision=no_nan(asdict(decision)),
        environment=asdict(describe_environment(threads)),
    )


def finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def no_nan(fields: dict[str, Any]) -> dict[str, Any]:
    """The same for JSON, which has no nan and no inf, however deep they lie."""
    return {name: storable(value) for name, value in fields.items()}


def storable(value: Any) -> Any:
    if isinstance(value, float):
        return finite(value)
    if isinstance(value, dict):
        return no_nan(value)
    return [storable(one) for one in value] if isinstance(value, list | tuple) else value
