"""The changes of measures that were found, and what people said of them.

What is looked at grows, so a change is found again and again, and its place and size are told better each
time. It is the same change where series and direction are the same and the moment lies where it may have been
before, by either look; it keeps its id, the moment when it was first found, and what was said of it. A change
that is found no more, though its runs were looked at again, was none: it is forgotten, unless somebody has
accepted it. Those before the runs that were looked at stay.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, delete, insert, select, update

from fxd.store.database import Database
from fxd.store.errors import StoreError
from fxd.store.records import Change, Event
from fxd.store.rows import columns_of, values_of
from fxd.store.tables import changes


class Changes(Database):
    """The part of the store that remembers changes."""

    def remember_changes(self, found: Sequence[Change], since: datetime) -> list[Change]:
        """Take up what a look at all runs from `since` on has found; returns those that were not known
        before.

        Nothing is written where nothing is new.
        """
        with self.read() as connection:
            if is_known(found, since, load(connection, newest_first())):
                return []
        with self.write() as connection:
            known = load(connection, newest_first())
            matches = matched(found, known)
            if forgotten := forgettable(known, matches, since):
                connection.execute(delete(changes).where(changes.c.id.in_([one.id for one in forgotten])))
            new = []
            for change, old in zip(found, matches, strict=True):
                if old is not None:
                    values = row_of(renewed(change, old))
                    connection.execute(update(changes).where(changes.c.id == old.id).values(values))
                else:
                    query = insert(changes).values(row_of(change)).returning(changes.c.id)
                    new.append(replace(change, id=connection.execute(query).scalar_one()))
            return new

    def changes(self, since: datetime | None = None, after: int = 0) -> list[Change]:
        """The changes that are known, by the moment of the change, newest first.

        `since`: only those that were found then or later; `after`: only those whose id is greater.
        """
        query = newest_first().where(changes.c.id > after)
        if since is not None:
            query = query.where(changes.c.found_at >= since)
        with self.read() as connection:
            return load(connection, query)

    def with_ids(self, found: Sequence[Change]) -> list[Change]:
        """The same, newest first, with the ids and notes of those that are known."""
        matches = matched(found, self.changes())
        both = zip(found, matches, strict=True)
        return sorted(
            (one if old is None else renewed(one, old) for one, old in both),
            key=lambda change: change.at,
            reverse=True,
        )

    def accept_change(self, change_id: int, note: str, at: datetime) -> Change:
        """Somebody says that this change was to be expected; without a note an earlier one stays.

        Raises StoreError where the change is not known.
        """
        return self.judge(change_id, {"accepted_at": at} | ({"note": note} if note else {}))

    def unaccept_change(self, change_id: int) -> Change:
        """Take that back. Raises StoreError where the change is not known."""
        return self.judge(change_id, {"accepted_at": None, "note": ""})

    def judge(self, change_id: int, values: dict[str, Any]) -> Change:
        own = changes.c.id == change_id
        with self.write() as connection:
            if connection.execute(update(changes).where(own).values(values)).rowcount == 0:
                raise StoreError(f"{change_id}: no change has this id; `fxd stats --changes` lists them")
            return load(connection, newest_first().where(own))[0]


def matched(found: Sequence[Change], known: Sequence[Change]) -> list[Change | None]:
    """For each change found the one that it is, each used once, the nearest first; None where it is new."""
    pairs = [
        (abs((one.at - old.at).total_seconds()), place, old.id)
        for place, one in enumerate(found)
        for old in known
        if is_same(one, old)
    ]
    by_id = {old.id: old for old in known}
    matches: list[Change | None] = [None] * len(found)
    for _, place, old_id in sorted(pairs):
        if matches[place] is None and old_id in by_id:
            matches[place] = by_id.pop(old_id)
    return matches


def is_same(one: Change, other: Change) -> bool:
    overlap = one.earliest <= other.latest and other.earliest <= one.latest
    return one.series == other.series and overlap and (one.after > one.before) == (other.after > other.before)


def renewed(change: Change, old: Change) -> Change:
    """What is known now, and what was said before."""
    return replace(change, id=old.id, found_at=old.found_at, accepted_at=old.accepted_at, note=old.note)


def forgettable(known: Sequence[Change], matches: Sequence[Change | None], since: datetime) -> list[Change]:
    kept = {old.id for old in matches if old is not None}
    return [old for old in known if old.id not in kept and old.earliest >= since and old.accepted_at is None]


def is_known(found: Sequence[Change], since: datetime, known: Sequence[Change]) -> bool:
    """Whether all that was found stands there already, word for word, and nothing is to be forgotten."""
    matches = matched(found, known)
    same = all(old is not None and renewed(one, old) == old for one, old in zip(found, matches, strict=True))
    return same and not forgettable(known, matches, since)


def row_of(change: Change) -> dict[str, Any]:
    """Without the id where the store has not given one yet."""
    events = [{**asdict(event), "at": event.at.isoformat()} for event in change.events]
    row = {**values_of(change), "events": {"events": events}}
    return row if change.id else {name: value for name, value in row.items() if name != "id"}


def load(connection: Connection, query: Select[Any]) -> list[Change]:
    return [change_of(Change(*row)) for row in connection.execute(query)]


def change_of(row: Change) -> Change:
    """A row as it lies in the table, with its events made of their document."""
    document: Any = row.events
    events = [{**event, "at": datetime.fromisoformat(event["at"])} for event in document["events"]]
    return replace(row, events=tuple(Event(**event) for event in events))


def newest_first() -> Select[Any]:
    return select(*columns_of(changes, Change)).order_by(changes.c.at.desc(), changes.c.id.desc())
