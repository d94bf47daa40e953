"""How good a network becomes on recordings that it never heard: two thirds of the clips train, the last judges.

    python -m experiments.thirds --preset standard --minutes 10
    python -m experiments.thirds --preset compact --minutes 3 --third 2 --elsewhere /usr/share/hydrogen

One third after the other; the table at the end has every clip once. With `--elsewhere` each network is judged by
the sounds of that folder as well (Debian's hydrogen-drumkits and lmms-common have good ones), with `--into` it is
kept.
"""

import argparse
from collections.abc import Sequence, Set
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from experiments.material import (
    Pairs,
    examples,
    judge,
    one_third,
    pairs_of,
    sounds,
    source,
    summary,
    two_thirds,
)
from fxd.config import SaturatorSettings
from fxd.engines.settings_hash import settings_hash
from fxd.engines.tcn import PRESETS, TcnModel, save_weights
from fxd.factory.make import show_progress
from fxd.training.measuring import plan_for
from fxd.training.mixture import Mixture
from fxd.training.preparation import prepare
from fxd.training.trainer import Trained, train


def train_on(
    files: Sequence[Path],
    preset: str,
    seconds: float,
    seed: int,
    start: TcnModel | None = None,
    heard: Set[str] = frozenset(),
    known_steps: int = 0,
    rate: float | None = None,
) -> Trained:
    """What a retraining does with these sounds and no others, without a validation.

    It begins from zero, or from the model `start`, which has heard these contents in `known_steps`. `rate` is for
    another learning rate than a retraining's.
    """
    architecture, own = PRESETS[preset], source()
    prepare(architecture, "cpu")
    segments = Mixture(examples(files), own, seed, heard)
    plan = plan_for(architecture, segments, [], seconds, seed, "cpu", known_steps)
    if rate is not None:
        plan = replace(plan, learning_rate=rate)
    with TemporaryDirectory() as folder:
        return train(
            architecture,
            segments,
            [],
            plan,
            model_id="experiment",
            settings_hash=settings_hash(SaturatorSettings()),
            checkpoint=Path(folder) / "checkpoint",
            start=start,
            device="cpu",
            on_progress=show_progress(),
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", choices=PRESETS, default="standard")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--third", type=int, nargs="+", choices=(0, 1, 2), default=[0, 1, 2])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--elsewhere", type=Path, help="a folder of other sounds that judge")
    parser.add_argument("--count", type=int, default=50, help="how many of them (50)")
    parser.add_argument("--into", type=Path, help="a folder for the weights")
    options = parser.parse_args()
    if options.into:
        options.into.mkdir(parents=True, exist_ok=True)
    elsewhere: Pairs = pairs_of(sounds(options.elsewhere, options.count)) if options.elsewhere else {}
    scores: dict[str, float] = {}
    for third in options.third:
        trained = train_on(two_thirds(third), options.preset, 60 * options.minutes, options.seed)
        own = judge(trained.model, pairs_of(one_third(third)))
        scores |= own
        print(f"third {third}: {trained.steps} steps in {trained.seconds:.0f} s: {summary(own)}", flush=True)
        if elsewhere:
            print(f"third {third}, elsewhere: {summary(judge(trained.model, elsewhere))}", flush=True)
        if options.into:
            options.into.mkdir(parents=True, exist_ok=True)
            save_weights(options.into / f"{options.preset}-{third}.safetensors", trained.model)
    for name, esr_db in sorted(scores.items()):
        print(f"{name:<20} {esr_db:6.1f} dB")
    print(f"{options.preset}, {options.minutes:g} minutes: {summary(scores)}")


if __name__ == "__main__":
    main()
