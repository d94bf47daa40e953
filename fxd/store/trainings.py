"""The log of retrainings, from their start to their decision, and their learning curves."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, insert, select, update

from fxd.store.database import Database
from fxd.store.errors import StoreError
from fxd.store.records import CurvePoint, Training, TrainingState
from fxd.store.rows import columns_of, insert_new, values_of
from fxd.store.tables import curve_points, trainings


class Trainings(Database):
    """The part of the store that logs retrainings."""

    def begin_training(self, training: Training) -> None:
        """Record a training that starts now."""
        with self.write() as connection:
            connection.execute(insert(trainings), values_of(training))

    def finish_training(
        self, training_id: str, state: TrainingState, model_id: str | None, reason: str, finished_at: datetime
    ) -> None:
        """Record how a training ended. Its model, where there is one, must have been added before.

        Raises StoreError where the training is not known.
        """
        query = (
            update(trainings)
            .where(trainings.c.id == training_id)
            .values(state=state, model_id=model_id, reason=reason, finished_at=finished_at)
        )
        with self.write() as connection:
            if connection.execute(query).rowcount == 0:
                raise StoreError(f"{training_id}: no training of this id was begun")

    def trainings(self, last: int) -> list[Training]:
        """The `last` trainings that were begun, newest first."""
        with self.read() as connection:
            return [Training(*row) for row in connection.execute(newest_first().limit(last))]

    def count_kept(self, since: datetime) -> int:
        """How many trainings that began since then made a model that was not promoted."""
        kept = trainings.c.state == "kept", trainings.c.model_id.is_not(None)
        return self.count_where(trainings.c.started_at >= since, *kept)

    def count_failed(self, since: datetime) -> int:
        """How many trainings that began since then failed."""
        return self.count_where(trainings.c.started_at >= since, trainings.c.state == "failed")

    def count_decided(self, since: datetime, besides: str) -> int:
        """How many models were decided about since then, promoted or not, without the model `besides`."""
        decided = trainings.c.state.in_(("kept", "promoted")), trainings.c.model_id != besides
        return self.count_where(trainings.c.finished_at >= since, *decided)

    def count_where(self, *conditions: ColumnElement[bool]) -> int:
        query = select(func.count()).select_from(trainings).where(*conditions)
        with self.read() as connection:
            return connection.execute(query).scalar_one()

    def count_trainings(self) -> dict[TrainingState, int]:
        """How many trainings are in each state."""
        query = select(trainings.c.state, func.count()).group_by(trainings.c.state)
        with self.read() as connection:
            return dict(connection.execute(query).all())

    def last_training(self, state: TrainingState | None = None) -> Training | None:
        """The training that was begun last, of all or of those in this state; None where there is none."""
        query = newest_first().limit(1)
        if state is not None:
            query = query.where(trainings.c.state == state)
        with self.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else Training(*row)

    def add_points(self, training_id: str, points: Sequence[CurvePoint]) -> None:
        """Add to the learning curve of a training that was begun; points that are there already stay."""
        with self.write() as connection:
            for point in points:
                insert_new(connection, curve_points, {**values_of(point), "training_id": training_id})

    def curve(self, training_id: str) -> list[CurvePoint]:
        """The learning curve of a training, as far as it has come, by steps."""
        query = (
            select(*columns_of(curve_points, CurvePoint))
            .where(curve_points.c.training_id == training_id)
            .order_by(curve_points.c.step)
        )
        with self.read() as connection:
            return [CurvePoint(*row) for row in connection.execute(query)]


def newest_first() -> Select[Any]:
    return select(*columns_of(trainings, Training)).order_by(
        trainings.c.started_at.desc(), trainings.c.id.desc()
    )
