"""What each choice of the recipe brings: one change at a time, at equal time.

    python -m experiments.ablation --steps 4000 --elsewhere /usr/share/hydrogen --into ablation.jsonl
    python -m experiments.ablation --table ablation.jsonl
    python -m experiments.ablation --model fxd/factory/standard --steps 8000 --into further.jsonl

Every variant trains on two thirds of the clips for as long as so many steps of the recipe take: before, both take
steps in turns, so that a machine whose speed changes disturbs none. Three seeds each. The last third and, with
`--elsewhere`, the sounds of a folder judge. What was measured is written line by line, and an ablation that was
interrupted goes on.

With `--model` every variant trains a model further, as a warm start does, on the clips that it knows; those that
it does not know judge. Variants of shape and initial weights are left out then. What is measured under other
conditions belongs into another file.
"""

import argparse
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, median

import numpy as np
import torch

from experiments.material import (
    CLIPS,
    Pairs,
    examples,
    judge,
    one_third,
    pairs_of,
    sounds,
    source,
    two_thirds,
)
from experiments.quality import unheard
from experiments.variants import VARIANTS, Chosen, Variant, WatchedLearner
from fxd.engines.engine import Array
from fxd.engines.tcn import PRESETS, TcnModel, load_weights
from fxd.training.learner import one_thread
from fxd.training.mixture import Mixture
from fxd.training.models import WEIGHTS_NAME, read_card
from fxd.training.plan import LEARNING_RATE, WARM_LEARNING_RATE
from fxd.training.renewal import Renewed

RECIPE = "the recipe"
FURTHER = 1000
"""Added to the seed of what is heard."""
ROUNDS = 40
"""Of seven, one measurement in five was wrong by a half where another process came and went."""
ROUND_STEPS = 5
"""At one of which the optimiser refreshes its bases."""
WARMING_STEPS = 40
"""Before, in which most sounds of the first pools are made, and all is compiled."""


class Average:
    """The mean of weights that are added one after the other."""

    def __init__(self) -> None:
        self.count = 0
        self.weights: dict[str, Array] = {}

    def add(self, weights: dict[str, Array]) -> None:
        self.count += 1
        for name, tensor in weights.items():
            before = self.weights.get(name, np.zeros_like(tensor))
            self.weights[name] = before + (tensor - before) / np.float32(self.count)


@dataclass(frozen=True)
class Conditions:
    """What all variants have in common."""

    preset: str
    files: Sequence[Path]
    """The clips to learn from."""
    steps: int
    """Of the recipe; a variant has as much time."""
    model: TcnModel | None = None
    """To train further; else from zero."""

    @property
    def rate(self) -> float:
        """Of learning, in shares of a variant's."""
        return WARM_LEARNING_RATE / LEARNING_RATE if self.model else 1.0

    def fit(self, variant: Variant) -> bool:
        """Whether the variant can be trained so: a model has its shape and its weights already."""
        return self.model is None or (variant.architecture is None and variant.scale == 1)

    def segments(self, variant: Variant, seed: int) -> Mixture:
        # A model that is trained further has heard what a training with the same seed hears.
        seed += FURTHER if self.model else 0
        heard = Mixture(examples(self.files), source(), seed)
        heard.shares = (variant.variations, variant.probes)
        heard.probes = Renewed(variant.scenes(seed), source().saturator)
        heard.candidates = variant.candidates
        return heard


class Training:
    """A training with a variant of the recipe, step by step."""

    def __init__(self, variant: Variant, conditions: Conditions, seed: int) -> None:
        model = conditions.model
        architecture = model.architecture if model else PRESETS[conditions.preset]
        self.architecture = variant.architecture(architecture) if variant.architecture else architecture
        self.variant = variant
        self.rate = conditions.rate * variant.learning_rate
        self.segments = Chosen(conditions.segments(variant, seed), variant.harder)
        self.learner = variant.learner(self.architecture, seed, torch.device("cpu"))
        if model:
            self.learner.network.load(model.weights)
        parameters = list(self.learner.network.parameters())
        self.learner.optimizer = variant.optimizer(parameters)  # type: ignore[assignment]
        with torch.no_grad():
            for parameter in parameters:
                parameter.mul_(variant.scale)
        self.rng = np.random.default_rng(seed)

    def sample(self, step: int) -> tuple[Array, Array]:
        context = self.architecture.receptive_field - 1
        return self.segments.sample(self.rng, self.variant.batch, self.variant.frames, context, step)

    def learn(self, step: int, share: float) -> None:
        dry, wet = self.sample(step)
        self.learner.step(dry, wet, self.rate * self.variant.schedule(share))
        if isinstance(self.learner, WatchedLearner):
            self.segments.learned(dry, wet, self.learner.errors)

    def run(self, steps: int) -> TcnModel:
        """All of it. A finisher's pass over a batch counts as a step."""
        finisher, average = self.variant.finisher, Average()
        passes = round(finisher.share * steps) if finisher else 0
        for step in range(steps - passes):
            self.learn(step, step / (steps - passes))
            if step >= (1 - self.variant.averaged) * steps:
                average.add(self.learner.network.weights())
        if finisher:
            batches = [self.sample(steps - passes) for _ in range(finisher.batches)]
            finisher.run(self.learner, batches, passes)
        weights = average.weights if average.count else self.learner.network.weights()
        return TcnModel("experiment", self.architecture, "", weights)

    def seconds(self, steps: int) -> float:
        """What so many steps take, and their share of the sounds that are made on the way."""
        began = time.perf_counter()
        for _ in range(steps):
            self.learn(0, 1.0)
        upkeep = self.segments.segments.upkeep_seconds(self.variant.batch * self.variant.frames)
        return time.perf_counter() - began + steps * upkeep


def cost(variant: Variant, conditions: Conditions, seed: int) -> float:
    """What a step costs, in steps of the recipe. They take turns, as a machine may slow down at any time."""
    pair = [Training(one, conditions, seed) for one in (variant, VARIANTS[RECIPE])]
    for one in pair:
        one.seconds(WARMING_STEPS)
    turns = [[one.seconds(ROUND_STEPS) for one in pair] for _ in range(ROUNDS)]
    return median(own / recipe for own, recipe in turns)


def figures(scores: Iterable[float]) -> tuple[float, float]:
    """The median, and what one in ten lies above; nan of none."""
    values = np.array(list(scores) or [np.nan])
    return float(np.median(values)), float(np.percentile(values, 90))


def measured(
    name: str, conditions: Conditions, seed: int, held_out: Pairs, elsewhere: Pairs
) -> dict[str, object]:
    variant, steps = VARIANTS[name], conditions.steps
    if name != RECIPE:
        steps = max(1, round(steps / cost(variant, conditions, seed)))
    model = Training(variant, conditions, seed).run(steps)
    facts: dict[str, object] = {"variant": name, "seed": seed, "steps": steps}
    facts["held out"] = list(judge(model, held_out).values())
    facts["elsewhere"] = list(judge(model, elsewhere).values())
    return facts


def print_table(lines: list[dict[str, object]]) -> None:
    """In Markdown: means over the seeds, the variant first that is best elsewhere, or held out without that."""
    rows = []
    for name in dict.fromkeys(str(line["variant"]) for line in lines):
        own = [line for line in lines if line["variant"] == name]
        held = [figures(line["held out"]) for line in own]  # type: ignore[arg-type]
        far = [figures(line["elsewhere"]) for line in own]  # type: ignore[arg-type]
        columns = [mean(pair[index] for pair in group) for group in (held, far) for index in (0, 1)]
        spread = max(pair[0] for pair in far) - min(pair[0] for pair in far)
        quality = columns[0] + columns[1] if np.isnan(columns[2]) else columns[2] + columns[3]
        rows.append((quality, name, mean(int(str(line["steps"])) for line in own), columns, spread))
    print(
        "| variant | steps | held out: median | worst tenth | elsewhere: median | worst tenth | seeds differ by |"
    )
    print("|---|---|---|---|---|---|---|")
    for _, name, steps, columns, spread in sorted(rows):
        cells = " | ".join(f"{column:.1f}" for column in columns)
        print(f"| {name} | {steps:,.0f} | {cells} | {spread:.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", choices=PRESETS, default="compact")
    parser.add_argument("--third", type=int, choices=(0, 1, 2), default=2)
    parser.add_argument(
        "--steps", type=int, default=8000, help="as long as so many of the recipe take (8000)"
    )
    parser.add_argument(
        "--model", type=Path, help="a model's folder: train it further, whatever preset and third"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--elsewhere", type=Path, help="a folder of other sounds that judge")
    parser.add_argument("--count", type=int, default=60, help="how many of them (60)")
    parser.add_argument("--into", type=Path, default=Path("ablation.jsonl"))
    parser.add_argument("--table", type=Path, help="print what was measured as a table, and measure nothing")
    options = parser.parse_args()
    path = options.table or options.into
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    if options.table:
        print_table(lines)
        return
    done = {(line["variant"], line["seed"]) for line in lines}
    conditions = Conditions(options.preset, two_thirds(options.third), options.steps)
    held_out = one_third(options.third)
    if options.model:
        card, model = read_card(options.model), load_weights(options.model / WEIGHTS_NAME)
        held_out = unheard(card)
        known = [clip for clip in CLIPS if clip not in held_out]
        conditions = replace(conditions, preset=card.preset, files=known, model=model)
    judges = pairs_of(held_out)
    elsewhere = pairs_of(sounds(options.elsewhere, options.count)) if options.elsewhere else {}
    names = [name for name in options.variants if conditions.fit(VARIANTS[name])]
    with one_thread():
        for seed in options.seeds:
            for name in names:
                if (name, seed) not in done:
                    facts = measured(name, conditions, seed, judges, elsewhere)
                    with path.open("a") as file:
                        print(json.dumps(facts), file=file)
                    print(name, seed, facts["steps"], flush=True)


if __name__ == "__main__":
    main()
