"""Throws damaged sound files at the workers: `python -m tests.fuzz --count 20000`.

A run that was cut short goes on where it was. What finds something is kept in `build/fuzz/<seed>/findings`, with
a note of what was done to it, and `python -m tests.fuzz --replay FILE` tries it again. Exits with 1 where
something was found.
"""

import argparse
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from fxd.cores import usable_cores
from tests.fuzz.arena import Arena, Bout
from tests.fuzz.cases import cases, kept_case
from tests.fuzz.diary import Diary

SAVE_SECONDS = 5.0


def main() -> int:
    options = parsed()
    with os.fdopen(os.dup(1), "w") as screen:

        def tell(line: str) -> None:
            print(line, file=screen, flush=True)

        with tempfile.TemporaryDirectory(prefix="fxd-fuzz-", dir=options.scratch) as scratch:
            folder = options.folder.absolute() / f"{options.seed}{options.format}"
            replayed = [kept_case(path) for path in options.replay]
            arena = Arena(Path(scratch) / "arena", 1 if replayed else options.jobs)
            try:
                if replayed:
                    findings = [tell_bout(bout, tell) for bout in arena.run(replayed)]
                    return 1 if any(findings) else 0
                return fuzz(arena, Diary.open(folder), options, tell)
            except BaseException:
                # The arena has taken over what Python would print it to.
                tell(traceback.format_exc())
                raise
            finally:
                arena.close()


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description="Throws damaged sound files at fxd."
    )
    parser.add_argument(
        "--count", type=int, default=20_000, help="files in all, those of an earlier run included"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=len(usable_cores()), help="workers side by side")
    parser.add_argument("--format", default="", metavar="WAV", help="files of one container only")
    parser.add_argument("--folder", type=Path, default=Path("build/fuzz"), help="for findings and progress")
    parser.add_argument("--scratch", type=Path, help="for what workers write; a folder in memory is quicker")
    parser.add_argument("--replay", type=Path, nargs="+", default=[], metavar="FILE", help="only these files")
    return parser.parse_args()


def fuzz(arena: Arena, diary: Diary, options: argparse.Namespace, tell: Callable[[str], None]) -> int:
    """Throw what is left of the files, and tell how it goes; 1 where something was found, now or before."""
    first, next_save = diary.next, time.monotonic() + SAVE_SECONDS
    if first:
        tell(f"going on at {first}")
    began = time.monotonic()
    for bout in arena.run(cases(options.seed, first, options.count, options.format)):
        diary.note(bout)
        if bout.finding:
            tell(f"  {diary.findings[-1]}")
        if time.monotonic() >= next_save:
            next_save = time.monotonic() + SAVE_SECONDS
            diary.save()
            tell(progress(diary.next, options.count, (diary.next - first) / (time.monotonic() - began)))
    diary.save()
    for line in summary(diary):
        tell(line)
    return 1 if diary.findings else 0


def progress(done: int, count: int, pace: float) -> str:
    end = datetime.now() + timedelta(seconds=(count - done) / max(pace, 0.001))
    return f"{done} of {count}, {pace:.1f} files/s, done at {end:%H:%M}"


def summary(diary: Diary) -> list[str]:
    endings = ", ".join(f"{name} {count}" for name, count in sorted(diary.endings.items()))
    pace = diary.next / diary.seconds if diary.seconds else 0.0
    return [
        f"{diary.next} files in {diary.seconds:.0f} s, {pace:.1f} a second: {endings}",
        f"slowest {diary.slowest:.2f} s, most memory of a worker {diary.peak_mb:.0f} MB",
        *(
            f"{count:6} {reason}"
            for reason, count in sorted(diary.reasons.items(), key=lambda pair: -pair[1])[:30]
        ),
        f"{len(diary.findings)} findings, kept in {diary.folder / 'findings'}",
        *(f"  {finding}" for finding in diary.findings[:50]),
    ]


def tell_bout(bout: Bout, tell: Callable[[str], None]) -> bool:
    """Print how a file went; true where that is a finding."""
    tell(f"{bout.case.original}: {bout.ending} in {bout.seconds:.2f} s, {bout.peak_mb:.0f} MB; {bout.reason}")
    tell(f"  finding: {bout.finding}" if bout.finding else "  as it should be")
    return bool(bout.finding)


if __name__ == "__main__":
    sys.exit(main())
