"""Sounds that a model had trained on: marked in the list of the last runs, and left out of the metric."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from homes import Home

from fxd.config import load_settings
from fxd.insight.dashboard.ledger import Ledger
from fxd.insight.dashboard.metrics import of_quality, recent_errors
from fxd.insight.dashboard.portrait import Drawn
from fxd.insight.dashboard.snapshot import read_log
from fxd.insight.dashboard.source import Source
from fxd.insight.dashboard.view import View
from fxd.store.records import Model, Quality, Run
from fxd.store.store import Store

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MODEL_ID = "20260301-000000-compact-ab12"


@pytest.fixture
def source(home: Home, make_run: Callable[..., Run]) -> Source:
    """Of a model that had trained on two of three sounds, a.wav and b.wav."""
    opened = Source(load_settings(home.root))
    facts = ("compact", 48_000, "5a77", None, "trained", 600.0, 10, 4218, -42.5, "it is better")
    opened.store().add_model(Model(MODEL_ID, NOON, *facts, {"trained_on": ["a.wav", "b.wav"]}))
    for number, (name, error) in enumerate((("a.wav", -70.0), ("b.wav", -72.0), ("new.wav", -40.0))):
        run = make_run(name, content_sha256=name, finished_at=NOON + timedelta(hours=number))
        dsp, tcn = run.results
        quality = Quality(10 ** (error / 10), error, 0.001, -error, 0.1)
        opened.store().record_run(replace(run, results=(dsp, replace(tcn, quality=quality))), None)
    return opened


def test_the_last_runs_of_sounds_that_their_model_had_trained_on_are_marked(
    home: Home, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = read_log(source, Ledger(), home.root)
    rows = View(home.root, 10.0).log(first)["runs"].partition("<tbody>")[2].split("</tr>")
    marked = [row for row in rows if ">heard</span>" in row]
    assert len(marked) == 2
    assert not any("new.wav" in row for row in marked)
    monkeypatch.setattr(Store, "trained_on", lambda *_: pytest.fail("asked again of what is known"))
    assert read_log(source, Ledger(), home.root, first).heard == first.heard


def test_the_metric_of_the_recent_error_leaves_them_out(source: Source) -> None:
    assert recent_errors(source.store()) == [-40.0]


def test_the_metric_of_the_recent_error_is_the_median(source: Source, make_run: Callable[..., Run]) -> None:
    source.store().record_run(make_run("other.wav", content_sha256="other.wav"), None)
    assert recent_errors(source.store()) == [-40.0, -35.2]
    (found,) = [metric for metric in of_quality(source.store()) if metric.name == "fxd_recent_esr_db"]
    assert found.samples[0].value == pytest.approx(-37.6)


def test_the_plots_say_as_of_when_they_are(home: Home) -> None:
    drawn = View(home.root, 10.0).portrait(Drawn({"verdict": "<p>Yes</p>"}, datetime(2026, 3, 1, 12)))
    assert "as of 2026-03-01 12:00" in drawn
    assert drawn.index("as of") < drawn.index("Yes"), "before anything that it holds for"
