"""The models: who descends from whom, how good each is and what it costs, also of those that ship with fxd."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from fxd.engines.tcn import PRESETS, Architecture
from fxd.factory import FACTORY, factory_folder
from fxd.insight.report.logbook import Logbook
from fxd.store.records import Model, Promotion
from fxd.training.models import ModelError, read_card


@dataclass(frozen=True)
class ModelRow:
    """A model of this home, and how it did here."""

    id: str
    preset: str
    origin: str
    created_at: datetime
    parent: str | None
    weights: int
    multiply_adds: int | None
    """A frame; None where its shape is not known."""
    train_seconds: float
    steps: int
    esr_db: float
    """Its own score, over the recordings that it was judged by; nan where there were none."""
    judged_by: int
    """So many recordings."""
    reason: str
    settings_hash: str
    served: tuple[Promotion, ...]
    """When it began to, and why, which need not be why it was made: somebody may have chosen it. Oldest first."""
    serves: bool
    runs: int
    """In the window."""
    new_files_esr_db: float
    """Median error in the window over the sounds that it was not trained on, each once; nan without any."""
    x_realtime: float
    """Median in the window, on the machine of the newest run; nan where there is none."""


@dataclass(frozen=True)
class CostPoint:
    """How good a model is for what it costs."""

    id: str
    preset: str
    shipped: bool
    """It comes with fxd; else it was trained here."""
    serves: bool
    multiply_adds: int
    esr_db: float
    judged_by: int


def model_row(model: Model, promotions: Sequence[Promotion]) -> ModelRow:
    """The model itself; `in_window` adds how it did here."""
    scores = model.details.get("scores")
    return ModelRow(
        id=model.id,
        preset=model.preset,
        origin=model.origin,
        created_at=model.created_at,
        parent=model.parent,
        weights=model.weights,
        multiply_adds=multiply_adds(model.details.get("architecture")),
        train_seconds=model.train_seconds,
        steps=model.steps,
        esr_db=model.esr_db,
        judged_by=len(scores) if isinstance(scores, list) else 0,
        reason=model.reason,
        settings_hash=model.settings_hash,
        served=tuple(sorted((one for one in promotions if one.model_id == model.id), key=lambda one: one.at)),
        serves=bool(promotions) and promotions[0].model_id == model.id,
        runs=0,
        new_files_esr_db=math.nan,
        x_realtime=math.nan,
    )


def in_window(row: ModelRow, log: Logbook) -> ModelRow:
    """The same with what its runs in the window say."""
    mine = log.by(row.id)
    if not mine.any() or log.machine is None:
        return row
    new = log.once(mine & log.new & np.isfinite(log.esr_db))
    esr, x = log.esr_db[new], log.x_realtime["tcn"][mine & log.on(log.machine)]
    return replace(row, runs=int(mine.sum()), new_files_esr_db=median(esr), x_realtime=median(x))


def median(values: npt.NDArray[np.float64]) -> float:
    """Of those that are no nan; nan where there are none."""
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else math.nan


def cost_points(rows: Sequence[ModelRow]) -> list[CostPoint]:
    """The models of this home and those that ship with fxd, the cheapest first; those without a score not."""
    points = {point.id: point for point in shipped()}
    for row in rows:
        if row.multiply_adds is not None and math.isfinite(row.esr_db):
            point = CostPoint(
                row.id,
                row.preset,
                row.origin == "factory",
                row.serves,
                row.multiply_adds,
                row.esr_db,
                row.judged_by,
            )
            points[row.id] = point
    return sorted(points.values(), key=lambda point: (point.multiply_adds, point.esr_db))


def shipped() -> list[CostPoint]:
    """The models that come with fxd; one that cannot be read is left out."""
    points = []
    for preset in PRESETS:
        try:
            folder = factory_folder(preset)
            if folder != FACTORY / preset:
                continue
            card = read_card(folder)
        except ModelError:
            continue
        cost = multiply_adds(card.architecture)
        if cost is not None and card.esr_db is not None:
            points.append(CostPoint(card.id, card.preset, True, False, cost, card.esr_db, len(card.scores)))
    return points


def multiply_adds(architecture: Any) -> int | None:
    """What one frame costs a network of this shape, as a card describes it; None where that is no shape."""
    try:
        return Architecture.from_json(json.dumps(architecture)).multiply_adds
    except ValueError:
        return None
