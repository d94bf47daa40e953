"""What a training is judged by: stretches of the validation sounds, which no model ever trains on.

Judging costs time that training could use, so all stretches together stay near five minutes. Many short ones
tell more than a few long ones, as it is files that differ: of few files up to a minute each is taken, of sixty
or more 5 seconds each. Where there are more files than fit, those with the lowest content hashes are taken:
the choice is as good as random, and yet the same from night to night.
"""

from collections.abc import Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor

from loguru import logger

from fxd.engines.tcn import MODEL_SAMPLE_RATE
from fxd.factory.clips import readable_clips
from fxd.store.records import Example
from fxd.training.pairs import PairSource, Part, is_silent
from fxd.training.trainer import ValidationPair

TOTAL_SECONDS = 300
LEAST_SECONDS = 5
MOST_SECONDS = 60
MOST_FILES = 300
"""However short they are: more would tell little, and the exact test takes their number to the power of three."""
TRIES = 5
"""Stretches that are looked at for one that is not silent, from the beginning of a file."""


def validation_pairs(
    examples: Sequence[Example], source: PairSource, threads: int = 1
) -> list[ValidationPair]:
    """One mono pair for each validation sound among `examples`, in the order of their content hashes.

    Each begins at rest, as an engine does, even where it was cut from the middle of a file. Silent sounds are
    left out. `threads` render them, and change nothing but the speed.
    """
    chosen = (example for example in examples if example.subset == "validation")
    return judging_pairs(sorted(chosen, key=lambda example: example.content_sha256), source, threads)


def judging_pairs(chosen: Sequence[Example], source: PairSource, threads: int = 1) -> list[ValidationPair]:
    """The same for these sounds, the first of them where they are too many."""
    seconds = max(LEAST_SECONDS, min(MOST_SECONDS, TOTAL_SECONDS // max(1, len(chosen))))
    pairs: list[ValidationPair] = []
    frames_left = TOTAL_SECONDS * MODEL_SAMPLE_RATE
    for pair in audible_pairs(chosen, source, seconds, threads):
        pairs.append(pair)
        frames_left -= len(pair.dry)
        if frames_left <= 0 or len(pairs) == MOST_FILES:
            break
    return pairs


def factory_pairs(source: PairSource, without: Set[str]) -> list[ValidationPair]:
    """The same for the clips that fxd brings along, but for those of these content hashes."""
    return judging_pairs([clip for clip in readable_clips() if clip.content_sha256 not in without], source)


def audible_pairs(
    chosen: Sequence[Example], source: PairSource, seconds: int, threads: int
) -> Iterator[ValidationPair]:
    """Of these sounds those that are not silent, rendered as far as they are asked for."""
    with ThreadPoolExecutor(threads) as pool:
        for first in range(0, len(chosen), threads):
            some = chosen[first : first + threads]
            found = pool.map(lambda example: audible_pair(example, source, seconds), some)
            yield from (pair for pair in found if pair is not None)


def audible_pair(example: Example, source: PairSource, seconds: int) -> ValidationPair | None:
    """The first stretch of a sound, in the first of its channels, that is not silent."""
    for part in stretches(example, seconds):
        pair = source.pair_at_rest(example, part)
        if pair is None:
            return None
        for dry, wet in zip(*pair, strict=True):
            if not is_silent(wet):
                return ValidationPair(example.content_sha256, dry.copy(), wet.copy())
    logger.info("{} is silent where it was listened to; it judges nothing", example.path)
    return None


def stretches(example: Example, seconds: int) -> Iterator[Part]:
    for start in range(0, TRIES * seconds, seconds):
        if start * example.sample_rate < example.frames:
            yield Part(start, start + seconds)
