"""Which runs are of sounds that their own model had trained on: its error there is lower than on others.

Only the model of the run counts: what a later model trains on makes an earlier run no better.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from fxd.store.records import Run

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fxd.store.measurements import Measurements

TrainedOn = Callable[[str], frozenset[str] | None]
"""Content hashes of what the model of this id trained on; None where nobody knows."""

KEPT = 4
"""Models whose sounds are held at a time: runs come in the order of time, so one serves many in a row."""


class Heard(IntEnum):
    """Whether the model of a run had trained on its sound."""

    NO = 0
    YES = 1
    UNKNOWN = -1
    """An older fxd did not record which sound it was, or the model is gone."""


def heard_runs(trained_on: TrainedOn, runs: Sequence[Run]) -> list[Heard]:
    """Of each of `runs`; a run without a result of the tcn has no model, so none that heard it."""
    known = lru_cache(KEPT)(trained_on)
    return [heard_run(known, run) for run in runs]


def heard_run(trained_on: TrainedOn, run: Run) -> Heard:
    version = next((result.version for result in run.results if result.engine == "tcn"), None)
    return heard_sound(trained_on, version, run.content_sha256)


def heard_sound(trained_on: TrainedOn, version: str | None, content: str | None) -> Heard:
    """Whether the model of this id had trained on this content; None is no model, and a sound nobody recorded."""
    if version is None:
        return Heard.NO
    sounds = trained_on(version)
    if sounds is None or content is None:
        return Heard.UNKNOWN
    return Heard.YES if content in sounds else Heard.NO


def heard_rows(trained_on: TrainedOn, measured: Measurements) -> NDArray[np.int8]:
    """The same of each row of `measured`, which holds content keys."""
    import numpy as np

    versions, keys = np.asarray(measured.version["tcn"].codes), np.asarray(measured.content_key)
    found = np.full(len(measured), Heard.NO, np.int8)
    for code, version in enumerate(measured.version["tcn"].texts):
        own = versions == code
        sounds = trained_on(version)
        if sounds is None:
            found[own] = Heard.UNKNOWN
            continue
        found[own & np.isin(keys, keys_of(sounds))] = Heard.YES
        found[own & (keys == 0)] = Heard.UNKNOWN
    return found


def keys_of(contents: frozenset[str]) -> NDArray[Any]:
    """The keys by which `Measurements` tell these contents apart."""
    import numpy as np

    from fxd.store.measurements import text_key

    return np.fromiter((text_key(content) for content in contents), np.int64, len(contents))
