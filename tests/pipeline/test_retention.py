"""Nothing is removed unless told, then the oldest, and never what is not recorded."""

import errno
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from finishing import finish, make_dispatcher, make_publisher, take
from homes import Home
from loguru import logger

from fxd.config import LoggingSettings, RetentionSettings, load_settings
from fxd.home import make_home
from fxd.log import set_up_log
from fxd.pipeline.claims import Claims
from fxd.pipeline.crew import Work
from fxd.pipeline.job import Death, Done, Ending, Job, Trouble
from fxd.pipeline.leftovers import put_aside
from fxd.pipeline.publish import Publisher
from fxd.pipeline.retention import AT_ONCE, Retention
from fxd.pipeline.workers import Task
from fxd.store.records import Run
from fxd.store.store import Store, open_store

DAY = 86_400.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    make_home(tmp_path)
    with open_store(load_settings(tmp_path).database_url) as opened:
        yield opened


@pytest.fixture
def publisher(tmp_path: Path, store: Store) -> Publisher:
    return make_publisher(tmp_path, store)


def bring(publisher: Publisher, *names: str, content: bytes = b"a riff") -> list[Run]:
    """Process files of these names, up to the archive."""
    inbox = publisher.settings.paths.inbox
    runs = []
    with closing(Claims(inbox)) as claims:
        for name in names:
            path = inbox / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            claim = take(claims, path)
            finished = finish(publisher, claim)
            # What this result really is: retention compares sizes.
            outcome = finished.outcome
            sizes = {one.output: (finished.attempt / one.output).stat().st_size for one in outcome.results}
            made = tuple(replace(one, output_bytes=sizes[one.output]) for one in outcome.results)
            finished = replace(finished, outcome=replace(outcome, results=made))
            publisher.release([finished])
            assert finished.run is not None
            publisher.archive([(claim, finished.run)])
            runs.append(finished.run)
    return runs


def refuse(publisher: Publisher, name: str) -> Run:
    """Quarantine a file of this name."""
    inbox = publisher.settings.paths.inbox
    (inbox / name).write_bytes(b"no riff")
    with closing(Claims(inbox)) as claims:
        claim = take(claims, inbox / name)
        run = publisher.record_failure(claim, "it is no audio")
        publisher.archive([(claim, run)])
    return run


def sweep(publisher: Publisher, days_later: float, **limits: float) -> list[str]:
    """Remove what these limits say so many days from now; returns what is left below the home, but the db."""
    settings = publisher.settings.model_copy(update={"retention": RetentionSettings(**limits)})
    retention = Retention(settings, publisher.store)
    retention.look(time.time() + days_later * DAY)
    while retention.pending:
        retention.tend()
    home = settings.paths.inbox.parent
    files = (path.relative_to(home) for path in home.rglob("*") if not path.is_dir() or path.is_symlink())
    return sorted(str(path) for path in files if path.parts[0] in ("inbox", "outbox"))


def test_nothing_is_removed_by_default(publisher: Publisher) -> None:
    bring(publisher, "a.wav")
    refuse(publisher, "b.wav")
    assert len(sweep(publisher, 1000)) == 5


def test_what_is_older_than_its_limit_goes_and_nothing_else(publisher: Publisher) -> None:
    bring(publisher, "sub/a.wav")
    refuse(publisher, "b.wav")
    (publisher.settings.paths.inbox / "waiting.wav").write_bytes(b"x")
    outputs = ["outbox/sub/a.dsp.wav", "outbox/sub/a.tcn.wav"]
    failed = ["inbox/failed/b.wav", "inbox/failed/b.wav.error.txt"]
    limits = {"done_days": 2.0, "outbox_days": 5.0}
    assert sweep(publisher, 1, **limits) == ["inbox/done/sub/a.wav", *failed, "inbox/waiting.wav", *outputs]
    assert sweep(publisher, 3, **limits) == [*failed, "inbox/waiting.wav", *outputs]
    assert sweep(publisher, 6, **limits) == [*failed, "inbox/waiting.wav"]
    assert sweep(publisher, 6, failed_days=5) == ["inbox/waiting.wav"]


def test_folders_that_become_empty_go_with_their_files(publisher: Publisher) -> None:
    bring(publisher, "one/deep/a.wav", "two/b.wav")
    paths = publisher.settings.paths
    (paths.inbox / "done" / "two" / "mine.txt").write_text("x")
    (paths.outbox / "never used").mkdir()
    sweep(publisher, 2, done_days=1, outbox_days=1)
    assert not (paths.inbox / "done" / "one").exists()
    assert sorted(path.name for path in (paths.inbox / "done").iterdir()) == ["two"]
    assert sorted(path.name for path in paths.outbox.iterdir() if path.name != ".attempts") == ["never used"]


def test_an_original_that_is_not_recorded_stays(publisher: Publisher) -> None:
    bring(publisher, "a.wav")
    done = publisher.settings.paths.inbox / "done"
    (done / "unknown.wav").write_bytes(b"never processed")
    # The name of a recorded file, but not that file: somebody put it there instead.
    (done / "a.wav").unlink()
    (done / "a.wav").write_bytes(b"another sound")
    assert sweep(publisher, 2, done_days=1)[:2] == ["inbox/done/a.wav", "inbox/done/unknown.wav"]


def test_an_original_whose_archiving_was_not_noted_any_more_goes(publisher: Publisher) -> None:
    inbox = publisher.settings.paths.inbox
    (inbox / "a.wav").write_bytes(b"a riff")
    with closing(Claims(inbox)) as claims:
        claim = take(claims, inbox / "a.wav")
        finished = finish(publisher, claim)
        publisher.release([finished])
        # A crash between the move of the original and the step that tells of it.
        (inbox / "done").mkdir()
        claim.source.rename(inbox / "done" / "a.wav")
        claim.remove()
    assert not any(path.startswith("inbox") for path in sweep(publisher, 2, done_days=1))


def test_numbered_originals_go_too(publisher: Publisher) -> None:
    bring(publisher, "a.wav")
    bring(publisher, "a.wav", content=b"another riff")
    assert (publisher.settings.paths.inbox / "done" / "a.2.wav").exists()
    assert not any(path.startswith("inbox") for path in sweep(publisher, 2, done_days=1))


def test_what_fxd_did_not_make_stays_in_the_outbox(publisher: Publisher, tmp_path: Path) -> None:
    bring(publisher, "a.wav", "b.wav")
    outbox = publisher.settings.paths.outbox
    (outbox / "mix.wav").write_bytes(b"mine")
    (outbox / "a.tcn.wav").write_bytes(b"edited in another program")
    (outbox / "b.tcn.wav").unlink()
    (tmp_path / "elsewhere.wav").write_bytes(b"mine")
    (outbox / "b.tcn.wav").symlink_to(tmp_path / "elsewhere.wav")
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "b.dsp.wav").write_bytes((outbox / "b.dsp.wav").read_bytes())
    (outbox / "link").symlink_to(tmp_path / "far")
    left = [path for path in sweep(publisher, 2, outbox_days=1) if path.startswith("outbox")]
    assert left == ["outbox/a.tcn.wav", "outbox/b.tcn.wav", "outbox/link", "outbox/mix.wav"]
    assert (tmp_path / "far" / "b.dsp.wav").exists()


def test_an_output_whose_run_is_not_recorded_stays(publisher: Publisher) -> None:
    inbox = publisher.settings.paths.inbox
    (inbox / "a.wav").write_bytes(b"a riff")
    with closing(Claims(inbox)) as claims:
        finished = finish(publisher, take(claims, inbox / "a.wav"))
        publisher.name_outputs([finished], [finished])
        publisher.show_outputs([finished])
    left = sweep(publisher, 2, outbox_days=1)
    assert {"outbox/a.dsp.wav", "outbox/a.tcn.wav"} <= set(left)


def test_what_is_in_quarantine_without_its_reason_stays(publisher: Publisher) -> None:
    failed = publisher.settings.paths.inbox / "failed"
    for name in ("a.wav", "b.wav", "c.error.txt", "d.wav"):
        refuse(publisher, name)
    (failed / "a.wav.error.txt").write_text("my own notes")
    (failed / "b.wav").unlink()
    (failed / "mine.wav").write_bytes(b"x")
    (failed / "d.wav").rename(failed.parent / "moved.wav")
    (failed / "d.wav").symlink_to(failed.parent / "moved.wav")
    # The note of a file that somebody took away goes by itself.
    assert sweep(publisher, 2, failed_days=1) == [
        "inbox/failed/a.wav",
        "inbox/failed/a.wav.error.txt",
        "inbox/failed/d.wav",
        "inbox/failed/d.wav.error.txt",
        "inbox/failed/mine.wav",
        "inbox/moved.wav",
    ]


def test_the_oldest_go_first_and_some_at_a_time(publisher: Publisher) -> None:
    names = [f"{number}.wav" for number in reversed(range(AT_ONCE // 2 + 1))]
    bring(publisher, *names)
    settings = publisher.settings.model_copy(update={"retention": RetentionSettings(outbox_days=1)})
    retention = Retention(settings, publisher.store)
    retention.look(time.time() + 2 * DAY)
    retention.tend()
    left = {path.name.split(".")[0] for path in settings.paths.outbox.glob("*.wav")}
    assert left == {"0"}
    assert retention.removed == AT_ONCE


def test_an_output_that_was_made_anew_since_is_new(publisher: Publisher) -> None:
    bring(publisher, "a.wav")
    settings = publisher.settings.model_copy(update={"retention": RetentionSettings(outbox_days=1)})
    retention = Retention(settings, publisher.store)
    retention.look(time.time() + 2 * DAY)
    bring(publisher, "a.wav")
    retention.tend()
    assert len(list(settings.paths.outbox.glob("*.wav"))) == 2


def test_the_run_is_told_what_was_removed(publisher: Publisher) -> None:
    (run,) = bring(publisher, "sub/a.wav")
    sweep(publisher, 3, outbox_days=2)
    recorded = publisher.store.run(run.id)
    assert recorded is not None
    removed = sorted(step.detail for step in recorded.steps if step.name == "removed")
    assert removed == [
        "outbox/sub/a.dsp.wav: older than 2 days ([retention] outbox_days)",
        "outbox/sub/a.tcn.wav: older than 2 days ([retention] outbox_days)",
    ]


def test_what_may_not_be_removed_stops_nothing(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    bring(publisher, "a/one.wav", "b/two.wav")
    unlink = Path.unlink

    def unlink_some(path: Path, missing_ok: bool = False) -> None:
        if path.name == "one.wav":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", unlink_some)
        left = sweep(publisher, 2, done_days=1)
    assert [path for path in left if path.startswith("inbox")] == ["inbox/done/a/one.wav"]


def test_rotated_logs_go_and_the_log_stays(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Path(publisher.settings.logging.file)
    monkeypatch.setattr("fxd.log.ROTATION_BYTES", 100)
    set_up_log(LoggingSettings(file=str(log)))
    for number in range(3):
        logger.info("a line of some length, so that the file is full soon: {}", f"{number:060}")
    logger.remove()
    (log.parent / "fxd.old.log").write_text("mine")
    assert len(list(log.parent.glob("fxd*.log"))) > 2
    sweep(publisher, 2, log_days=1)
    assert sorted(path.name for path in log.parent.glob("fxd*.log")) == ["fxd.log", "fxd.old.log"]


def test_the_newest_leftovers_are_kept(tmp_path: Path) -> None:
    attempts = tmp_path / ".attempts"
    for number in range(4):
        folder = attempts / f"run.{number}"
        folder.mkdir(parents=True)
        if number != 3:
            (folder / "dsp.wav").write_bytes(b"half")
        put_aside(folder, keep=2)
    leftovers = tmp_path / ".leftovers"
    assert sorted(path.name for path in leftovers.iterdir()) == ["run.1", "run.2"]
    put_aside(attempts / "run.3", keep=0)
    assert not leftovers.exists()


@pytest.mark.long
def test_a_daemon_removes_what_is_due_keeps_leftovers_and_tells(home: Home, clips: list[Path]) -> None:
    config = (home.root / "config.toml").read_text()
    home.configure(config + "[retention]\nattempts = 1\n")
    (home.inbox / "bell.flac").write_bytes(clips[7].read_bytes())
    damaged = np.zeros(200_000, np.float32)
    damaged[150_000] = np.nan
    soundfile.write(home.inbox / "damaged.wav", damaged, 44_100, subtype="FLOAT")
    home.fxd("start", "--once", code=3)
    (leftover,) = (home.outbox / ".leftovers").iterdir()
    assert {path.name for path in leftover.iterdir()} == {"dsp.wav", "tcn.wav", "dry.wav"}
    home.configure(config + "[retention]\noutbox_days = 1e-6\n")
    done = home.fxd("start", "--once")
    assert "bell.dsp.wav: removed, as [retention] outbox_days says" in done.stderr
    assert home.outputs() == []
    (run,) = home.json("why", "bell.flac")["runs"]
    assert run["gone"] == ["bell.dsp.wav", "bell.tcn.wav"]
    assert [step["name"] for step in run["steps"]][-2:] == ["removed", "removed"]
    told = home.fxd("why", "bell.flac").stdout
    assert "dsp: outbox/bell.dsp.wav" in told
    assert "not there any more" in told


def test_leftovers_are_of_failures_and_make_room_where_the_machine_is_in_trouble(
    publisher: Publisher,
) -> None:
    settings = publisher.settings.model_copy(update={"retention": RetentionSettings(attempts=2)})
    publisher = replace(publisher, settings=settings)
    inbox, outbox = settings.paths.inbox, settings.paths.outbox
    (inbox / "a.wav").write_bytes(b"a riff")

    def kept_after(ending: Ending) -> list[str]:
        attempt = finish(publisher, claim).attempt
        job = Job(claim.source, attempt, settings.saturator, outbox, "FLOAT")
        make_dispatcher(publisher, claims).clear(Work(claim, Task(job), ending=ending))
        assert not attempt.exists()
        return sorted(path.name[-1] for path in outbox.glob(".leftovers/*"))

    with closing(Claims(inbox)) as claims:
        claim = take(claims, inbox / "a.wav")
        assert kept_after(Death("killed by SIGSEGV")) == ["1"]
        assert kept_after(Done(finish(publisher, claim).outcome)) == ["1"]
        assert kept_after(Trouble("No space left on device")) == []
