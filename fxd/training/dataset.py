"""The folder that keeps the dry sound of every training example: its names, its split, its size.

Only the dry sound is kept. The wet one is rendered from it when it is needed (`fxd.training.pairs`), with the
saturator settings of that day, so that a change of `[saturator]` leaves nothing behind that is out of date.
"""

from pathlib import Path

from loguru import logger

from fxd.pipeline.files import sync_folder
from fxd.store.records import Example, Subset
from fxd.store.store import Store

VALIDATION_ONE_IN = 5


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
    """Remove training examples, oldest first, until the set is no larger than `max_gb` (10^9 bytes).

    Validation examples stay, whatever their size: models are compared on them. Returns what was removed.
    """
    excess = store.dataset_bytes() - max_gb * 1e9
    removed: list[Example] = []
    for example in store.contents():
        if excess <= 0:
            break
        if example.subset == "training":
            remove(store, dataset, example)
            excess -= example.bytes
            removed.append(example)
    if excess > 0:
        logger.warning(
            "the validation sounds are {:.1f} GB more than [training] max_dataset_gb = {:g}; raise it",
            excess / 1e9,
            max_gb,
        )
    return removed


def remove(store: Store, dataset: Path, example: Example) -> None:
    # The file first: after a crash in between, the record still counts, and the next trim finishes the work.
    path = dataset / example.path
    path.unlink(missing_ok=True)
    if path.parent.exists():
        sync_folder(path.parent)
    store.remove_example(example.content_sha256)
