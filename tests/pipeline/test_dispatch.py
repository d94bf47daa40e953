"""Files on their way through the slots: who gets which, and what happens to those that have ended."""

import errno
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from finishing import finish, make_dispatcher, make_publisher

from fxd.config import SaturatorSettings, load_settings
from fxd.home import make_home
from fxd.pipeline import dispatch, publish
from fxd.pipeline.claim import JOURNAL, Claim
from fxd.pipeline.claims import Claims
from fxd.pipeline.crew import AHEAD_BYTES, AHEAD_FILES
from fxd.pipeline.dispatch import Dispatcher
from fxd.pipeline.finished import Unfinished
from fxd.pipeline.job import Death, Done, Ending, Fault, Job, Trouble
from fxd.pipeline.workers import Task
from fxd.store.store import StoreUnavailable, open_store


class Hand:
    """A slot without a process: the test says how its attempts end."""

    def __init__(self) -> None:
        self.is_able = True
        self.tasks: deque[Task] = deque()
        self.endings: deque[Ending] = deque()

    def enforce(self) -> None:
        pass

    def submit(self, job: Job) -> Task:
        self.tasks.append(Task(job, datetime.now(UTC)))
        return self.tasks[-1]

    def listen(self) -> Ending | None:
        if not self.endings:
            return None
        self.tasks.popleft()
        return self.endings.popleft()

    def close(self) -> None:
        pass


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make_home(tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def hands() -> list[Hand]:
    return [Hand(), Hand()]


@pytest.fixture
def dispatcher(root: Path, hands: list[Hand]) -> Iterator[Dispatcher]:
    with open_store(load_settings(root).database_url) as store:
        claims = Claims(root / "inbox")
        made = make_dispatcher(make_publisher(root, store), claims, hands)  # type: ignore[arg-type]
        made.make_job = lambda source, attempt: Job(
            source, attempt, SaturatorSettings(), Path("models/m/weights.safetensors"), "FLOAT"
        )
        yield made
        claims.close()


@pytest.fixture
def drop(root: Path, dispatcher: Dispatcher) -> Callable[..., None]:
    """Puts files into the inbox that are complete already."""

    def put(*names: str, size: int = 10) -> None:
        for name in names:
            (root / "inbox" / name).write_bytes(name.encode().ljust(size))
            dispatcher.inbox.notice(root / "inbox" / name)
        dispatcher.inbox.looks = [(0.0, ticket, one) for _, ticket, one in sorted(dispatcher.inbox.looks)]
        for candidate in dispatcher.inbox.candidates.values():
            candidate.still_since = -1e9

    return put


def end_well(dispatcher: Dispatcher, hand: Hand) -> None:
    """Let a slot make what its oldest task asks for."""
    (work,) = (works[0] for slot, works in dispatcher.crew.busy.items() if slot is hand)
    shutil.rmtree(work.task.job.attempt)
    hand.endings.append(Done(finish(dispatcher.publisher, work.claim).outcome))


def outputs(root: Path) -> set[str]:
    return {path.name for path in (root / "outbox").iterdir() if not path.name.startswith(".")}


def test_small_files_are_given_ahead_to_whoever_has_least(
    dispatcher: Dispatcher, hands: list[Hand], drop: Callable[..., None]
) -> None:
    drop(*(f"{number:02}.wav" for number in range(20)))
    dispatcher.assign()
    assert [len(hand.tasks) for hand in hands] == [AHEAD_FILES, AHEAD_FILES]
    assert [hands[0].tasks[0].job.source.name, hands[1].tasks[0].job.source.name] == ["00.wav", "01.wav"]
    assert len(dispatcher.inbox.candidates) == 20 - 2 * AHEAD_FILES


def test_the_queue_names_what_has_not_begun_in_about_its_order(
    dispatcher: Dispatcher, hands: list[Hand], drop: Callable[..., None]
) -> None:
    drop(*(f"{number:02}.wav" for number in range(20)))
    dispatcher.assign()
    # Given in turn to two workers, which are at the first two; the last four nobody has yet.
    queue = dispatcher.queue(100)
    assert sorted(queue) == [f"{number:02}.wav" for number in range(2, 20)]
    assert queue[-4:] == ["16.wav", "17.wav", "18.wav", "19.wav"]
    assert dispatcher.queue(3) == queue[:3]
    assert dispatcher.queue_length == 18
    hands[0].endings.append(Fault("bad"))
    dispatcher.listen()
    assert dispatcher.queue_length == 17


def test_nothing_waits_behind_a_long_file(
    dispatcher: Dispatcher, hands: list[Hand], drop: Callable[..., None]
) -> None:
    drop("long.wav", size=AHEAD_BYTES)
    drop(*(f"{number:02}.wav" for number in range(20)))
    dispatcher.assign()
    assert [len(hand.tasks) for hand in hands] == [1, AHEAD_FILES]
    assert hands[0].tasks[0].job.source.name == "long.wav"


def test_what_ended_waits_for_company_only_while_others_work(
    dispatcher: Dispatcher,
    hands: list[Hand],
    drop: Callable[..., None],
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dispatch, "GATHER_SECONDS", 1e9)
    drop("a.wav", "b.wav")
    dispatcher.assign()
    end_well(dispatcher, hands[0])
    dispatcher.listen()
    dispatcher.settle()
    assert outputs(root) == set()
    end_well(dispatcher, hands[1])
    dispatcher.listen()
    dispatcher.settle()
    assert outputs(root) == {"a.dsp.wav", "a.tcn.wav", "b.dsp.wav", "b.tcn.wav"}
    assert dispatcher.is_idle
    assert dispatcher.done == 2


def test_what_ended_does_not_wait_for_company_for_long(
    dispatcher: Dispatcher,
    hands: list[Hand],
    drop: Callable[..., None],
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dispatch, "GATHER_SECONDS", 0.0)
    drop("a.wav", "b.wav")
    dispatcher.assign()
    end_well(dispatcher, hands[0])
    dispatcher.listen()
    dispatcher.settle()
    assert outputs(root) == {"a.dsp.wav", "a.tcn.wav"}


def test_outputs_that_the_disk_lost_are_made_again_and_hold_up_no_other(
    dispatcher: Dispatcher, hands: list[Hand], drop: Callable[..., None], root: Path
) -> None:
    drop("a.wav", "b.wav", "c.wav")
    dispatcher.assign()
    for hand in (hands[0], hands[1], hands[0]):
        end_well(dispatcher, hand)
        dispatcher.listen()
    for work in dispatcher.ended[:2]:
        (work.task.job.attempt / "tcn.wav").unlink()
    with pytest.raises(Unfinished):
        dispatcher.settle()
    lost = [claim.file for claim in dispatcher.waiting]
    assert len(lost) == 2
    (kept,) = {"a", "b", "c"} - {Path(name).stem for name in lost}
    assert outputs(root) == {f"{kept}.dsp.wav", f"{kept}.tcn.wav"}
    dispatcher.settle()
    dispatcher.assign()
    for hand in hands:
        end_well(dispatcher, hand)
    dispatcher.listen()
    dispatcher.settle()
    assert outputs(root) == {f"{stem}.{engine}.wav" for stem in "abc" for engine in ("dsp", "tcn")}


def test_a_file_that_the_disk_failed_waits_while_bad_and_good_ones_come_to_their_end(
    dispatcher: Dispatcher, hands: list[Hand], drop: Callable[..., None], root: Path
) -> None:
    drop("unlucky.wav", "bad.wav", "good.wav", size=20)
    dispatcher.assign()
    hands[0].endings.append(Trouble("no space left"))
    hands[1].endings.append(Fault("it is empty"))
    dispatcher.listen()
    end_well(dispatcher, hands[0])
    dispatcher.listen()
    with pytest.raises(OSError, match="no space left"):
        dispatcher.settle()
    (unlucky,) = dispatcher.waiting
    assert unlucky.file == "unlucky.wav"
    assert dispatcher.publisher.attempts_of(unlucky.id) == [], "half an attempt keeps the disk full"
    assert outputs(root) == {"good.dsp.wav", "good.tcn.wav"}
    assert (root / "inbox" / "failed" / "bad.wav").exists()
    assert (dispatcher.done, dispatcher.failed, dispatcher.settled) == (1, 1, 3)


def test_a_death_counts_once_however_often_the_disk_refuses_to_note_it(
    dispatcher: Dispatcher, hands: list[Hand], drop: Callable[..., None], root: Path
) -> None:
    drop("a.wav")
    dispatcher.assign()
    dispatcher.listen()
    journal = hands[0].tasks[0].job.source.parent / JOURNAL
    kept = journal.rename(root / "journal")
    journal.mkdir()
    hands[0].endings.append(Death("its worker process died"))
    dispatcher.listen()
    for _ in range(2):
        with pytest.raises(OSError, match="directory"):
            dispatcher.settle()
    journal.rmdir()
    kept.rename(journal)
    dispatcher.settle()
    assert [claim.file for claim in dispatcher.waiting] == ["a.wav"]
    assert not (root / "inbox" / "failed").exists() or not list((root / "inbox" / "failed").iterdir())


def test_a_file_that_somebody_removes_from_its_claim_holds_up_no_other(
    dispatcher: Dispatcher, hands: list[Hand], drop: Callable[..., None]
) -> None:
    drop("a.wav")
    dispatcher.assign()
    ((_, work),) = dispatcher.crew.under_way()
    work.claim.source.unlink()
    hands[0].endings.append(Trouble("no such file"))
    dispatcher.listen()
    dispatcher.settle()  # raises no trouble
    (run,) = dispatcher.publisher.store.runs(2)
    assert run.reason == "it was removed from the inbox while it was processed"


def test_a_cut_off_file_is_waited_for_also_where_giving_it_back_failed_once(
    dispatcher: Dispatcher,
    hands: list[Hand],
    drop: Callable[..., None],
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drop("a.wav")
    dispatcher.assign()
    hands[0].endings.append(Fault("it is cut off", cut_off=True))
    dispatcher.listen()

    def fail(*_: object) -> None:
        raise OSError("the share is gone")

    with monkeypatch.context() as patch:
        patch.setattr(Claims, "give_back", fail)
        with pytest.raises(OSError, match="share"):
            dispatcher.settle()
    dispatcher.settle()
    assert (root / "inbox" / "a.wav").exists()
    assert dispatcher.failed == 0


def test_a_file_that_is_back_in_the_inbox_is_not_recorded_as_gone_where_its_claim_cannot_be_removed(
    dispatcher: Dispatcher,
    hands: list[Hand],
    drop: Callable[..., None],
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drop("a.wav")
    dispatcher.assign()
    hands[0].endings.append(Fault("it is cut off", cut_off=True))
    dispatcher.listen()

    def fail(_: Path) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rmdir", fail)
        with pytest.raises(OSError, match="full"):
            dispatcher.settle()
    dispatcher.settle()
    assert (root / "inbox" / "a.wav").exists()
    assert dispatcher.publisher.store.runs(9) == []
    assert dispatcher.inbox.candidates.keys() == {root / "inbox" / "a.wav"}


def test_a_file_that_changes_when_its_outputs_are_visible_is_recorded_and_then_processed_anew(
    dispatcher: Dispatcher,
    hands: list[Hand],
    drop: Callable[..., None],
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drop("a.wav")
    dispatcher.assign()
    source = hands[0].tasks[0].job.source
    end_well(dispatcher, hands[0])
    dispatcher.listen()

    def be_locked(*_: object) -> None:
        raise StoreUnavailable("it is locked")

    with monkeypatch.context() as patch:
        patch.setattr(dispatcher.publisher.store, "record_runs", be_locked)
        with pytest.raises(StoreUnavailable):
            dispatcher.settle()
    with source.open("ab") as late:
        late.write(b"more")
    dispatcher.settle()
    assert outputs(root) == {"a.dsp.wav", "a.tcn.wav"}
    assert dispatcher.publisher.store.output_owner("a.dsp.wav") is not None
    assert dispatcher.late_writes.returned(root / "inbox") == [root / "inbox" / "a.wav"]


def test_an_end_gives_back_what_was_given_ahead(
    dispatcher: Dispatcher, drop: Callable[..., None], root: Path
) -> None:
    drop("a.wav", "b.wav", "c.wav")
    dispatcher.assign()
    dispatcher.give_all_back()
    assert {path.name for path in (root / "inbox").glob("*.wav")} == {"a.wav", "b.wav", "c.wav"}
    assert list((root / "outbox" / ".attempts").iterdir()) == []


def test_a_recorded_file_whose_archive_failed_is_archived_and_not_done_again(
    dispatcher: Dispatcher,
    hands: list[Hand],
    drop: Callable[..., None],
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drop("a.wav")
    dispatcher.assign()
    end_well(dispatcher, hands[0])
    dispatcher.listen()

    def fail(_: Claim) -> None:
        raise OSError("the share is gone")

    with monkeypatch.context() as patch:
        patch.setattr(Claim, "remove", fail)
        with pytest.raises(OSError, match="share"):
            dispatcher.settle()
    assert not dispatcher.is_idle
    dispatcher.settle()
    assert dispatcher.is_idle
    assert dispatcher.done == 1
    assert [path.name for path in (root / "inbox" / "done").iterdir()] == ["a.wav"]
    assert dispatcher.publisher.store.count_runs() == 1


def test_a_path_too_long_to_be_claimed_holds_up_no_other(
    dispatcher: Dispatcher, hands: list[Hand], drop: Callable[..., None], root: Path
) -> None:
    """A claimed file lies deeper than it lay in the inbox, by some 80 bytes."""
    folder = root / "inbox"
    while len(str(folder)) < 4020:
        folder /= "d" * min(200, 4030 - len(str(folder)))
    folder.mkdir(parents=True)
    drop(f"{folder.relative_to(root / 'inbox')}/a.wav", "b.wav")
    dispatcher.assign()
    assert [task.job.source.name for hand in hands for task in hand.tasks] == ["b.wav"]
    assert dispatcher.inbox.candidates == {}


def test_a_file_whose_results_the_outbox_cannot_name_is_quarantined_and_the_others_come_out(
    dispatcher: Dispatcher,
    hands: list[Hand],
    drop: Callable[..., None],
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on a disk that has no such characters."""
    place = publish.place_new

    def refuse_colons(temporary: Path, final: Path) -> bool:
        if ":" in final.name:
            raise OSError(errno.EINVAL, "Invalid argument", final)
        return place(temporary, final)

    monkeypatch.setattr(publish, "place_new", refuse_colons)
    drop("take: 1.wav", "good.wav")
    dispatcher.assign()
    for hand in hands:
        end_well(dispatcher, hand)
    dispatcher.listen()
    dispatcher.settle()
    assert outputs(root) == {"good.dsp.wav", "good.tcn.wav"}
    failed = root / "inbox" / "failed"
    assert "a plainer one" in (failed / "take: 1.wav.error.txt").read_text()
    assert dispatcher.is_idle
    assert (dispatcher.done, dispatcher.failed) == (1, 1)


def test_what_went_away_with_the_inbox_is_gone_on_with_when_it_is_back(
    dispatcher: Dispatcher, hands: list[Hand], drop: Callable[..., None], root: Path
) -> None:
    drop("a.wav", "b.wav")
    dispatcher.assign()
    dispatcher.recover_lost()
    assert not dispatcher.waiting, "what the workers are at is not lost"
    away = (root / "inbox").rename(root / "away")
    (root / "inbox").mkdir()
    hands[0].endings.append(Trouble("the share is gone"))
    hands[1].endings.append(Death("it could not read on"))
    dispatcher.listen()
    with pytest.raises(OSError, match="share"):
        dispatcher.settle()
    assert dispatcher.is_idle
    (root / "inbox").rmdir()
    away.rename(root / "inbox")
    dispatcher.recover_lost()
    dispatcher.assign()
    for hand in hands:
        if hand.tasks:
            end_well(dispatcher, hand)
    dispatcher.listen()
    dispatcher.settle()
    assert outputs(root) == {f"{stem}.{engine}.wav" for stem in "ab" for engine in ("dsp", "tcn")}
    assert dispatcher.publisher.store.count_runs() == 2
    assert {path.name for path in (root / "inbox" / "done").iterdir()} == {"a.wav", "b.wav"}
