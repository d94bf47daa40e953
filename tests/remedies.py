"""Whether the tests of what fxd has to survive fail without their remedies: `python -m tests.remedies`.

Each remedy is taken out of a copy of the sources, and the test that guards it is run there: it has to fail.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
SPARED = (".git", ".venv", "build", "db", "inbox", "outbox", "models", "__pycache__")
TESTS_FAILED = 1
"""What pytest ends with then; other codes mean that it could not run them."""
DEADLINE_SECONDS = "15"
"""For what will never come."""


@dataclass(frozen=True)
class Remedy:
    """A part of the product that nothing is lost by."""

    name: str
    file: str
    text: str
    """As it stands there, once."""
    without: str
    """What stands there where the remedy is taken out."""
    test: str


WATCH, INBOX = "fxd/pipeline/watch.py", "fxd/pipeline/inbox.py"
FILES, CLAIMS, WORKERS = "fxd/pipeline/files.py", "fxd/pipeline/claims.py", "fxd/pipeline/workers.py"
SQLITE = "fxd/store/sqlite.py"

REMEDIES = (
    Remedy(
        "a file that is renamed into the inbox is hinted at by its new name",
        WATCH,
        'event.dest_path if event.event_type == "moved" else event.src_path',
        "event.src_path",
        "tests/pipeline/test_watch.py::test_a_file_is_seen_however_it_arrives",
    ),
    Remedy(
        "a watcher is replaced where its thread died",
        WATCH,
        "if not all(emitter.is_alive() for emitter in self.observer.emitters):",
        "if False:",
        "tests/pipeline/test_watch.py::test_a_watcher_whose_thread_died_is_replaced",
    ),
    Remedy(
        "after a flood of events the folder is looked through",
        WATCH,
        " or (was_flooded and not self.is_flooded)",
        "",
        "tests/pipeline/test_watch.py::"
        "test_after_a_flood_of_events_the_folder_is_looked_through_for_those_that_were_dropped",
    ),
    Remedy(
        "where no events come the folder is looked at again and again",
        WATCH,
        "settings.rescan_seconds if is_told else settings.settle_seconds",
        "1e9",
        "tests/pipeline/test_watch.py::test_where_no_events_come_the_folder_is_looked_at_again_and_again",
    ),
    Remedy(
        "an inbox that the system has no watch left for is looked through",
        WATCH,
        "            if error.errno not in NO_WATCHES:\n                raise\n",
        "            raise\n",
        "tests/pipeline/test_watch.py::"
        "test_where_the_system_has_no_watch_left_the_folder_is_looked_at_again_and_again",
    ),
    Remedy(
        "what is archived is not found again on a disk that ignores case",
        INBOX,
        " or (own in self.own_folders and has_another_spelling(self.root / own))",
        "",
        "tests/pipeline/test_inbox.py::"
        "test_on_a_disk_that_ignores_case_own_folders_are_left_alone_however_they_are_written",
    ),
    Remedy(
        "no output is taken for a run's own by another way of writing its name",
        "fxd/pipeline/names.py",
        "        return is_known and not any(",
        "        return is_known or any(",
        "tests/pipeline/test_names.py::"
        "test_on_a_disk_that_ignores_case_nobodys_output_is_replaced_however_alike",
    ),
    Remedy(
        "an outbox behind a link into the inbox is refused",
        "fxd/config.py",
        "if lies_in(folder, home / settings.paths.inbox):",
        "if home / settings.paths.inbox in folder.parents:",
        "tests/test_config.py::test_results_may_not_get_into_the_inbox_by_another_path",
    ),
    Remedy(
        "a file that a writer has open is not complete",
        INBOX,
        "return still_seconds > OPEN_PATIENCE_SECONDS or not is_open_for_writing(candidate.path)",
        "return True",
        "tests/pipeline/test_inbox.py::test_a_still_file_that_somebody_has_open_for_writing_is_not_complete",
    ),
    Remedy(
        "only regular files are taken",
        INBOX,
        "    if not stat.S_ISREG(status.st_mode):\n        return None\n",
        "",
        "tests/pipeline/test_inbox.py::test_only_regular_files_are_taken",
    ),
    Remedy(
        "a file that is found by the scan is watched before it counts as complete",
        INBOX,
        "Candidate(path, found, now + hold_seconds, datetime.now(UTC), next_look)",
        "Candidate(path, found, 0.0, datetime.now(UTC), 0.0)",
        "tests/pipeline/test_inbox.py::"
        "test_an_old_file_found_by_the_scan_is_watched_before_it_counts_as_complete",
    ),
    Remedy(
        "a claim is not taken where its file changed meanwhile",
        CLAIMS,
        "        if claim.changed():\n            self.give_back(claim)\n            return None\n",
        "",
        "tests/pipeline/test_claims.py::test_a_file_that_changed_since_it_was_seen_is_not_taken",
    ),
    Remedy(
        "a folder that became a link is not followed",
        CLAIMS,
        "        if lies_below_link(self.inbox, candidate.path):\n            return None\n",
        "",
        "tests/pipeline/test_claims.py::"
        "test_a_folder_that_became_a_link_since_its_file_was_seen_is_not_followed",
    ),
    Remedy(
        "a claim's folder is there for good before its file is",
        CLAIMS,
        "            for run_id in self.ready:\n"
        "                (self.folder / run_id).mkdir()\n"
        "            sync_folder(self.folder)\n",
        "            for run_id in self.ready:\n                (self.folder / run_id).mkdir()\n",
        "tests/crash/test_durability.py::"
        "test_a_power_cut_while_files_are_claimed_loses_none_and_doubles_none",
    ),
    Remedy(
        "a file is synced before it has its name",
        FILES,
        "        sync_file(temporary)\n        appear(temporary, final)\n",
        "        appear(temporary, final)\n",
        "tests/crash/test_durability.py::test_a_file_that_was_written_whole_is_whole_and_stays",
    ),
    Remedy(
        "a move never replaces what is there",
        FILES,
        "        os.link(source, final, follow_symlinks=False)\n",
        "        shutil.copyfile(source, final)\n",
        "tests/pipeline/test_files.py::test_moving_never_replaces",
    ),
    Remedy(
        "of two that choose one name at once neither replaces the other's output",
        FILES,
        "        os.link(temporary, final, follow_symlinks=False)\n",
        "        temporary.replace(final)\n",
        "tests/pipeline/test_names.py",
    ),
    Remedy(
        "a killed worker is replaced, and its attempt told",
        WORKERS,
        "        except (EOFError, OSError):\n            return self.bury()\n",
        "        except (EOFError, OSError):\n            return None\n",
        "tests/pipeline/test_workers.py::test_a_killed_worker_is_replaced_and_its_attempt_told",
    ),
    Remedy(
        "a worker that hangs is ended",
        WORKERS,
        "        if now - self.moved > self.limits.stall_seconds:\n",
        "        if now - self.moved > 1e9:\n",
        "tests/pipeline/test_workers.py::test_a_worker_that_hangs_is_ended",
    ),
    Remedy(
        "a worker that takes too much memory is ended",
        WORKERS,
        "> (limit := self.limits.memory_limit_mb):",
        "> (limit := 1e9):",
        "tests/pipeline/test_workers.py::test_a_worker_that_takes_too_much_memory_is_ended",
    ),
    Remedy(
        "a worker ends itself when its daemon is killed",
        WORKERS,
        "    threading.Thread(target=end_with_parent, daemon=True).start()\n",
        "",
        "tests/pipeline/test_workers.py::test_a_worker_ends_itself_when_its_daemon_is_killed",
    ),
    Remedy(
        "what is committed stays so through a power cut",
        SQLITE,
        "synchronous = EXTRA",
        "synchronous = FULL",
        "tests/crash/test_durability.py::test_a_file_is_recorded_for_good_or_it_waits",
    ),
    Remedy(
        "a database that was taken away is not replaced by an empty one",
        SQLITE,
        "?mode=rw",
        "?mode=rwc",
        "tests/store/test_sqlite.py::test_nothing_is_written_into_a_file_that_was_taken_away",
    ),
    Remedy(
        "an empty database is not made where the training set of one is",
        "fxd/store/database.py",
        "    refuse_to_forget(path)\n    try:\n",
        "    try:\n",
        "tests/store/test_sqlite.py::test_no_empty_database_is_put_where_one_is_gone_from_its_training_set",
    ),
    Remedy(
        "a journal of SQLite is changed only when nobody else is at it",
        SQLITE,
        "            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:\n"
        "                raise\n",
        "            raise\n",
        "tests/store/test_sqlite.py::test_the_change_of_the_journal_waits_for_others",
    ),
    Remedy(
        "what steers a terminal stands there as an escape",
        FILES,
        "    return STEERING.sub(lambda match: escape(match[0]), text)\n",
        "    return text\n",
        "tests/pipeline/test_files.py::test_a_name_that_is_no_utf8_or_carries_escapes_is_shown_harmlessly",
    ),
)


@contextmanager
def sources_without(remedy: Remedy, folder: Path) -> Iterator[None]:
    """The sources in `folder`, for a while without the remedy. Raises SystemExit where it is not in them."""
    path = folder / remedy.file
    whole = path.read_text(encoding="utf-8")
    if whole.count(remedy.text) != 1:
        sys.exit(
            f"{remedy.name}: {remedy.file} holds {remedy.text!r} {whole.count(remedy.text)} times, not once: "
            "write down in tests/remedies.py what the remedy looks like now"
        )
    path.write_text(whole.replace(remedy.text, remedy.without), encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(whole, encoding="utf-8")


def run_test(test: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--timeout", "90", test],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder), "FXD_TEST_DEADLINE_SECONDS": DEADLINE_SECONDS},
        capture_output=True,
        text=True,
        check=False,
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", help="those that have this in their name")
    options = parser.parse_args()
    silent = 0
    with tempfile.TemporaryDirectory(prefix="fxd-remedies-") as place:
        folder = Path(place) / "sources"
        shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*SPARED))
        print("| taken out | test | what it says then |\n|---|---|---|")
        for remedy in REMEDIES:
            if options.only and options.only not in remedy.name:
                continue
            with sources_without(remedy, folder):
                done = run_test(remedy.test, folder)
            if done.returncode != TESTS_FAILED:
                silent += 1
                print(done.stdout[-2000:], done.stderr[-2000:], file=sys.stderr)
            print(f"| {remedy.name} | `{remedy.test.rpartition('/')[2]}` | {verdict(done)} |", flush=True)
    if silent:
        print(f"{silent} remedies can be taken out, and nothing tells", file=sys.stderr)
    return 1 if silent else 0


def verdict(done: "subprocess.CompletedProcess[str]") -> str:
    if done.returncode != TESTS_FAILED:
        return f"**nothing** (pytest ended with {done.returncode})"
    errors = [line[1:].strip() for line in done.stdout.splitlines() if line.startswith("E  ")]
    return "fails: " + (errors[0] if errors else "see its output").replace("|", "/")[:90]


if __name__ == "__main__":
    sys.exit(main())
