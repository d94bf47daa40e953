"""Moments as HTML: what `snapshot` found, through the templates, which escape whatever they are given."""

import math
import socket
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from fxd import __version__
from fxd.insight.dashboard.curve import curve_of
from fxd.insight.dashboard.portrait import LAST_RUNS, Drawn
from fxd.insight.dashboard.snapshot import Log, Now
from fxd.insight.pages import templates_of
from fxd.insight.plain import plain, short_id
from fxd.insight.sentences import sentence
from fxd.insight.stats import result_json
from fxd.insight.stats_table import NOTHING, figure, length
from fxd.instance import done_line
from fxd.local_time import local, minute, zone_names
from fxd.pipeline.files import display
from fxd.store.records import Run
from fxd.training.progress import ending, told

PACKAGE = "fxd.insight.dashboard"
PARTS = ("trouble", "now", "changes", "runs", "model", "training", "portrait")
STALE_SECONDS = 12
"""Two beats of the feed, and a little."""


class View:
    """The page of one home."""

    def __init__(self, home: Path, limit_gb: float) -> None:
        self.home = home
        self.limit_gb = limit_gb
        self.templates = make_templates()

    def page(self, shown: dict[str, str]) -> str:
        """The whole page with these parts; those that are not known yet come with the feed."""
        return self.templates.get_template("page.html.j2").render(
            name=display(Path(self.home.name)),
            home=display(self.home),
            parts=PARTS,
            shown={name: Markup(html) for name, html in shown.items()},
            stale_seconds=STALE_SECONDS,
            version=__version__,
            host=socket.gethostname(),
            zone=zone_names(),
        )

    def now(self, now: Now) -> str:
        return self.part("now", now=now)

    def log(self, log: Log) -> dict[str, str]:
        return {
            "trouble": "",
            "changes": self.part("changes", changes=log.changes),
            "runs": self.part("runs", log=log),
            "model": self.part("model", log=log, limit_gb=self.limit_gb),
        }

    def training(self, now: Now, log: Log | None) -> str:
        """What is under way, and the curve of it or of the last one."""
        training = log.training if log else None
        at_work = now.trainer is not None
        return self.part(
            "training",
            trainer=now.trainer,
            training=training,
            curve=curve_of(log.curve) if log else None,
            ending=ending(training.state, training.reason, at_work) if training else "",
        )

    def trouble(self, reason: str, since: datetime) -> str:
        return self.part("trouble", trouble=reason, since=since)

    def portrait(self, drawn: Drawn | None, reason: str = "") -> str:
        """What the report's own templates made of its parts, and why there is nothing newer."""
        parts = {name: Markup(html) for name, html in drawn.parts.items()} if drawn else {}
        return self.part("portrait", parts=parts, reason=reason, drawn_at=drawn.at if drawn else None)

    def part(self, name: str, **values: object) -> str:
        return self.templates.get_template(f"parts/{name}.html.j2").render(**values)


def make_templates() -> Environment:
    made = templates_of(PACKAGE)
    made.filters |= {
        "plain": plain,
        "figure": figure,
        "short_id": short_id,
        "length_of": length,
        "db": decibels,
        "when": when,
        "clock": lambda moment: f"{local(moment):%H:%M:%S}",
        "hours": hours,
    }
    made.globals |= {
        "nothing": NOTHING,
        "done_line": done_line,
        "told": lambda facts: told(facts, datetime.now().astimezone()),
        "results_of": results_of,
        "said": said,
        "sentence": sentence,
        "portrait_runs": LAST_RUNS,
    }
    return made


def results_of(run: Run) -> tuple[dict[str, Any], dict[str, Any]]:
    found = {result.engine: result_json(result, run.seconds) for result in run.results}
    return found.get("dsp", {}), found.get("tcn", {})


def said(run: Run) -> str:
    """A new run, for somebody who listens to the page."""
    if run.state == "failed":
        return f"{plain(run.file)} failed"
    _, tcn = results_of(run)
    error = tcn.get("esr_db")
    return f"{plain(run.file)} is done" + ("" if error is None else f", {error:.1f} dB")


def decibels(value: float | None) -> str:
    return NOTHING if value is None or not math.isfinite(value) else f"{value:.1f}"


def when(moment: datetime | str) -> str:
    """A moment, or its ISO 8601, on the local clock, with the day where that is not today; "" stays "".

    >>> when("")
    ''
    """
    if isinstance(moment, str):
        return when(datetime.fromisoformat(moment)) if moment else ""
    here = local(moment)
    return f"{here:%H:%M}" if here.date() == datetime.now().date() else minute(moment)


def hours(seconds: float) -> str:
    """A length of sound in a unit that suits it.

    >>> hours(12), hours(600), hours(5e6)
    ('12 s', '10.0 minutes', '1,389 hours')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 2 * 3600:
        return f"{seconds / 60:.1f} minutes"
    return f"{seconds / 3600:,.0f} hours"
