"""Whether starting from the champion is worth it: ten nights with a set that grows, warm beside cold.

    python -m experiments.nights --seconds 45 --elsewhere /usr/share/hydrogen --into nights
    python -m experiments.nights --seconds 45 --first 8 --nights 2 --into weak

Each night new recordings arrive, and a network is trained on all that there are: warm from the network of the
night before, as a retraining does, and cold from zero, for the same time. The first night has no champion, so it
is cold for both. Three judges: clips that are never trained on, the recordings of the first night (they would
tell of forgetting), and with `--elsewhere` the sounds of a folder.

Every warm network follows the one before it, better or not: no promotion helps out, and no validation takes its
pick. What was measured is kept in a folder, and goes on where it was interrupted. With `--long` there is a last
cold training, on everything and for as long as all nights together.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

from experiments.material import CLIPS, Pairs, examples, judge, pairs_of, sounds
from experiments.thirds import train_on
from fxd.engines.tcn import PRESETS, load_weights, save_weights

ARRIVALS = (
    ("ambi_piano", "bass_voxy_c", "guit_harmonics"),
    ("drum_roll", "loop_breakbeat"),
    ("bass_woodsy_c", "loop_drone_g_97"),
    ("loop_tabla",),
    ("loop_electric",),
    ("loop_compus",),
    ("loop_safari",),
    ("loop_mika",),
    ("loop_mehackit1",),
    ("loop_weirdo",),
)
"""The clips of each night: strings and keys first, drums from the second night on, mixes last."""
HELD_OUT = ("bass_thick_c", "guit_e_fifths", "loop_amen", "perc_bell")
COLD, WARM, LONG = "cold", "warm", "cold, all nights' time"

Scores = Mapping[str, float]


def clips(names: Sequence[str]) -> list[Path]:
    return [clip for clip in CLIPS if clip.stem in names]


def arrived(night: int) -> list[Path]:
    """What has come by a night; they count from 1."""
    return clips([name for names in ARRIVALS[:night] for name in names])


class Nights:
    """The nights in a folder, as far as they have come."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self.folder = folder
        self.options = options
        self.log = folder / "nights.jsonl"
        self.judges: dict[str, Pairs] = {
            "held out": pairs_of(clips(HELD_OUT)),
            "the first night's": pairs_of(clips(ARRIVALS[0])),
        }
        if options.elsewhere:
            self.judges["elsewhere"] = pairs_of(sounds(options.elsewhere, options.count))

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []

    def weights(self, name: str, night: int) -> Path:
        return self.folder / f"{name}-{night}.safetensors"

    def run(self) -> None:
        for night in range(1, self.options.nights + 1):
            seconds = self.options.first if night == 1 else self.options.seconds
            self.train(COLD, night, seconds)
            if night > 1:
                self.train(WARM, night, seconds)
                for rate in self.options.rates:
                    self.train(f"{WARM} {rate:g}", night, seconds, rate)
        if self.options.long:
            total = self.options.first + (self.options.nights - 1) * self.options.seconds
            self.train(LONG, self.options.nights, total)

    def train(self, name: str, night: int, seconds: float, rate: float | None = None) -> None:
        """One network of one line, unless it is there already; at another learning rate than a retraining's."""
        taken = {(line["line"], line["night"]): line["steps"] for line in self.lines()}
        if (name, night) in taken:
            return
        seed, files = self.options.seed, arrived(night)
        if name in (COLD, LONG):
            trained = train_on(files, self.options.preset, seconds, seed)
        else:
            start = load_weights(self.weights(COLD if night == 2 else name, night - 1))
            heard = {example.content_sha256 for example in examples(arrived(night - 1))}
            known = taken[COLD, 1] + sum(taken[name, earlier] for earlier in range(2, night))
            # Probes and variations of its own for each night, as a retraining has them.
            trained = train_on(files, self.options.preset, seconds, seed + night, start, heard, known, rate)
        save_weights(self.weights(name, night), trained.model)
        facts: dict[str, Any] = {"line": name, "night": night, "steps": trained.steps}
        facts["scores"] = {which: judge(trained.model, pairs) for which, pairs in self.judges.items()}
        with self.log.open("a") as file:
            print(json.dumps(facts), file=file)
        told = ", ".join(f"{which} {cell(scores)}" for which, scores in facts["scores"].items())
        print(f"night {night}, {name}: {trained.steps} steps, {told}", flush=True)


def cell(scores: Scores) -> str:
    return f"{median(scores.values()):.1f} / {max(scores.values()):.1f}"


def print_table(lines: Sequence[Mapping[str, Any]]) -> None:
    """In Markdown: median / worst in dB, and below it what each line differs from cold by."""
    names = list(dict.fromkeys(line["line"] for line in lines))
    judges = list(lines[0]["scores"])
    table: dict[tuple[str, int], Mapping[str, Scores]] = {
        (line["line"], line["night"]): line["scores"] for line in lines
    }
    columns = [(which, name) for which in judges for name in names if name != LONG]
    print("| night | " + " | ".join(f"{which}: {name}" for which, name in columns) + " |")
    print("|---" * (1 + len(columns)) + "|")
    nights = sorted({line["night"] for line in lines})
    for night in nights:
        scores = [(table.get((name, night), {}), which) for which, name in columns]
        cells = [cell(own[which]) if which in own else "" for own, which in scores]
        print(f"| {night} | " + " | ".join(cells) + " |")
    print()
    for name in names:
        if name == LONG:
            print(
                f"{name}: " + ", ".join(f"{which} {cell(table[name, nights[-1]][which])}" for which in judges)
            )
        elif name != COLD:
            print(
                f"{name} against cold: " + ", ".join(f"{which} {gap(table, name, which)}" for which in judges)
            )


def gap(table: Mapping[tuple[str, int], Mapping[str, Scores]], name: str, which: str) -> str:
    """What the medians and the worst files differ by, in the mean over the nights; below zero it is better."""
    nights = [night for line, night in table if line == name]
    pairs = [(table[name, night][which].values(), table[COLD, night][which].values()) for night in nights]
    by_median = mean(median(own) - median(other) for own, other in pairs)
    by_worst = mean(max(own) - max(other) for own, other in pairs)
    return f"{by_median:+.1f} / {by_worst:+.1f} dB"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", choices=PRESETS, default="compact")
    parser.add_argument("--seconds", type=float, default=45, help="the budget of each training (45)")
    parser.add_argument("--first", type=float, help="that of the first night, where it differs")
    parser.add_argument("--nights", type=int, choices=range(2, 11), default=10, metavar="N", help="(10)")
    parser.add_argument(
        "--rates", type=float, nargs="+", default=[], help="warm lines with other learning rates"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--elsewhere", type=Path, help="a folder of other sounds that judge")
    parser.add_argument("--count", type=int, default=40, help="how many of them (40)")
    parser.add_argument("--long", action="store_true", help="a cold training of all nights' time as well")
    parser.add_argument("--into", type=Path, default=Path("nights"), help="a folder for all of it (nights)")
    options = parser.parse_args()
    options.first = options.first or options.seconds
    options.into.mkdir(parents=True, exist_ok=True)
    nights = Nights(options.into, options)
    nights.run()
    print_table(nights.lines())


if __name__ == "__main__":
    main()
