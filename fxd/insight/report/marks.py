"""What happened while the runs went on: promotions, changes, other settings, other machines and versions."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from fxd.insight.plain import short_id
from fxd.insight.report.logbook import Logbook, Mask
from fxd.insight.report.trend import MOST_MARKS, Mark, MarkOf
from fxd.insight.sentences import sentence
from fxd.store.records import Change, Environment, Promotion

Codes = npt.NDArray[np.int32]
AROUND = 10
"""Runs on either side that are looked at: as many as a change needs (`fxd.insight.energy`, 60 MB to load)."""


def marks_of(log: Logbook, promotions: Sequence[Promotion], changes: Sequence[Change]) -> tuple[Mark, ...]:
    """What happened while the runs went on, oldest first; of very many the newest."""
    if not len(log):
        return ()
    found = [
        Mark(one.at, "promotion", f"model {short_id(one.model_id)} serves: {one.reason}")
        for one in promotions
        if log.at[0] <= one.at.timestamp() <= log.at[-1]
    ]
    host = log.machine.host if log.machine else ""
    found += [mark_of(change, host) for change in changes if log.at[0] <= change.at.timestamp() <= log.at[-1]]
    for row, _ in handovers(log.settings, log.settings >= 0):
        found.append(Mark(log.time(row), "settings", "other [saturator] settings"))
    for row, before in moves(log):
        old, new = (log.environments[int(log.environment[one])] for one in (before, row))
        found.append(Mark(log.time(row), "environment", difference(old, new)))
    return tuple(sorted(found, key=lambda mark: (mark.at, mark.kind == "change"))[-MOST_MARKS:])


def mark_of(change: Change, host: str) -> Mark:
    """A change as a mark, where the speed of `host` is drawn."""
    expected = f"; expected: {change.note}" if change.accepted_at else ""
    _, measure, _, where = change.series.split(" ", 3)
    of: MarkOf = "error"
    if measure in ("x_realtime", "cpu_per_second"):
        of = "speed" if where == host else "elsewhere"
    return Mark(change.at, "change", sentence(change) + expected, of)


def moves(log: Logbook) -> Iterator[tuple[int, int]]:
    """The first run on each further host, and those from which on a host was another, with the run before."""
    hosts = {key: environment.host for key, environment in log.environments.items()}
    for host in dict.fromkeys(hosts.values()):
        there = np.zeros(len(log), np.bool_)
        for key in (key for key, name in hosts.items() if name == host):
            there |= log.environment == key
        if (first := int(there.argmax())) > 0:
            yield first, first - 1
        yield from handovers(log.environment, there)


def handovers(codes: Codes, there: Mask) -> Iterator[tuple[int, int]]:
    """The rows, of those `there`, from which on another code holds, each with the row before.

    As for the events of a change, either side has most of its own, and a quarter of the other's at most, so that
    turns of two settings are none.
    """
    mine = codes if there.all() else codes[there]
    places = np.flatnonzero(mine[1:] != mine[:-1]) + 1
    if not len(places):
        return  # of a million runs that are alike nothing more is held
    begins, ends = np.maximum(places - AROUND, 0), np.minimum(places + AROUND, len(mine))
    is_one = np.ones(len(places), np.bool_)
    for code in np.union1d(mine[places], mine[places - 1]):
        count = np.concatenate([[0], np.cumsum(mine == code, dtype=np.int32)])
        before, after = count[places] - count[begins], count[ends] - count[places]
        few_before, few_after = 4 * before <= places - begins, 4 * after <= ends - places
        most_before, most_after = 2 * before >= places - begins, 2 * after >= ends - places
        is_one &= np.where(mine[places] == code, most_after & few_before, True)
        is_one &= np.where(mine[places - 1] == code, most_before & few_after, True)
    rows, last = np.flatnonzero(there), None
    for place in places[is_one]:
        # A late run of the old code makes one into two.
        if (pair := (int(mine[place - 1]), int(mine[place]))) != last:
            yield int(rows[place]), int(rows[place - 1])
        last = pair


def difference(old: Environment, new: Environment) -> str:
    """In what one environment differs from another, in words."""
    said = [
        f"{name} {getattr(old, name)} → {getattr(new, name)}"
        for name in ("host", "cpu", "cores", "threads", "python", "fxd")
        if getattr(old, name) != getattr(new, name)
    ]
    for name in sorted(old.libraries.keys() | new.libraries.keys()):
        before, after = old.libraries.get(name, "none"), new.libraries.get(name, "none")
        if before != after:
            said.append(f"{name} {before} → {after}")
    return ", ".join(said) or "another environment"
