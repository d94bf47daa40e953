"""The history of models: who learned what, and who served from when on."""

from datetime import datetime

from sqlalchemy import func, insert, select, update

from fxd.store.database import Database
from fxd.store.errors import StoreError
from fxd.store.records import Model, Promotion, Review
from fxd.store.rows import columns_of, insert_new, values_of
from fxd.store.tables import models, promotions, reviews


class Models(Database):
    """The part of the store that knows the models."""

    def add_model(self, model: Model) -> bool:
        """Record a model; false, and nothing is written, where its id is known already."""
        with self.write() as connection:
            return insert_new(connection, models, values_of(model))

    def model(self, model_id: str) -> Model | None:
        """The model of this id, or None."""
        query = select(*columns_of(models, Model)).where(models.c.id == model_id)
        with self.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else Model(*row)

    def find_model(self, text: str) -> Model:
        """The model whose id is `text`, or the only one whose id begins or ends with it.

        Raises StoreError where there is none, or more than one.
        """
        if not text:
            raise StoreError('"" names no model; fxd models lists them')
        found = self.models_called(text)
        if len(found) == 1:
            return found[0]
        if not found:
            raise StoreError(
                f"{text}: no model has this id, nor one that begins or ends with it; fxd models lists them"
            )
        ids = ", ".join(model.id for model in found)
        raise StoreError(f"{text}: {len(found)} models begin or end with this: {ids}; write more of the id")

    def models_called(self, text: str) -> list[Model]:
        """The model whose id is `text`, or all those whose ids begin or end with it."""
        if (exact := self.model(text)) is not None:
            return [exact]
        known = func.lower(models.c.id)
        query = select(*columns_of(models, Model)).where(
            known.startswith(text.lower(), autoescape=True) | known.endswith(text.lower(), autoescape=True)
        )
        with self.read() as connection:
            return [Model(*row) for row in connection.execute(query.order_by(models.c.id))] if text else []

    def models(self) -> list[Model]:
        """All models, newest first, without their details: these hold megabytes where a set has grown large."""
        columns = [column for column in columns_of(models, Model) if column is not models.c.details]
        query = select(*columns).order_by(models.c.created_at.desc(), models.c.id)
        with self.read() as connection:
            return [Model(*row) for row in connection.execute(query)]

    def trained_on(self, model_id: str) -> frozenset[str] | None:
        """Content hashes of all that a model could hear in its training; None where nobody knows."""
        query = select(models.c.details).where(models.c.id == model_id)
        with self.read() as connection:
            details = connection.execute(query).scalar()
        heard = (details or {}).get("trained_on")
        return None if heard is None else frozenset(heard)

    def replace_model(self, model: Model) -> None:
        """Record a model that was made anew under its old id. Raises StoreError where that is not known."""
        query = update(models).where(models.c.id == model.id).values(values_of(model))
        with self.write() as connection:
            if connection.execute(query).rowcount == 0:
                raise unknown(model.id)

    def promote(self, model_id: str, reason: str, at: datetime) -> None:
        """Make this model the champion. Raises StoreError where it is not known."""
        with self.write() as connection:
            if connection.execute(select(models.c.id).where(models.c.id == model_id)).first() is None:
                raise unknown(model_id)
            connection.execute(insert(promotions), {"model_id": model_id, "reason": reason, "at": at})

    def champion(self) -> Model | None:
        """The model that was promoted last, or None where none ever was."""
        query = (
            select(*columns_of(models, Model))
            .join(promotions, promotions.c.model_id == models.c.id)
            .where(promotions.c.id == select(func.max(promotions.c.id)).scalar_subquery())
        )
        with self.read() as connection:
            row = connection.execute(query).first()
        return None if row is None else Model(*row)

    def promotions(self) -> list[Promotion]:
        """All promotions, newest first; the first names the champion."""
        query = select(*columns_of(promotions, Promotion)).order_by(promotions.c.id.desc())
        with self.read() as connection:
            return [Promotion(*row) for row in connection.execute(query)]

    def add_review(self, review: Review) -> None:
        """Record what new files said of a model. Both models must be known."""
        with self.write() as connection:
            connection.execute(insert(reviews), values_of(review))

    def reviews(self, model_id: str) -> list[Review]:
        """All that new files said of this model, newest first."""
        query = select(*columns_of(reviews, Review)).where(reviews.c.model_id == model_id)
        with self.read() as connection:
            return [Review(*row) for row in connection.execute(query.order_by(reviews.c.id.desc()))]


def unknown(model_id: str) -> StoreError:
    return StoreError(f"{model_id}: no model has this id; fxd models lists them")
