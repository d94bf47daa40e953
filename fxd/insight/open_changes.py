"""The changes that are still open: those that a person is asked to look at.

`fxd status`, the dashboard and its metric `fxd_changes_open` all tell these, so that none alarms of what another
does not show.
"""

from datetime import UTC, datetime, timedelta

from fxd.insight.sentences import is_of_sounds
from fxd.store.records import Change
from fxd.store.store import Store

RECENT = timedelta(days=30)


def open_changes(store: Store) -> list[Change]:
    """What was found in the last RECENT, newest first, and neither was accepted nor was only other sounds."""
    found = store.changes(since=datetime.now(UTC) - RECENT)
    return [change for change in found if change.accepted_at is None and not is_of_sounds(change)]
