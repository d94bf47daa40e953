"""`python -m tests.crash`: interrupts fxd in every call that changes a disk, and checks the promise each time."""

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from .aftermath import ALL
from .attempt import Outcome, Point, attempt
from .explorer import Record, Target, chosen, explore, prepared, targets_of
from .progress import Progress
from .supervisor import Supervisor
from .trace import check_strace

PYTHON = "python -m tests.crash"


def main() -> int:
    """0 where the promise was kept at every point."""
    options = arguments()
    try:
        check_strace()
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="fxd-crash-homes-") as name:
        if options.replay:
            return replay(Point.parse(options.replay), Path(name))
        return explore_all(options, Path(name))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=PYTHON, description=__doc__)
    parser.add_argument("--scenario", action="append", choices=ALL, help="only this one; may be repeated")
    parser.add_argument("--what", action="append", help="only KILL, DEATH, ENOSPC, EIO or EACCES")
    parser.add_argument(
        "--sample", type=int, metavar="N", help="so many points, of as many kinds as possible"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument(
        "--resume", type=Path, metavar="FILE", help="keep the results there, and go on from them"
    )
    # An error makes a daemon pause for two seconds: of four points, two have something to do.
    parser.add_argument("--jobs", type=int, default=4, help="points side by side (4)")
    parser.add_argument("--replay", metavar="POINT", help="one point; tells all, and keeps the home")
    return parser.parse_args()


def explore_all(options: argparse.Namespace, folder: Path) -> int:
    with Supervisor(folder / "supervisor") as supervisor:
        ready = {name: prepared(supervisor, name, folder) for name in options.scenario or ALL}
        targets = [
            target
            for one in ready.values()
            for role in one.scenario.roles
            for target in targets_of(supervisor, one, role, folder / "reference")
            if not options.what or target.what in options.what
        ]
    print(f"{len(targets)} points in {len(ready)} scenarios", flush=True)
    if options.sample:
        targets = chosen(targets, options.sample, options.seed)
    record = Record(options.resume)
    progress = Progress(sum(target.key not in record.known for target in targets))

    def show(target: Target, outcome: Outcome) -> None:
        progress.tell(f"{target.site}\n    {PYTHON} --replay {outcome.point}", outcome.violations)

    explore(ready, targets, record, options.jobs, show)
    print(table(targets, record))
    return 1 if any(record.known[target.key]["violations"] for target in targets) else 0


def table(targets: Sequence[Target], record: Record) -> str:
    """Calls, points tried, points that were hit, violations; a row for each process and call."""
    rows: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for target in targets:
        entry = record.known.get(target.key)
        if entry is None:
            continue
        for key in ((target.scenario, target.role, target.site.call), ("all", "", "")):
            row = rows[key]
            row[0] += 1
            row[1] += entry["hit"] is not None
            row[2] += entry["violations"] != []
    lines = [f"{'scenario':<18} {'process':<10} {'call':<10} {'tried':>6} {'hit':>6} {'violations':>10}"]
    total = rows.pop(("all", "", ""), [0, 0, 0, 0])
    for (scenario, role, call), (tried, hit, broken, _) in [*sorted(rows.items()), (("all", "", ""), total)]:
        lines.append(f"{scenario:<18} {role:<10} {call:<10} {tried:>6} {hit:>6} {broken:>10}")
    return "\n".join(lines)


def replay(point: Point, folder: Path) -> int:
    """One point, verbosely; its home stays."""
    kept = Path(tempfile.mkdtemp(prefix="fxd-crash-replay-"))
    with Supervisor(folder / "supervisor") as supervisor:
        outcome = attempt(supervisor, prepared(supervisor, point.scenario, folder), point, kept)
    print(outcome.told)
    print(f"hit: {outcome.hit}")
    print("\n".join(outcome.violations) or "the promise was kept")
    print(f"home: {kept / 'home'}, trace: {kept / 'trace'}")
    return 1 if outcome.violations else 0


if __name__ == "__main__":
    sys.exit(main())
