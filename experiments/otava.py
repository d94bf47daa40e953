"""Found changes and false ones, beside Apache Otava, on synthetic series whose changes are known.

    python -m experiments.otava                        100 series of each kind, some minutes; prints Markdown
    python -m experiments.otava --environment otava    keeps Otava's own virtual environment there

Otava (once DataStax Hunter) looks for changes in the results of benchmarks: E-divisive means within windows,
then Student's t-test. It runs as it comes (p below 0.001, windows of 50), and again with the floor of 5 %
that fxd has. Series are speeds around 80 with 5 % of noise. Every series is looked at alone, so fxd's control
over many does nothing here. A change is found where one is reported within FIVE runs of it, each report
counting once; all other reports are false.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np

from fxd.insight.changes import find_changes
from fxd.insight.energy import Values
from fxd.insight.series import LEAST_RATIO

OTAVA = "apache-otava==0.8.0"
FIVE = 5
LEVEL, NOISE = 80.0, 0.05
Noise = Callable[[np.random.Generator, int], Values]

# Runs in Otava's environment: series in, indexes of changes out.
ASK = """
import json, sys
from otava.analysis import compute_change_points
series = json.load(sys.stdin)
def ask(values, floor):
    return [int(point.index) for point in compute_change_points(values, 50, 0.001, floor)[0]]
json.dump([[ask(values, floor) for values in series] for floor in map(float, sys.argv[1:])], sys.stdout)
"""


@dataclass(frozen=True)
class Kind:
    """Series of one kind: `levels` are pairs of a length and a factor on the speed."""

    levels: Sequence[tuple[int, float]]
    noise: Noise

    @property
    def changes(self) -> list[int]:
        return list(accumulate(length for length, _ in self.levels[:-1]))

    def series(self, seed: int) -> Values:
        rng = np.random.default_rng(seed)
        factors = np.concatenate([np.full(length, factor) for length, factor in self.levels])
        return np.asarray(LEVEL * factors * np.exp(NOISE * self.noise(rng, len(factors))))


def normal(rng: np.random.Generator, count: int) -> Values:
    return rng.normal(size=count)


def heavy(rng: np.random.Generator, count: int) -> Values:
    return np.clip(rng.standard_t(2, count), -20, 20)


def hiccups(rng: np.random.Generator, count: int) -> Values:
    """One run in fifty takes three times as long."""
    return rng.normal(size=count) - (rng.random(count) < 0.02) * math.log(3) / NOISE


def alike(rng: np.random.Generator, count: int) -> Values:
    """Each half of the one before: AR(1)."""
    values = rng.normal(size=count + 50)
    for place in range(1, len(values)):
        values[place] = 0.5 * values[place - 1] + math.sqrt(0.75) * values[place]
    return values[50:]


KINDS: Mapping[str, Kind] = {
    "nothing": Kind([(200, 1)], normal),
    "nothing, heavy tails (t, 2 degrees)": Kind([(200, 1)], heavy),
    "nothing, 2 % hiccups of three times": Kind([(200, 1)], hiccups),
    "nothing, neighbours alike (AR 0.5)": Kind([(200, 1)], alike),
    "10 % slower, the last 20 runs": Kind([(200, 1), (20, 0.9)], normal),
    "10 % slower, half of 200": Kind([(100, 1), (100, 0.9)], normal),
    "10 % slower, half of 200, hiccups": Kind([(100, 1), (100, 0.9)], hiccups),
    "20 % slower, half of 200, heavy tails": Kind([(100, 1), (100, 0.8)], heavy),
    "15 % slower for 40 of 300": Kind([(130, 1), (40, 0.85), (130, 1)], normal),
    "five levels of 60": Kind([(60, 1), (60, 0.88), (60, 1), (60, 1.12), (60, 1)], normal),
    "20 % slower, half of 200, alike": Kind([(100, 1), (100, 0.8)], alike),
}


def by_fxd(series: Sequence[Values]) -> list[list[int]]:
    floor = math.log(LEAST_RATIO)
    return [[cut.index for cut in find_changes([np.log(values)], [floor])[0]] for values in series]


def by_otava(python: Path, series: Sequence[Values]) -> list[list[list[int]]]:
    """As it comes, and with fxd's floor."""
    told = json.dumps([values.tolist() for values in series])
    command = [str(python), "-I", "-c", ASK, "0", str(LEAST_RATIO - 1)]
    done = subprocess.run(command, input=told, stdout=subprocess.PIPE, text=True, check=True)
    found: list[list[list[int]]] = json.loads(done.stdout)
    return found


def tally(found: Sequence[Sequence[int]], changes: Sequence[int]) -> tuple[int, int]:
    """How many changes were found in all series, and how many reports were false."""
    true = false = 0
    for reports in found:
        open_changes = list(changes)
        for report in reports:
            near = [change for change in open_changes if abs(change - report) <= FIVE]
            if near:
                open_changes.remove(near[0])
                true += 1
            else:
                false += 1
    return true, false


def environment(folder: Path) -> Path:
    """The Python of an environment with Otava in it, made where it is missing."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", OTAVA]
        subprocess.run(command, check=True, stdout=sys.stderr)
    return python


def compare(python: Path, count: int) -> None:
    print("| series | changes | fxd: found / false | Otava: found / false | Otava, 5 %: found / false |")
    print("|---|--:|--:|--:|--:|")
    totals = np.zeros((4, 2), int)
    for name, kind in KINDS.items():
        series = [kind.series(seed) for seed in range(count)]
        answers = [by_fxd(series), *by_otava(python, series)]
        tallies = [(len(kind.changes) * count, 0), *(tally(answer, kind.changes) for answer in answers)]
        totals += np.array(tallies)
        print(row(name, tallies), flush=True)
    print(row("**all**", totals.tolist()))


def row(name: str, tallies: Sequence[Sequence[int]]) -> str:
    cells = [f"{true} / {false}" for true, false in tallies[1:]]
    return f"| {name} | {tallies[0][0]} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--series", type=int, default=100, help="of each kind")
    parser.add_argument("--environment", type=Path, help="a folder for Otava; else one that goes again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fxd-otava-") as folder:
        compare(environment(options.environment or Path(folder) / "venv"), options.series)


if __name__ == "__main__":
    main()
