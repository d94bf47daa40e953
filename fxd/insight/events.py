"""What else changed at the moment when a measure did: models, settings, versions, the machine."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from fxd.insight.energy import SEGMENT
from fxd.insight.sentences import MODEL, ROLLBACK, SATURATOR, SOUNDS
from fxd.insight.series import NEW, Rows, Series
from fxd.local_time import utc
from fxd.store.measurements import Measurements
from fxd.store.records import Event, Promotion
from fxd.training.succession import ROLLED_BACK

FIELDS = ("host", "cpu", "cores", "threads", "python", "fxd")
"""Of an environment; its libraries are events as well."""


@dataclass(frozen=True)
class Log:
    """Where it can be read what changed from run to run."""

    measured: Measurements
    promotions: Sequence[Promotion]


def events_between(log: Log, series: Series, first: int, last: int) -> tuple[Event, ...]:
    """What changed with the values `first` to `last` of a series, each against the one before.

    Where nothing changed, then or shortly before or after, the sounds did, on new ones.
    """
    rows = series.rows
    found: dict[tuple[str, str, str], Event] = {}
    for place in range(max(1, first), min(last + 1, len(rows))):
        for event in events_at(log, series, rows, place):
            # A run that was begun before the others and ends among them makes it two.
            found.setdefault((event.kind, event.before, event.after), event)
    if not found and series.where == NEW and same_around(log.measured, rows, first, last):
        moment = moment_of(log.measured, int(rows[min(first, len(rows) - 1)]))
        return (Event(SOUNDS, "", "", moment),)
    return tuple(found.values())


def same_around(measured: Measurements, rows: Rows, first: int, last: int) -> bool:
    """Whether the runs before `first` were made with just what those after `last` were made with."""
    before, after = (
        {tuple(column[row] for column in facts_columns(measured)) for row in some}
        for some in (rows[max(0, first - SEGMENT) : first], rows[last + 1 : last + 1 + SEGMENT])
    )
    return before == after


def events_at(log: Log, series: Series, rows: Rows, place: int) -> Iterator[Event]:
    """What changed with one run of a series. What the tcn is does not concern the dsp."""
    at = moment_of(log.measured, int(rows[place]))
    if same_facts(log.measured, int(rows[place - 1]), int(rows[place])):
        return
    old, new = (
        [facts_of(log.measured, int(row)) for row in some]
        for some in (rows[max(0, place - SEGMENT) : place], rows[place : place + SEGMENT])
    )
    for kind in sorted(old[-1].keys() | new[0].keys()):
        before, after = ([facts.get(kind, "") for facts in side] for side in (old, new))
        if is_handover(before, after) and (kind != MODEL or series.engine == "tcn"):
            way = way_of(log.promotions, after[0], at) if kind == MODEL else kind
            yield Event(way, before[-1], after[0], at)


def same_facts(measured: Measurements, row: int, other: int) -> bool:
    return all(column[row] == column[other] for column in facts_columns(measured))


def facts_columns(measured: Measurements) -> list[Sequence[int]]:
    """What runs were made with, in numbers."""
    return [measured.environment, *(texts.codes for texts in measured.version.values())]


def facts_of(measured: Measurements, row: int) -> dict[str, str]:
    """What a run was made with, by the kind of event that another would be."""
    environment = measured.environments[measured.environment[row]]
    facts = {name: str(getattr(environment, name)) for name in FIELDS} | environment.libraries
    versions = {MODEL: measured.version["tcn"][row], SATURATOR: measured.version["dsp"][row]}
    return facts | {kind: version for kind, version in versions.items() if version is not None}


def is_handover(before: Sequence[str], after: Sequence[str]) -> bool:
    """Whether the last of `before` gives way to the first of `after`: each has most of its own side.

    Of the other side it has a quarter at most: a long file that an old model was begun with ends among the first
    of a new one. Where runs alternate, as those of two hosts do, nothing changes:

    >>> is_handover("aaaa", "bbbb"), is_handover("aaaa", "babb"), is_handover("abab", "abab")
    (True, True, False)
    """
    old, new = before[-1], after[0]
    is_most = 2 * before.count(old) >= len(before) and 2 * after.count(new) >= len(after)
    return is_most and 4 * before.count(new) <= len(before) and 4 * after.count(old) <= len(after)


def way_of(promotions: Sequence[Promotion], model_id: str, at: datetime) -> str:
    """How this model came to serve by then: by a promotion or a rollback; `promotions` are newest first."""
    reasons = (one.reason for one in promotions if one.model_id == model_id and one.at <= at)
    return ROLLBACK if next(reasons, "").startswith(ROLLED_BACK) else MODEL


def moment_of(measured: Measurements, row: int) -> datetime:
    """When this run finished."""
    return utc(measured.finished_at[row])
