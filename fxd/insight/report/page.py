"""A report as one HTML page that holds all it needs: no network, no other file, no script but fxd's own."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cache
from hashlib import sha256
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from fxd.insight.pages import asset, templates_of
from fxd.insight.plain import plain, short_id
from fxd.insight.report import plots
from fxd.insight.report.content import Report
from fxd.insight.report.verdict import GOOD_DB
from fxd.insight.stats_table import NOTHING, figure, length
from fxd.local_time import day, day_in_words, minute, zone_names

PACKAGE = "fxd.insight.report"
SCRIPTS = ("player.js", "abx.js")
UNBROKEN = re.compile(r"(?<=\d) (?=dB\b|%)")
"""The space between a number and its unit."""
GENERATOR = "fxd report"
"""By this, in the page's head, a report is known again."""


def render(report: Report) -> str:
    """The whole page."""
    scripts = [asset(PACKAGE, name) for name in SCRIPTS] if report.listening.sounds else []
    return (
        templates()
        .get_template("page.html.j2")
        .render(
            report=report,
            style=Markup(asset(PACKAGE, "style.css")),
            scripts=[Markup(script) for script in scripts],
            policy=policy(scripts),
            generator=GENERATOR,
            zone=zone_names(),
        )
    )


def render_part(name: str, report: Report) -> str:
    """One part of the page, `templates/parts/<name>.html.j2`, for a page that shows it live."""
    return templates().get_template(f"parts/{name}.html.j2").render(report=report)


def policy(scripts: list[str]) -> str:
    """A content security policy under which the page can reach nothing, and runs only these scripts."""
    hashes = [f"'sha256-{base64.b64encode(sha256(one.encode()).digest()).decode()}'" for one in scripts]
    return "; ".join(
        (
            "default-src 'none'",
            "style-src 'unsafe-inline'",
            f"script-src {' '.join(hashes) or chr(39) + 'none' + chr(39)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


@cache
def templates() -> Environment:
    """The templates, which escape whatever they are given."""
    made = templates_of(PACKAGE)
    shown: dict[str, Callable[..., Any]] = {
        "plain": plain,
        "figure": lambda value: figure(finite(value)),
        "db": lambda value: NOTHING if finite(value) is None else f"{value:.1f}",
        "time": minute,
        "date": day,
        "prose": lambda text: UNBROKEN.sub("\u00a0", plain(text)),
        "day": day_in_words,
        "duration": length,
        "short_id": short_id,
        "base64": lambda data: base64.b64encode(data).decode(),
    }
    made.filters |= shown
    made.globals |= {"plots": plots, "good_db": GOOD_DB, "nothing": NOTHING, "fraction": fraction}
    return made


def finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def fraction(value: float, low: float, high: float) -> float:
    """Where a value is between two others, in percent, for the length of a bar."""
    return round(100 * min(1.0, max(0.0, (value - low) / (high - low))), 1) if high > low else 100.0


def report_json(report: Report) -> dict[str, Any]:
    """The same for `--json`: no sound in it, None for what is no number, times in UTC."""
    found: dict[str, Any] = jsonable(report)
    return found


def jsonable(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {
            one.name: jsonable(getattr(value, one.name))
            for one in fields(value)
            if not isinstance(getattr(value, one.name), bytes)
        }
    if isinstance(value, float):
        return finite(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: jsonable(one) for key, one in value.items()}
    return [jsonable(one) for one in value] if isinstance(value, list | tuple) else value
