"""How good models are for what they cost: `python -m experiments.quality MODEL... --elsewhere FOLDER`.

MODEL is a model's folder (all factory models). The clips that a model never heard judge it and, with
`--elsewhere`, the sounds of a folder. Speed is of whole files, one core: all models take turns, and the median
of nine rounds counts.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np

from experiments.material import CLIPS, Pairs, examples, judge, pairs_of, sounds
from fxd.engines.engine import Array, render
from fxd.engines.tcn import MODEL_SAMPLE_RATE, Tcn, load_weights
from fxd.factory import FACTORY
from fxd.training.models import WEIGHTS_NAME, ModelCard, read_card

ROUNDS = 9
SECONDS = 10
"""Of noise that is timed."""
MANY = 20
"""Of more sounds than these the worst tenth is told beside the worst."""


def unheard(card: ModelCard) -> list[Path]:
    """The clips that a model is judged by: it never learned from them."""
    contents = [example.content_sha256 for example in examples(CLIPS)]
    return [clip for clip, content in zip(CLIPS, contents, strict=True) if content not in card.trained_on]


def x_realtime(engines: Sequence[Tcn]) -> list[float]:
    """Seconds of sound a second, for each engine."""
    noise: Array = (
        np.random.default_rng(0).normal(0, 0.1, (1, SECONDS * MODEL_SAMPLE_RATE)).astype(np.float32)
    )
    taken: list[list[float]] = [[] for _ in engines]
    for _ in range(ROUNDS + 1):  # the first is the warm-up
        for engine, own in zip(engines, taken, strict=True):
            began = time.perf_counter()
            render(engine, noise, MODEL_SAMPLE_RATE)
            own.append(time.perf_counter() - began)
    return [SECONDS / median(own[1:]) for own in taken]


def figures(model: Tcn, pairs: Pairs) -> str:
    """Cells: the median, of many what one in ten lies above, and the worst."""
    scores = np.array(list(judge(model.model, pairs).values()))
    tenth = [np.percentile(scores, 90)] if len(scores) > MANY else []
    return " | ".join(f"{score:.1f}" for score in (np.median(scores), *tenth, scores.max()))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    own = sorted(path.parent for path in FACTORY.glob(f"*/{WEIGHTS_NAME}"))
    parser.add_argument("models", type=Path, nargs="*", default=own, help="folders of models")
    parser.add_argument("--elsewhere", type=Path, help="a folder of other sounds that judge")
    parser.add_argument("--count", type=int, default=60, help="how many of them (60)")
    options = parser.parse_args()
    models = [(read_card(folder), Tcn(load_weights(folder / WEIGHTS_NAME))) for folder in options.models]
    models.sort(key=lambda pair: pair[1].model.architecture.multiply_adds)
    elsewhere = pairs_of(sounds(options.elsewhere, options.count)) if options.elsewhere else {}
    print(
        "| preset | multiply-adds a frame | x realtime | minutes | steps | held out: median | worst |", end=""
    )
    many = len(elsewhere) > MANY
    print(f" elsewhere: median |{' worst tenth |' * many} worst |" if elsewhere else "")
    print("|---|--:|--:|--:|--:|--:|--:|" + ("--:|" * (2 + many) if elsewhere else ""))
    for (card, engine), speed in zip(models, x_realtime([engine for _, engine in models]), strict=True):
        cost = f"{engine.model.architecture.multiply_adds:,} | {speed:.0f} | {card.train_seconds / 60:.0f}"
        row = f"| `{card.preset}` | {cost} | {card.steps:,} | {figures(engine, pairs_of(unheard(card)))} |"
        print(row + (f" {figures(engine, elsewhere)} |" if elsewhere else ""), flush=True)


if __name__ == "__main__":
    main()
