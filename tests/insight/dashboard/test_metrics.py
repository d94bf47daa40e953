"""`/metrics` says what the store holds, before and after a restart, and counts a run once."""

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from homes import Home
from prometheus_client.parser import text_string_to_metric_families
from serving import Serve, Served

from fxd.config import load_settings
from fxd.insight.dashboard import ledger
from fxd.insight.dashboard.ledger import Ledger
from fxd.insight.reasons import CLASSES, OTHER, class_of
from fxd.store.records import Change, Event, Model, Run, Training
from fxd.store.store import Store, open_store

MakeRun = Callable[..., Run]
Values = dict[tuple[str, tuple[tuple[str, str], ...]], float]

MODEL = Model(
    "20260301-000000-compact-ab12",
    datetime(2026, 3, 1, tzinfo=UTC),
    "compact",
    48_000,
    "5a77",
    None,
    "trained",
    600.0,
    1000,
    4218,
    -42.5,
    "it is better",
)


def scrape(served: Served, path: str = "/metrics") -> Values:
    status, headers, text = served.ask(path)
    assert status == 200
    assert headers["content-type"].startswith("text/plain; version=")
    families = list(text_string_to_metric_families(text))
    assert all(family.documentation for family in families)
    samples = [sample for family in families for sample in family.samples]
    found = {(one.name, tuple(sorted(one.labels.items()))): one.value for one in samples}
    assert len(found) == len(samples), "one is told twice"
    return found


def get(values: Values, name: str, **labels: str) -> float:
    return values[name, tuple(sorted(labels.items()))]


@pytest.fixture
def some(make_run: MakeRun, failed_run: Run) -> list[Run]:
    """Runs of several lengths, of cold and warm workers, and failures of several kinds; most of them old."""
    done = [
        make_run(
            f"{number}.wav",
            finished_at=datetime(2026, 3, 1 + number, tzinfo=UTC),
            frames=44_100 * (number + 1),
            warm_up=number == 0,
        )
        for number in range(6)
    ]
    done.append(make_run("now.wav", finished_at=datetime.now(UTC)))
    reasons = (
        "it is empty (0 bytes); copy or export it again",
        "it is not audio of a known kind",
        "the moon",
    )
    failed = [
        replace(failed_run, id=f"failed {n}", reason=reason)
        for n, reason in enumerate((*reasons, reasons[1]))
    ]
    return done + failed


def test_it_says_what_the_store_holds_and_goes_on_after_a_restart(
    home: Home, serve: Serve, fill: Callable[[list[Run]], None], some: list[Run], make_run: MakeRun
) -> None:
    fill(some)
    settings = load_settings(home.root)
    began = datetime(2026, 3, 2, tzinfo=UTC)
    with open_store(settings.database_url) as store:
        store.add_model(MODEL)
        store.promote(MODEL.id, MODEL.reason, began)
        store.begin_training(Training("t1", began, "schedule", "running"))
        store.finish_training("t1", "kept", MODEL.id, "no better", began)
        store.begin_training(Training("t2", began + timedelta(days=1), "command", "running"))
    first = scrape(serve(home))
    assert get(first, "fxd_daemon_running") == 0
    assert get(first, "fxd_database_up") == 1
    assert get(first, "fxd_runs_total", state="done") == 7
    assert get(first, "fxd_runs_total", state="failed") == 4
    assert get(first, "fxd_failures_total", reason="not audio") == 2
    assert get(first, "fxd_failures_total", reason="empty") == 1
    assert get(first, "fxd_failures_total", reason="other") == 1
    assert get(first, "fxd_audio_seconds_total") == pytest.approx(1 + 2 + 3 + 4 + 5 + 6 + 5)
    warm = [run.seconds for run in some if run.state == "done" and not run.warm_up]
    for engine in ("dsp", "tcn"):
        assert get(first, "fxd_engine_seconds_count", engine=engine) == len(warm)
        assert get(first, "fxd_engine_seconds_sum", engine=engine) == pytest.approx(0.25 * len(warm))
        assert get(first, "fxd_engine_seconds_bucket", engine=engine, le="0.1") == 0
        assert get(first, "fxd_engine_seconds_bucket", engine=engine, le="0.25") == len(warm)
        assert get(first, "fxd_x_realtime_sum", engine=engine) == pytest.approx(4 * sum(warm))
        for le in (5.0, 10.0, 20.0, math.inf):
            name = "+Inf" if le == math.inf else str(le)
            wanted = sum(4 * seconds <= le for seconds in warm)
            assert get(first, "fxd_x_realtime_bucket", engine=engine, le=name) == wanted
    assert get(first, "fxd_queue_seconds_sum") == pytest.approx(0.5 * len(warm))
    assert get(first, "fxd_changes_open") == 0
    assert get(first, "fxd_champion_esr_db") == -42.5
    assert get(first, "fxd_champion_info", model=MODEL.id, preset="compact", origin="trained") == 1
    assert get(first, "fxd_champion_since_time_seconds") == began.timestamp()
    assert get(first, "fxd_recent_esr_db") == -35.2
    assert get(first, "fxd_retrainings_total", state="kept") == 1
    assert ("fxd_retrainings_total", (("state", "running"),)) not in first
    last = get(first, "fxd_last_retraining_time_seconds", state="running")
    assert last == (began + timedelta(days=1)).timestamp()
    fill([make_run("one more.wav", finished_at=datetime.now(UTC))])
    second = scrape(serve(home))
    for (name, labels), value in first.items():
        if name.endswith(("_total", "_bucket", "_count", "_sum")):
            assert second[name, labels] >= value
    assert get(second, "fxd_runs_total", state="done") == 8


def test_what_has_not_happened_yet_is_told_as_zero(served: Served) -> None:
    """A counter that appears at 1 has never increased: an alarm would miss the first of each kind."""
    found = scrape(served)
    told = {(name, value): count for (name, labels), count in found.items() for _, value in labels}
    for reason in [*(name for name, _ in CLASSES), OTHER]:
        assert told["fxd_failures_total", reason] == 0
    for state in ("promoted", "kept", "failed", "stopped"):
        assert told["fxd_retrainings_total", state] == 0
    assert ("fxd_retrainings_total", "running") not in told


def test_changes_are_open_that_status_tells(home: Home, serve: Serve, make_run: MakeRun) -> None:
    run, now = make_run(), datetime.now(UTC)
    at = run.finished_at
    with open_store(load_settings(home.root).database_url) as store:
        store.record_run(run, None)
        of_speed = Change("tcn x_realtime on studio", run.id, at, at, at, 80.0, 70.0, -11.0, -9.0, 0.001, now)
        accepted = replace(of_speed, series="dsp x_realtime on studio")
        old = replace(of_speed, series="tcn cpu_per_second on studio", found_at=now - timedelta(days=31))
        of_sounds = replace(
            of_speed, series="tcn esr_db on new sounds", events=(Event("sounds", "", "", at),)
        )
        store.remember_changes([of_speed, accepted, old, of_sounds], at)
        (known,) = [one.id for one in store.changes() if one.series == accepted.series]
        store.accept_change(known, "new fan", now)
    (told,) = home.json("status")["changes"]
    assert told["text"].startswith("tcn got 12 % slower on studio")
    assert get(scrape(serve(home)), "fxd_changes_open") == 1


def test_a_database_that_is_away_is_told_and_comes_back(
    home: Home, serve: Serve, fill: Callable[[list[Run]], None], some: list[Run]
) -> None:
    fill(some)
    served, database = serve(home), home.root / "db" / "fxd.sqlite3"
    before = scrape(served)
    database.rename(database.with_suffix(".away"))
    away = scrape(served)
    assert get(away, "fxd_database_up") == 0
    assert not any(name.startswith("fxd_runs") for name, _ in away)
    assert get(away, "fxd_daemon_running") == 0
    database.with_suffix(".away").rename(database)
    assert scrape(served) == before
    assert not database.with_suffix(".away").exists()


def test_openmetrics_is_spoken_where_it_is_asked_for(served: Served) -> None:
    _, headers, text = served.ask("/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert headers["content-type"].startswith("application/openmetrics-text")
    assert text.endswith("# EOF\n")


class Counted:
    """A store that remembers how many runs were asked for anew."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.parts = 0

    def tally(self, *arguments: Any) -> Any:
        self.parts += 1
        return self.store.tally(*arguments)

    def tally_since(self, since: datetime) -> Any:
        return self.store.tally_since(since)


def test_old_runs_are_counted_once_and_one_that_comes_late_is_not_lost(
    home: Home, some: list[Run], make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "RUNS_AT_A_TIME", 1)
    with open_store(load_settings(home.root).database_url) as store:
        counted, book = Counted(store), Ledger()

        def read() -> int:
            before = counted.parts
            total = book.read(counted)  # type: ignore[arg-type]
            assert total.states.total() == store.count_runs()
            assert total.reasons.total() == store.count_runs("failed")
            return counted.parts - before

        store.record_runs([(run, None) for run in some])
        assert read() > 2
        assert read() == 1
        store.record_run(make_run("new.wav", finished_at=datetime.now(UTC)), None)
        assert read() == 1
        store.record_run(make_run("late.wav", finished_at=datetime(2026, 3, 3, tzinfo=UTC)), None)
        assert read() > 2
        assert read() == 1


def test_what_was_counted_before_an_error_is_kept(
    home: Home, some: list[Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "RUNS_AT_A_TIME", 1)

    class Failing(Counted):
        def tally(self, *arguments: Any) -> Any:
            if self.parts == 2:
                self.parts += 1
                raise OSError("away")
            return super().tally(*arguments)

    with open_store(load_settings(home.root).database_url) as store:
        store.record_runs([(run, None) for run in some])
        failing, book = Failing(store), Ledger()
        with pytest.raises(OSError, match="away"):
            book.read(failing)  # type: ignore[arg-type]
        assert book.settled.states.total() > 0
        assert book.read(failing).states == store.tally(None, datetime(2100, 1, 1, tzinfo=UTC), 100)[0].states  # type: ignore[arg-type]


def test_every_reason_that_fxd_gives_has_a_class() -> None:
    """The texts are those of the source: one that was reworded would silently become another class."""
    source = "".join(
        path.read_text(encoding="utf-8")
        for path in (Path(__file__).parents[3] / "fxd").rglob("*.py")
        if path.name != "reasons.py"
    )
    for name, part in CLASSES:
        assert part in source, f"nothing fails any more with {part!r} ({name})"
    assert class_of("it is damaged or cut off, somewhere after 1.0 s; copy or export it again") == "damaged"
    assert class_of("it is cut off: the rest; copy or export it again") == "cut off"
    assert class_of("20 s passed for 1 s of audio ([processing] timeout_factor) (2 attempts)") == "time"
    assert class_of("") == OTHER
