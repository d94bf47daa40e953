"""Which two things `fxd stats --compare A B` names: models, versions of fxd, hosts or weeks."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

from fxd.insight.plain import plain, short_id, stored
from fxd.local_time import midnight
from fxd.store.errors import StoreError
from fxd.store.records import Environment, Model
from fxd.store.store import Store

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fxd.store.measurements import Measurements

Kind = Literal["model", "version", "host", "week"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FORMS = (
    "name two models (the id, or its beginning or end), two versions of fxd, two hosts, or two weeks like "
    "2026-W09; `fxd models` and `fxd stats --by host` list them"
)


@dataclass(frozen=True)
class Side:
    """One of the two."""

    kind: Kind
    name: str
    """Whole: a model's id, a version, a host, an ISO week."""
    label: str
    """As people are told it."""

    def subject(self, engine: str) -> str:
        """The engine of this side, as a sentence begins with it."""
        if self.kind == "model" and engine == "tcn":
            return f"tcn {self.label}"
        return f"{engine} {self.other()}"

    def other(self, engine: str = "") -> str:
        """The same, after one of the other side was named."""
        if self.kind == "model":
            return self.label if engine == "tcn" else f"beside {self.label}"
        return {"version": "with fxd", "host": "on", "week": "in"}[self.kind] + f" {self.label}"


def find_sides(store: Store, first: str, second: str) -> tuple[Side, Side]:
    """What the two texts name. Raises StoreError where that is nothing, the same, or of different kinds.

    `host:studio` says of which kind it is, where a text could name several.
    """
    environments = store.environments()
    first, second = stored(first), stored(second)
    named = [candidates(store, environments, text) for text in (first, second)]
    for text, found in zip((first, second), named, strict=True):
        if not found:
            raise StoreError(f"--compare {plain(text)}: nothing that ran is called that; {FORMS}")
    kinds = [kind for kind in KINDS if kind in named[0] and kind in named[1]]
    if not kinds:
        said = " and ".join(
            f"{plain(text)} is a {' or '.join(found)}"
            for text, found in zip((first, second), named, strict=True)
        )
        raise StoreError(f"--compare: {said}; {FORMS}")
    if len(kinds) > 1:
        raise StoreError(
            f"--compare: {plain(first)} and {plain(second)} could be {'s or '.join(kinds)}s; "
            f"write {kinds[0]}:{plain(first)} or {kinds[1]}:{plain(first)}"
        )
    a, b = (found[kinds[0]]() for found in named)
    if a == b:
        raise StoreError(f"--compare: {plain(first)} and {plain(second)} are both {kinds[0]} {plain(a.name)}")
    if a.label == b.label:  # two models whose ids differ only in their date
        a, b = (Side(side.kind, side.name, plain(side.name)) for side in (a, b))
    return a, b


def candidates(store: Store, environments: list[Environment], text: str) -> dict[Kind, Callable[[], Side]]:
    """What a text can name, by its kind: a way to the side, which raises StoreError where several models fit."""
    wanted, _, rest = text.partition(":")
    kinds: tuple[Kind, ...] = KINDS
    if rest and wanted in KINDS:
        kinds, text = (wanted,), rest
    found: dict[Kind, Callable[[], Side]] = {}
    if "model" in kinds and (models := store.models_called(text)):
        found["model"] = lambda: model_side(store, text, models)
    if "version" in kinds and any(one.fxd == text for one in environments):
        found["version"] = lambda: Side("version", text, plain(text))
    if "host" in kinds and any(one.host == text for one in environments):
        found["host"] = lambda: Side("host", text, plain(text))
    if "week" in kinds and (monday := monday_of(text)) is not None:
        year, week, _ = monday.isocalendar()
        name = f"{year:04}-W{week:02}"
        found["week"] = lambda: Side("week", name, name)
    return found


def model_side(store: Store, text: str, models: list[Model]) -> Side:
    model = models[0] if len(models) == 1 else store.find_model(text)
    return Side("model", model.id, plain(short_id(model.id)))


def monday_of(text: str) -> date | None:
    """The first day of an ISO week; None where the text is none.

    >>> monday_of("2026-W09"), monday_of("2026-W54"), monday_of("studio")
    (datetime.date(2026, 2, 23), None, None)
    """
    match = re.fullmatch(r"([0-9]{4})-?[Ww]([0-9]{1,2})", text)
    try:
        return date.fromisocalendar(int(match[1]), int(match[2]), 1) if match else None
    except ValueError:
        return None


def begin_of(sides: tuple[Side, Side]) -> datetime | None:
    """From when on runs can belong to one of the two; None where that may be any time."""
    mondays = [monday for side in sides if side.kind == "week" and (monday := monday_of(side.name))]
    return midnight(min(mondays)) if mondays else None


def rows_of(side: Side, measured: Measurements) -> NDArray[np.bool_]:
    """Which rows belong to this side, [rows]."""
    import numpy as np

    from fxd.insight.calendar import periods

    if side.kind == "model":
        texts = measured.version["tcn"]
        return np.isin(np.asarray(texts.codes), texts.known.get(side.name, -2))
    if side.kind == "week":
        codes, names = periods(np.asarray(measured.finished_at), "week")
        place = names.index(side.name) if side.name in names else -1
        return np.isin(codes, place)
    keys: list[Any] = [
        key
        for key, environment in measured.environments.items()
        if (environment.host if side.kind == "host" else environment.fxd) == side.name
    ]
    return np.isin(np.asarray(measured.environment), keys)
