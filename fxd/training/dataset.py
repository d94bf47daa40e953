"""The folder that keeps the dry sound of every training example: its names, its split, its size.

Only the dry sound is kept. The wet one is rendered from it when it is needed (`fxd.training.pairs`), with the
saturator settings of that day, so that a change of `[saturator]` leaves nothing behind that is out of date.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock
from loguru import logger

from fxd.pipeline.files import sync_folders
from fxd.store.records import Example, Subset
from fxd.store.store import Store
from fxd.training.kinds import most_redundant_first

VALIDATION_ONE_IN = 5
VALIDATION_SECONDS = 3000
"""Of validation sounds that are kept however small the set must be."""
LOCK_NAME = "dataset.lock"
"""Beside the folder."""
LOCK_SECONDS = 10.0


def dry_path(dataset: Path, content_sha256: str, suffix: str) -> Path:
    """Where the dry sound with this content is kept; `suffix` is `.flac` or `.wav`.

    >>> dry_path(Path("db/dataset"), "ab12" * 16, ".flac").relative_to("db/dataset/ab").name[:8]
    'ab12ab12'
    """
    return dataset / content_sha256[:2] / (content_sha256 + suffix)


def subset_of(content_sha256: str) -> Subset:
    """Whether a sound is for training or for validation: one in five is for validation.

    It is so where the first 32 bits of the content hash, as a number, divide by five. This rule can never
    change: models remember what they trained on for as long as they exist, and a sound that moved over would
    be judged by a model that knows it. As only the content decides, a copy under another name or in another
    container falls on the same side.

    >>> subset_of("00000005" + "0" * 56), subset_of("00000006" + "0" * 56)
    ('validation', 'training')
    """
    return "validation" if int(content_sha256[:8], 16) % VALIDATION_ONE_IN == 0 else "training"


def trim_dataset(store: Store, dataset: Path, max_gb: float) -> list[Example]:
    """Remove examples until the set is no larger than `max_gb` (10^9 bytes), and return them."""
    removed = surplus(store, dataset, max_gb)
    remove(store, dataset, removed)
    tell_of(removed, max_gb)
    return removed


def surplus(store: Store, dataset: Path, max_gb: float) -> list[Example]:
    """The examples that have to go so that the set is no larger than `max_gb` (10^9 bytes).

    Of training sounds the most redundant first, the oldest of the kind that takes up most
    (`fxd.training.kinds`); of validation sounds only those that judge no model, see `beyond_judging`. A quarter
    of the room stays for training whatever the others take. Only the copies in `dataset` go, nobody's
    own files.
    """
    limit = max_gb * 1e9
    if store.dataset_bytes() <= limit:
        return []
    contents = contents_of(store, dataset)
    if size_of(contents) <= limit:
        return []  # what is more belongs to another home
    training = [example for example in contents if example.subset == "training"]
    validation = [example for example in contents if example.subset == "validation"]
    idle = beyond_judging(validation, limit)
    judging = size_of(validation) - size_of(idle)
    excess = size_of(training) - max(limit - judging, limit / 4)
    removed: list[Example] = []
    if excess > 0:
        for example in most_redundant_first(training):
            removed.append(example)
            excess -= example.bytes
            if excess <= 0:
                break
    if judging > limit * 3 / 4:
        logger.warning(
            "the validation sounds that judge take {:.3g} GB of [training] max_dataset_gb = {:g}; raise it",
            judging / 1e9,
            max_gb,
        )
    return removed + idle


def contents_of(store: Store, dataset: Path) -> list[Example]:
    """The examples that this home keeps.

    Several homes may share a database; a sound without a file here is then in the folder of another one, which
    alone can remove it. In the home's own database a crash, or somebody, took the file away from its record.
    """
    contents = store.contents()
    if Path(store.name).parent == dataset.parent:
        return contents
    return [example for example in contents if (dataset / example.path).exists()]


def tell_of(removed: Sequence[Example], max_gb: float) -> None:
    """Log what was removed."""
    for subset, which in (
        ("training", "of the kinds that it has most of, oldest first"),
        ("validation", "that judge no model"),
    ):
        if gone := [example for example in removed if example.subset == subset]:
            logger.info(
                "the {} set lost {} sounds ({:.3g} GB) {}: [training] max_dataset_gb = {:g}",
                subset,
                len(gone),
                size_of(gone) / 1e9,
                which,
                max_gb,
            )


def beyond_judging(validation: Sequence[Example], limit: float) -> list[Example]:
    """Of the validation sounds those that no model is judged by, where all are more than a share of the limit.

    Models are judged by those with the lowest content hashes (`fxd.training.validation`), five minutes in all;
    ten times as much stays in any case, as some are silent or known to a model.
    """
    seconds = size = 0.0
    ordered = sorted(validation, key=lambda example: example.content_sha256)
    for number, example in enumerate(ordered):
        size += example.bytes
        if seconds >= VALIDATION_SECONDS and size > limit / VALIDATION_ONE_IN:
            return ordered[number:]
        seconds += example.frames / example.sample_rate
    return []


def size_of(examples: Sequence[Example]) -> int:
    return sum(example.bytes for example in examples)


def remove(store: Store, dataset: Path, removed: Sequence[Example]) -> None:
    if not removed:
        return
    paths = [dataset / example.path for example in removed]
    with dataset_lock(dataset):
        # The files first: after a crash in between, the records still count, and the next trim finishes the work.
        for path in paths:
            path.unlink(missing_ok=True)
        sync_folders({path.parent for path in paths if path.parent.exists()})
        store.remove_examples([example.content_sha256 for example in removed])


@contextmanager
def dataset_lock(dataset: Path) -> Iterator[None]:
    """Keep others from changing the set while the block runs, so that what it finds there it can record.

    Raises OSError where somebody else keeps it for long. The system lifts it from a process that dies.
    """
    with FileLock(dataset.with_name(LOCK_NAME), timeout=LOCK_SECONDS):
        yield
