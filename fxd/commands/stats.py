"""`fxd stats`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from fxd.config import Settings
from fxd.insight.heard import Heard, heard_runs
from fxd.insight.hints import mixed_hints, model_hint, nothing_to_tell
from fxd.insight.live_sessions import live_line
from fxd.insight.question import Question
from fxd.insight.stats import EVERY_SERIES, columns_of, stats_json, summaries_of, summary_json
from fxd.store.records import Run
from fxd.store.store import Store, open_store

if TYPE_CHECKING:
    from fxd.insight.together import Together

MOST_SESSIONS = 1_000
"""Of playing live, that are told together."""
PAGE = 1_000
"""Runs that are held at a time; so many are listed in a table."""


def stats(settings: Settings, question: Question) -> int:
    """Answer the question: the runs and, per engine and measure, what they say together."""
    with open_store(settings.database_url) as store:
        if question.by is not None:
            from fxd.commands.groups import tell_groups

            tell_groups(store, question, question.by)
        elif question.compare is not None:
            from fxd.commands.sides import tell_comparison

            tell_comparison(store, question, question.compare)
        elif question.form == "json":
            tell_json(store, question)
        elif question.form == "csv":
            tell_csv(store, question)
        else:
            tell_table(settings, store, question)
    return 0


def tell_json(store: Store, question: Question) -> None:
    pages = store.pages(question.last, question.since, PAGE)
    first = next(pages, [])
    if len(first) < PAGE:
        print(json.dumps(stats_json(first), indent=2, allow_nan=False))
        return
    from fxd.insight.stats import run_json
    from fxd.insight.streamed import write_object

    def runs() -> Iterator[Run]:
        yield from first
        for page in pages:
            yield from page

    def summary() -> dict[str, object]:
        done, _ = store.count_done(question.last, question.since)
        measured = store.measurements(columns_of(EVERY_SERIES), question.since, done)
        return {"summary": summary_json(summaries_of(measured))}

    write_object(sys.stdout, {}, "runs", map(run_json, runs()), summary)


def tell_csv(store: Store, question: Question) -> None:
    from fxd.insight.runs_csv import write_runs

    def runs() -> Iterator[tuple[Run, Heard]]:
        for page in store.pages(question.last, question.since, PAGE):
            yield from zip(page, heard_runs(store.trained_on, page), strict=True)

    write_runs(sys.stdout, runs(), question.series)


def tell_table(settings: Settings, store: Store, question: Question) -> None:
    runs = next(store.pages(question.last, question.since, PAGE), [])
    hint = model_hint(settings, store.champion())
    if not runs:
        # Without rich, which takes as long to load as all the rest of an empty home.
        print(nothing_to_tell(store, question.since, question.last))
        if played := played_live(store, question.since):
            print(played)
        return
    from rich.console import Console

    from fxd.insight.stats_table import print_stats
    from fxd.insight.together import span_of

    whole = all_of(store, question) if len(runs) == PAGE else None
    console = Console(emoji=False)
    print_stats(console, runs, heard_runs(store.trained_on, runs), question.series, whole)
    notes = mixed_hints(whole.span if whole else span_of(runs), question.series)
    for note in (*notes, hint):
        if note:
            console.print(f"Note: {note}", style="yellow", markup=False)
    if played := played_live(store, question.since):
        console.print(played, markup=False)


def played_live(store: Store, since: datetime | None) -> str:
    """The sessions of playing that began since then, in a line; empty where there are none."""
    sessions = store.live_sessions(MOST_SESSIONS)
    return live_line([one for one in sessions if since is None or one.started_at >= since])


def all_of(store: Store, question: Question) -> Together:
    """What more runs than are listed say together."""
    from fxd.insight.together import together_of

    done, failed = store.count_done(question.last, question.since)
    return together_of(store.measurements(columns_of(EVERY_SERIES), question.since, done), failed)
