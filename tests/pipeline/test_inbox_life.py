"""The promise, over everything that people, programs and accidents may do to an inbox, in any order.

Every file that was completely written into the inbox ends in `done` with both outputs and exactly one record, or
in `failed` with a reason; whatever is visible in the outbox is whole; what fxd did not make is left alone.

The daemon is the real one but for its processes: the workers are functions, its clock is set by hand, and it is
killed by an exception that no clean-up survives. `make survive` runs many more examples.
"""

import os
import shutil
from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest
import soundfile
from finishing import FRAMES, level_of
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from inbox_life import END, Fate, Life, kind_of, new_home

from fxd.pipeline.archive import LATE_SECONDS

NAMES = ("riff.wav", "riff.flac", "riff.2.wav", "riff.dsp.wav", "sub/riff.wav", "caf\udce9.wav")
OUTPUTS = ("riff.dsp.wav", "riff.2.tcn.wav", "sub", "riff")
KINDS = ("GOOD", "GOOD", "GOOD", "BAD", "KILL")
PIECES = 3
"""In which a slow writer writes its file."""

names = st.sampled_from(NAMES)
seconds = st.sampled_from([0.1, 2.0, 70.0])
fates = st.one_of(st.just(Fate()), st.builds(Fate, st.sampled_from(["kill", "fail"]), st.integers(1, 90)))


class Writer:
    """A program that keeps its file open and writes a piece of it now and then."""

    def __init__(self, path: Path, content: bytes, now: float) -> None:
        size = len(content) // PIECES + 1
        self.pieces = [content[start : start + size] for start in range(0, len(content), size)]
        self.content = content
        self.is_late = False
        """Whether it has made a longer pause than fxd waits for."""
        path.parent.mkdir(exist_ok=True)
        self.file = path.open("xb", buffering=0)
        self.inode = path.stat().st_ino
        self.write(now)

    def write(self, now: float) -> bool:
        """Write one more piece; true once that was the last."""
        self.wrote_at = now
        self.file.write(self.pieces.pop(0))
        if not self.pieces:
            self.file.close()
        return not self.pieces


class InboxLife(RuleBasedStateMachine):
    """What happens to one home."""

    @initialize()
    def begin(self) -> None:
        self.root = new_home()
        self.inbox = self.root / "inbox"
        self.away = self.root / "away"
        self.outside = self.root / "outside"
        self.outside.mkdir()
        self.number = 0
        self.owed: Counter[bytes] = Counter()
        """Contents that lie or lay in the inbox, completely written, and how often."""
        self.forgiven: set[bytes] = set()
        """Contents that somebody removed together with the inbox, at whatever stage, or wrote too slowly."""
        self.mine: dict[Path, str] = {}
        """Files in the outbox that fxd did not make."""
        self.writers: list[Writer] = []
        self.life = Life(self.root)

    # --- what people and programs do

    @property
    def is_plugged(self) -> bool:
        return self.inbox.is_dir()

    def new_content(self, kind: str) -> bytes:
        self.number += 1
        return f"{kind} {self.number} ".encode().ljust(30, b".") + END

    def place(self, name: str) -> Path:
        path = self.inbox / name
        path.parent.mkdir(exist_ok=True)
        return path

    @precondition(lambda self: self.is_plugged)
    @rule(name=names, kind=st.sampled_from(KINDS))
    def drop(self, name: str, kind: str) -> None:
        path = self.place(name)
        if not path.exists():
            path.write_bytes(content := self.new_content(kind))
            self.owed[content] += 1

    @precondition(lambda self: self.is_plugged and self.owed)
    @rule(name=names, data=st.data())
    def drop_a_copy(self, name: str, data: st.DataObject) -> None:
        content = data.draw(st.sampled_from(sorted(self.owed)))
        path = self.place(name)
        if not path.exists():
            path.write_bytes(content)
            self.owed[content] += 1

    @precondition(lambda self: self.is_plugged)
    @rule(name=names, kind=st.sampled_from(KINDS))
    def rename_in(self, name: str, kind: str) -> None:
        """It replaces what was there and not yet claimed."""
        part = self.outside / "part"
        part.write_bytes(content := self.new_content(kind))
        self.lose(self.place(name))
        part.rename(self.inbox / name)
        self.owed[content] += 1

    @precondition(lambda self: self.is_plugged)
    @rule(name=names)
    def rename_away(self, name: str) -> None:
        self.lose(self.inbox / name)
        if (self.inbox / name).exists():
            (self.inbox / name).rename(self.outside / "taken")

    @precondition(lambda self: self.is_plugged)
    @rule(name=names)
    def delete(self, name: str) -> None:
        self.lose(self.inbox / name)
        (self.inbox / name).unlink(missing_ok=True)

    def lose(self, path: Path) -> None:
        """Somebody takes away what lies there, if anything does."""
        if path.exists():
            inode = path.stat().st_ino
            unfinished = [writer for writer in self.writers if writer.inode == inode]
            for writer in unfinished:
                self.give_up(writer)
            content = path.read_bytes()
            if not unfinished and content not in self.forgiven:
                self.owed[content] -= 1

    def give_up(self, writer: Writer) -> None:
        writer.file.close()
        self.writers.remove(writer)

    @precondition(lambda self: self.is_plugged)
    @rule(name=names)
    def begin_to_write(self, name: str) -> None:
        path = self.place(name)
        if not path.exists():
            self.writers.append(Writer(path, self.new_content("GOOD"), self.life.now))

    @precondition(lambda self: self.writers)
    @rule()
    def write_on(self) -> None:
        writer = self.writers.pop(0)
        pause = self.life.now - writer.wrote_at
        if not writer.write(self.life.now):
            writer.is_late = writer.is_late or pause > LATE_SECONDS
            self.writers.append(writer)
        elif writer.is_late or pause > LATE_SECONDS:
            # It may lie in quarantine as cut off, and nobody looks at it there any more.
            self.forgiven.add(writer.content)
        else:
            self.owed[writer.content] += 1

    @rule(name=st.sampled_from(OUTPUTS))
    def put_into_the_outbox(self, name: str) -> None:
        path = self.root / "outbox" / name
        if not path.exists():
            path.write_text(f"mine {name}")
            self.mine[path] = path.read_text()

    @rule(name=names, fate=fates)
    def process_by_hand(self, name: str, fate: Fate) -> None:
        """`fxd process`, on a file that lies elsewhere, into the same outbox."""
        content = self.new_content("GOOD")
        self.forgiven.add(content)
        self.life.process_by_hand(self.outside / "by hand" / str(self.number), name, content, fate)

    # --- what happens to the disk

    @precondition(lambda self: self.is_plugged)
    @rule()
    def unplug(self) -> None:
        self.inbox.rename(self.away)

    @precondition(lambda self: not self.is_plugged)
    @rule()
    def plug(self) -> None:
        self.away.rename(self.inbox)

    @precondition(lambda self: self.is_plugged)
    @rule()
    def recreate(self) -> None:
        shutil.rmtree(self.inbox)
        self.inbox.mkdir()
        self.forgiven |= self.owed.keys() | {writer.content for writer in self.writers}
        self.owed.clear()
        for writer in list(self.writers):
            self.give_up(writer)

    # --- what the daemon does

    @rule(seconds=seconds, rounds=st.integers(1, 4), fate=fates)
    def work(self, seconds: float, rounds: int, fate: Fate) -> None:
        self.life.work(seconds, fate, rounds)

    @rule(fate=fates)
    def work_for_long(self, fate: Fate) -> None:
        """So long that a file that somebody keeps open is taken, and quarantined as it is cut off."""
        self.life.work(70.0, fate, rounds=8)

    @rule(fate=fates)
    def kill_and_restart(self, fate: Fate) -> None:
        self.life.kill()
        self.life.start(fate)

    @precondition(lambda self: self.is_plugged)
    @rule(fate=fates)
    def end_and_restart(self, fate: Fate) -> None:
        self.life.end(fate)
        self.life.start()

    # --- the promise

    @invariant()
    def whatever_is_visible_is_whole(self) -> None:
        for path in self.visible():
            assert soundfile.info(os.fsencode(path)).frames == FRAMES, path

    @invariant()
    def nothing_is_lost(self) -> None:
        found = self.contents(self.inbox if self.is_plugged else self.away)
        missing = [content for content, count in self.owed.items() if found[content] < count]
        assert not missing

    @invariant()
    def what_fxd_did_not_make_is_left_alone(self) -> None:
        assert {path: path.read_text() for path in self.mine} == self.mine

    def teardown(self) -> None:
        try:
            if hasattr(self, "life"):
                self.come_to_an_end()
                self.check_the_end()
        finally:
            if hasattr(self, "life"):
                self.life.close()
                for writer in list(self.writers):
                    self.give_up(writer)
                shutil.rmtree(self.root)

    def come_to_an_end(self) -> None:
        if not self.is_plugged:
            self.plug()
        while self.writers:
            self.write_on()
        idle = 0
        for _ in range(200):
            self.life.work(70.0)
            idle = idle + 1 if self.life.dispatcher.is_idle else 0
            if idle == 3:
                return
        raise AssertionError("it does not come to an end")

    def check_the_end(self) -> None:
        self.whatever_is_visible_is_whole()
        self.what_fxd_did_not_make_is_left_alone()
        runs = self.life.store.runs(1000)
        recorded = Counter(run.sha256 for run in runs if run.state == "done")
        done, failed = (self.contents(self.inbox / name) for name in ("done", "failed"))
        outputs: dict[str, str] = {}
        for run in reversed(runs):
            outputs |= {result.output: run.sha256 for result in run.results}
        for content, count in self.owed.items():
            good = kind_of(content) == "GOOD"
            assert (done[content], failed[content]) == ((count, 0) if good else (0, count)), content
            assert recorded[sha256(content).hexdigest()] == (count if good else 0), content
        self.check_reasons()
        self.check_outputs(outputs)
        assert not list((self.inbox / ".claimed").glob("*/*/*")), "a claim is left"
        assert not [path for path in self.inbox.rglob("*") if self.is_waiting(path)], "a file is left"

    def check_reasons(self) -> None:
        failed = self.inbox / "failed"
        files = [path for path in failed.rglob("*") if path.is_file()]
        notes = {path for path in files if path.name.endswith(".error.txt")}
        assert {path.with_name(path.name + ".error.txt") for path in files if path not in notes} == notes
        assert all("Reason:   " in note.read_text() for note in notes)

    def check_outputs(self, outputs: dict[str, str]) -> None:
        """Every recorded output is there, and holds what was made of its file; nothing else is there."""
        known = {sha256(content).hexdigest(): content for content in (*self.owed, *self.forgiven)}
        forgiven = {level_of(content) for content in self.forgiven}
        visible = {
            self.life.publisher.text(path.relative_to(self.root / "outbox")): path for path in self.visible()
        }
        levels = {name: sound_of(path) for name, path in visible.items()}
        for name, digest in outputs.items():
            assert levels.pop(name) == level_of(known[digest]), name
        assert not {name: level for name, level in levels.items() if level not in forgiven}, "doubled"

    def visible(self) -> list[Path]:
        outbox = self.root / "outbox"
        paths = (path for path in outbox.rglob("*") if path.is_file() and path not in self.mine)
        return [path for path in paths if path.relative_to(outbox).parts[0] != ".attempts"]

    def is_waiting(self, path: Path) -> bool:
        return path.is_file() and path.relative_to(self.inbox).parts[0] not in ("done", "failed", ".claimed")

    @staticmethod
    def contents(folder: Path) -> Counter[bytes]:
        return Counter(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def sound_of(path: Path) -> float:
    """Every output holds one value."""
    return float(soundfile.read(os.fsencode(path), dtype="float32")[0][0])


COMMON = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}


class TestInboxLife(InboxLife.TestCase):  # type: ignore[misc, name-defined]
    """A sample, always the same one."""

    settings = settings(max_examples=25, stateful_step_count=25, derandomize=True, **COMMON)


@pytest.mark.slow
@pytest.mark.timeout(3600)
class TestInboxLifeAtLength(InboxLife.TestCase):  # type: ignore[misc, name-defined]
    """New ones every time."""

    settings = settings(max_examples=1000, stateful_step_count=50, **COMMON)
