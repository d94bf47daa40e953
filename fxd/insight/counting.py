"""Which runs each measure counts, and what their values are: the one place where runs are left out of figures.

timing    not of cold workers unless groups are told and there is nothing else, and of machines that can be set
          side by side
quality   not of sounds that the model of the run had trained on: its error there says little of others
the rest  every run that is done
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fxd.insight.heard import Heard, heard_rows
from fxd.insight.machines import Timing, timing_of
from fxd.insight.stats import QUALITY, TIMING, Series, values_of
from fxd.store.measurements import Measurements
from fxd.store.store import Store


@dataclass(frozen=True)
class Counted:
    """Many runs, and what of them counts; each column is [rows], oldest first."""

    measured: Measurements
    cold: NDArray[np.bool_]
    heard: NDArray[np.int8]
    timing: Timing
    series: Sequence[Series]
    counts_cold: bool = False
    """Whether cold workers count in timing, as all that could be told were cold."""

    def values(self, series: Series) -> NDArray[np.float64]:
        """One measure of each row; nan where it does not count or is no finite number."""
        measure = series[1]
        values = values_of(self.measured, series)
        if measure in TIMING:
            values = self.timing.scaled(measure, values)
            values[~self.timing.rows] = np.nan
            if not self.counts_cold:
                values[self.cold] = np.nan
        if measure in QUALITY:
            values[self.heard == Heard.YES] = np.nan
        return values

    def notes(self, failed: int) -> list[str]:
        """What is in no figure and why, in sentences; `failed` runs are in none at all."""
        measures = {measure for _, measure in self.series}
        said = self.left_out_of_timing() if measures & TIMING else []
        if measures & set(QUALITY):
            said += self.left_out_of_quality()
        if failed:
            said.append(f"left out of all: {runs(failed)} that failed")
        return said

    def left_out_of_timing(self) -> list[str]:
        said = [self.timing.told] if self.timing.told else []
        if cold := int(self.cold.sum()):
            said.append(
                f"counted in timing: {runs(cold)} of cold workers, as there are no others"
                if self.counts_cold
                else f"left out of timing: {runs(cold)} of cold workers"
            )
        return said

    def left_out_of_quality(self) -> list[str]:
        said = []
        if heard := int((self.heard == Heard.YES).sum()):
            said.append(
                f"left out of quality: {runs(heard)} of sounds that their own model had trained on (heard)"
            )
        if unknown := int((self.heard == Heard.UNKNOWN).sum()):
            said.append(
                f"counted in quality: {runs(unknown)} of which nobody knows whether the model had trained on the "
                "sound, as an older fxd recorded it or the model is gone"
            )
        return said


def runs(count: int) -> str:
    return f"{count:,} run" if count == 1 else f"{count:,} runs"


def counted(store: Store, measured: Measurements, series: Sequence[Series], each_apart: bool) -> Counted:
    """What counts of `measured`, which holds content keys and the columns of `series`."""
    cold = np.asarray(measured.warm_up) != 0
    timing = timing_of(store, measured, each_apart)
    heard = heard_rows(store.trained_on, measured)
    return Counted(measured, cold, heard, timing, series, counts_cold=not (timing.rows & ~cold).any())
