"""As many true changes as Apache Otava finds, and no more false ones, on the same series.

Otava is installed from PyPI into an environment of its own; without PyPI the test fails and says so.
"""

from pathlib import Path

import numpy as np
import pytest

from experiments.otava import KINDS, by_fxd, by_otava, environment, tally

SERIES = 10
"""Of each kind; the table in docs/statistics.md has 100."""


@pytest.mark.slow
def test_no_change_is_missed_that_otava_finds_and_none_made_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # for what builds of its requirements leave there
    python = environment(tmp_path / "otava")
    totals = np.zeros((3, 2), int)
    for kind in KINDS.values():
        series = [kind.series(seed) for seed in range(SERIES)]
        answers = [by_fxd(series), *by_otava(python, series)]
        totals += np.array([tally(answer, kind.changes) for answer in answers])
    (true, false), *others = totals.tolist()
    for other_true, other_false in others:
        assert true >= other_true
        assert false <= other_false
