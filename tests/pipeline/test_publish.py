"""What a group of files leaves behind when its daemon is killed between any two steps."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import soundfile
from finishing import FRAMES, finish, level_of, make_dispatcher, make_publisher, show_but_not_record, take

from fxd.config import load_settings
from fxd.home import make_home
from fxd.pipeline import files
from fxd.pipeline.claims import Claims
from fxd.pipeline.finished import Unfinished
from fxd.store.database import connect
from fxd.store.errors import StoreUnavailable
from fxd.store.records import Example, Run, Step
from fxd.store.store import Store, open_store
from fxd.training.dataset import trim_dataset

CONTENTS = {"riff.flac": b"one", "riff.wav": b"two", "sub/riff.wav": b"three", "same.wav": b"one"}
"""Two of one stem, which must not share their outputs, and two of one content."""
RECORDS = "records"
MOVES = ("os.rename", "os.link", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree", RECORDS)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A home whose inbox holds a group of files."""
    root = tmp_path / "home"
    make_home(root)
    for name, content in CONTENTS.items():
        path = root / "inbox" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    (root / "outbox" / "same.dsp.wav").write_text("mine")
    open_store(load_settings(root).database_url).close()
    return root


def publish_all(root: Path, store: Store, claims: Claims) -> None:
    publisher = make_publisher(root, store)
    group = [finish(publisher, take(claims, root / "inbox" / name)) for name in CONTENTS]
    publisher.release(group)
    publisher.archive([(one.claim, one.run) for one in group if one.run is not None])


class ToldStore(Store):
    """Tells of its transactions as the interpreter tells of changes of folders."""

    def record_runs(self, entries: Sequence[tuple[Run, Example | None]]) -> list[str]:
        sys.audit(RECORDS)
        return super().record_runs(entries)

    def add_steps(self, entries: Sequence[tuple[str, Step]]) -> None:
        sys.audit(RECORDS)
        super().add_steps(entries)


def die_at(number: int) -> None:
    """Kill this process before its `number`-th change of a folder or of the database from now on."""
    left = count(number, -1)

    def look(event: str, _arguments: tuple[Any, ...]) -> None:
        if event in MOVES and next(left) == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)


def die_everywhere(template: Path, apart: int) -> None:
    """Publish copies of a home, each in a process that is killed so many steps later than the one before."""
    for number in count(1, apart):
        root = template.with_name(f"killed-{number}")
        shutil.copytree(template, root)
        child = os.fork()
        if child == 0:
            with ToldStore(*connect(load_settings(root).database_url)) as store:
                claims = Claims(root / "inbox")
                die_at(number)
                publish_all(root, store, claims)
            os._exit(0)
        if os.waitpid(child, 0)[1] == 0:
            return


def recover(root: Path) -> None:
    """What the next start does."""
    with open_store(load_settings(root).database_url) as store:
        publisher = make_publisher(root, store)
        claims = Claims(root / "inbox")
        dispatcher = make_dispatcher(publisher, claims)
        dispatcher.recover()
        group = [finish(publisher, claim) for claim in dispatcher.waiting]
        left = [root / "inbox" / name for name in CONTENTS if (root / "inbox" / name).exists()]
        group += [finish(publisher, take(claims, path)) for path in left]
        publisher.release(group)
        publisher.archive([(one.claim, one.run) for one in group if one.run is not None])
        claims.close()


def visible(folder: Path) -> dict[str, Path]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    found = {str(path.relative_to(folder)): path for path in paths}
    return {name: path for name, path in found.items() if not name.startswith(".")}


def check_whole(root: Path) -> None:
    for name, path in visible(root / "outbox").items():
        if name != "same.dsp.wav":
            assert soundfile.info(path).frames == FRAMES


def check_complete(root: Path) -> None:
    """Everything has come out, once, under a name of its own, and nothing else is there."""
    outputs = visible(root / "outbox")
    with open_store(load_settings(root).database_url) as store:
        runs = store.runs(99)
    assert sorted(run.file for run in runs) == sorted(CONTENTS)
    assert all(run.content_sha256 == sha256(CONTENTS[run.file]).hexdigest() for run in runs)
    recorded = {result.output: run for run in runs for result in run.results}
    assert len(recorded) == 2 * len(CONTENTS)
    assert outputs.keys() == recorded.keys() | {"same.dsp.wav"}
    assert outputs["same.dsp.wav"].read_text() == "mine"
    for name, run in recorded.items():
        sound, _ = soundfile.read(outputs[name], dtype="float32")
        assert sound.tolist() == [level_of(CONTENTS[run.file])] * FRAMES
    done = visible(root / "inbox" / "done")
    assert {name: path.read_bytes() for name, path in done.items()} == CONTENTS
    assert visible(root / "inbox").keys() == {f"done/{name}" for name in CONTENTS}
    assert list((root / "inbox" / ".claimed").iterdir()) == []
    # A manifest that was never renamed goes after a day: it could be one that `fxd process` is writing now.
    assert [path for path in (root / "outbox" / ".attempts").iterdir() if path.suffix != ".tmp"] == []
    assert len(visible(root / "db" / "dataset")) == len(set(CONTENTS.values()))


@pytest.mark.parametrize("apart", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_a_group_killed_between_any_two_steps_is_completed_by_the_next_start(root: Path, apart: int) -> None:
    script = (
        "import sys; from pathlib import Path; sys.path[:0] = sys.argv[3:]\n"
        "from test_publish import die_everywhere; die_everywhere(Path(sys.argv[1]), int(sys.argv[2]))\n"
    )
    folders = [Path(__file__).parent, *Path(__file__).parents[1:3]]
    subprocess.run([sys.executable, "-c", script, root, str(apart), *folders], check=True)
    homes = sorted(root.parent.glob("killed-*"))
    assert len(homes) > 50 / apart, "the process died too early, or was not killed at all"
    for home in homes:
        check_whole(home)
        recover(home)
        check_complete(home)


def test_what_is_visible_is_recorded_though_its_inbox_was_removed_meanwhile(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(load_settings(root).database_url) as store:
        publisher = make_publisher(root, store)
        claims = Claims(root / "inbox")
        group = [finish(publisher, take(claims, root / "inbox" / name)) for name in CONTENTS]
        with monkeypatch.context() as patch, pytest.raises(OSError, match="full"):
            patch.setattr("fxd.pipeline.publish.sync_folders", refuse_when(lambda: visible(root / "outbox")))
            publisher.release(group)
        shutil.rmtree(root / "inbox")
        (root / "inbox").mkdir()
        publisher.release(group)
        publisher.archive([(one.claim, one.run) for one in group if one.run is not None])
        assert sorted(run.file for run in store.runs(9)) == sorted(CONTENTS)
        claims.lock.release()


def refuse_when(condition: Callable[[], object]) -> Callable[[Iterable[Path]], None]:
    def sync_folders(folders: Iterable[Path]) -> None:
        if condition():
            raise OSError(28, "full")
        files.sync_folders(folders)

    return sync_folders


@pytest.mark.parametrize("step", ["record_runs", "add_steps"])
def test_a_group_met_by_a_locked_database_goes_on_where_it_was(
    root: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(load_settings(root).database_url) as store:
        publisher = make_publisher(root, store)
        claims = Claims(root / "inbox")
        group = [finish(publisher, take(claims, root / "inbox" / name)) for name in CONTENTS]

        def be_locked(*_: object) -> None:
            raise StoreUnavailable("it is locked")

        def publish() -> None:
            publisher.release(group)
            publisher.archive([(one.claim, one.run) for one in group if one.run is not None])

        with monkeypatch.context() as patch:
            patch.setattr(store, step, be_locked)
            with pytest.raises(StoreUnavailable):
                publish()
        publish()
        claims.close()
        names = [step.name for step in store.runs(1)[0].steps]
    check_complete(root)
    assert names == ["seen", "claimed", "started", "published", "recorded", "archived"]


def test_an_output_that_disappears_before_it_is_recorded_appears_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(load_settings(root).database_url) as store:
        publisher = make_publisher(root, store)
        claims = Claims(root / "inbox")
        finished = finish(publisher, take(claims, root / "inbox" / "riff.wav"))
        show_but_not_record(publisher, finished, monkeypatch)
        (root / "outbox" / "riff.dsp.wav").unlink()
        publisher.release([finished])
        claims.close()
    assert visible(root / "outbox").keys() == {"riff.dsp.wav", "riff.tcn.wav", "same.dsp.wav"}


def test_outputs_that_are_lost_with_their_attempt_before_they_are_recorded_are_made_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(load_settings(root).database_url) as store:
        publisher = make_publisher(root, store)
        claims = Claims(root / "inbox")
        finished = finish(publisher, take(claims, root / "inbox" / "riff.wav"))
        show_but_not_record(publisher, finished, monkeypatch)
        (root / "outbox" / "riff.tcn.wav").unlink()
        shutil.rmtree(finished.attempt)
        with pytest.raises(Unfinished):
            publisher.release([finished])
        publisher.release([finish(publisher, finished.claim)])
        claims.close()
    assert visible(root / "outbox").keys() == {"riff.dsp.wav", "riff.tcn.wav", "same.dsp.wav"}


@pytest.mark.parametrize(("is_old", "waits"), [(True, False), (False, False), (True, True)])
def test_what_a_killed_command_published_and_never_recorded_is_taken_back_after_a_day(
    root: Path, monkeypatch: pytest.MonkeyPatch, is_old: bool, waits: bool
) -> None:
    with open_store(load_settings(root).database_url) as store:
        claims = Claims(root / "inbox")
        publisher = make_publisher(root, store)
        finished = finish(publisher, take(claims, root / "inbox" / "riff.wav"))
        show_but_not_record(publisher, finished, monkeypatch)
        assert len(visible(root / "outbox")) == 3
        for path in (root / "outbox" / ".attempts").iterdir():
            if is_old:
                os.utime(path, (0, 0))
        make_publisher(root, store).remove_strays({finished.claim.id} if waits else set())
        claims.close()
    names = {"riff.dsp.wav", "riff.tcn.wav", "same.dsp.wav"}
    assert visible(root / "outbox").keys() == ({"same.dsp.wav"} if is_old and not waits else names)
    left = [path.name.split(".")[0] for path in (root / "outbox" / ".attempts").iterdir()]
    assert ("names" in left) == (waits or not is_old)


def test_a_sound_that_is_just_being_added_again_is_not_trimmed_away_from_its_record(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(load_settings(root).database_url) as store:
        claims = Claims(root / "inbox")
        publisher = make_publisher(root, store)
        publisher.release([finish(publisher, take(claims, root / "inbox" / "riff.flac"))])
        dataset = publisher.settings.dataset
        trim = Thread(target=trim_dataset, args=(store, dataset, 0.0))
        record = store.record_runs

        def trim_first(entries: Sequence[tuple[Run, Example | None]]) -> list[str]:
            trim.start()
            trim.join(1.0)
            return record(entries)

        assert [example.subset for example in store.examples()] == ["training"]
        with monkeypatch.context() as patch:
            patch.setattr(store, "record_runs", trim_first)
            publisher.release([finish(publisher, take(claims, root / "inbox" / "same.wav"))])
        trim.join()
        claims.close()
        files = {str(path.relative_to(dataset)) for path in dataset.rglob("*") if path.is_file()}
        assert files == {example.path for example in store.examples()}
