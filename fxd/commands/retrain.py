"""`fxd retrain`: when the next one is due and why; `--now` does it here."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType

from fxd.commands.hints import model_hint
from fxd.config import Settings
from fxd.factory import install_factory_model
from fxd.store.store import open_store
from fxd.training.due import due

NICENESS = 15
"""Of a scheduled retraining: files that are dropped meanwhile come first."""


def tell_when(settings: Settings, as_json: bool) -> int:
    """Print when the next retraining is due, and why."""
    with open_store(settings.database_url) as store:
        verdict = due(store, settings, datetime.now(UTC))
        hint = model_hint(settings, store.champion())
        last = store.last_training()
    next_at = verdict.next_at.astimezone() if verdict.next_at else None
    if as_json:
        facts = {"due": verdict.due, "next_at": next_at and next_at.isoformat(), "reason": verdict.reason}
        print(json.dumps(facts | {"last": {"state": last.state, "reason": last.reason} if last else None}))
        return 0
    when = f"{next_at:%Y-%m-%d %H:%M}" if next_at else "never ([training] schedule is empty)"
    print(f"The schedule looks next: {when}")
    print(f"It would {'retrain' if verdict.due else 'not retrain'}: {verdict.reason}")
    if last is not None:
        print(f"The last one, {last.started_at.astimezone():%Y-%m-%d %H:%M}: {last.state}, {last.reason}")
    if hint:
        print(f"Note: {hint}")
    print("`fxd retrain --now` does it at once")
    return 0
