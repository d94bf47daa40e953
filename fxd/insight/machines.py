"""On which machines runs were timed, and how far these timings may be set side by side.

Times of two machines say nothing about fxd. So timing is told of one machine alone; or, where a benchmark of each
holds how many multiply-adds a second its core can do (the peak), of all of them, as on one of them:

    studio, peak 60 G/s     90 times real time
    laptop, peak 40 G/s     60 times real time: as on studio 60 * 60 / 40 = 90

What is left then is what a peak does not say: caches, memory, other programs. A benchmark that was quick or began
on a busy machine counts only where the machine has no other, and that is told. Threads are no matter of the peak:
machines with another number of them are never set side by side.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fxd.insight.plain import plain
from fxd.insight.sentences import listed
from fxd.store.benches import Benches
from fxd.store.records import Bench, Environment

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fxd.store.measurements import Measurements

FASTER_IS_MORE = frozenset(("x_realtime",))
REMEDY = "`fxd bench` on each lets them be compared by their multiply-add peaks"
BETTER = "`fxd bench` there again, whole and on a quiet machine, tells better"
BENCHES_READ = 20
"""The newest of a machine, among which one that leaves no doubt is looked for."""


@dataclass(frozen=True)
class Machine:
    """Within one, timings are comparable."""

    host: str
    cpu: str
    threads: int


@dataclass(frozen=True)
class Peak:
    """What a core of a machine can do, by one of its benchmarks."""

    multiply_adds: float
    """A second."""
    doubts: tuple[str, ...]
    """Why it is rough: what the benchmark was, as ends of sentences."""


@dataclass(frozen=True)
class Timing:
    """What the timings of some rows are worth."""

    rows: NDArray[np.bool_]
    """[rows]: whose timing counts."""
    factor: NDArray[np.float64]
    """[rows]: a speed times this, or a duration over it, is what the machine told of would have shown."""
    basis: str
    """"one machine", "normalised", "apart" where each number is its own machine's, or "none"."""
    told: str
    """A sentence for people; empty where all rows are of one machine."""
    where: str
    """The same as the end of a sentence: "on studio"."""

    def scaled(self, measure: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The values of a measure of timing, as on the machine told of."""
        return values * self.factor if measure in FASTER_IS_MORE else values / self.factor


def machine_of(environment: Environment) -> Machine:
    return Machine(environment.host, environment.cpu, environment.threads)


def machine_codes(measured: Measurements) -> tuple[NDArray[np.intp], list[Machine]]:
    """Which machine each row was timed on, as a place in the list."""
    import numpy as np

    machines = list(dict.fromkeys(map(machine_of, measured.environments.values())))
    places = {machine: place for place, machine in enumerate(machines)}
    of_environment = np.zeros(max(measured.environments, default=0) + 1, np.intp)
    for key, environment in measured.environments.items():
        of_environment[key] = places[machine_of(environment)]
    return of_environment[np.asarray(measured.environment)], machines


def labels(machines: Sequence[Machine]) -> dict[Machine, str]:
    """A short name for each: the host, with as much more as tells it from the others."""
    hosts = [machine.host for machine in machines]
    found = {}
    for machine in machines:
        same = [other for other in machines if other.host == machine.host]
        threads = f"{machine.threads} thread" + "s" * (machine.threads != 1)
        more = [threads] if len({other.threads for other in same}) > 1 else []
        more += [machine.cpu] if len({other.cpu for other in same}) > 1 else []
        found[machine] = plain(
            ", ".join([machine.host, *more]) if hosts.count(machine.host) > 1 else machine.host
        )
    return found


def peaks(store: Benches, machines: Collection[Machine]) -> dict[Machine, Peak]:
    """The peak of each machine, by its benchmarks; those without one are left out."""
    found = {
        machine: peak_of(store.benches_on(machine.host, machine.cpu, BENCHES_READ)) for machine in machines
    }
    return {machine: peak for machine, peak in found.items() if peak is not None}


def peak_of(benches: Iterable[Bench]) -> Peak | None:
    """By the first of the benchmarks that leaves no doubt, else by the first of all; None where there is none."""
    from fxd.insight.bench.doubts import doubts

    first = None
    for bench in benches:
        measured = float(bench.document["peak_multiply_adds"]["median"])
        peak = Peak(measured, tuple(doubts(bench.document)))
        if not peak.doubts:
            return peak
        first = first or peak
    return first


def can_be_normalised(machines: Collection[Machine], known: Mapping[Machine, Peak]) -> bool:
    return all(machine in known for machine in machines) and len({one.threads for one in machines}) == 1


def why_not(machines: Collection[Machine], known: Mapping[Machine, Peak]) -> str:
    """What keeps these machines from being set side by side, and what to do about it."""
    if len({machine.threads for machine in machines}) > 1:
        return "they gave the engines another number of threads, which no benchmark evens out"
    names = labels(list(machines))
    missing = ", ".join(names[machine] for machine in machines if machine not in known)
    return f"there is no benchmark of {missing}: {REMEDY}"


def normalised(
    codes: NDArray[np.intp], machines: Sequence[Machine], known: Mapping[Machine, Peak], on: int
) -> Timing:
    """All rows, as on machine number `on`."""
    import numpy as np

    names, reference = labels(machines), known[machines[on]].multiply_adds
    by_code = np.array(
        [reference / known[machine].multiply_adds if machine in known else np.nan for machine in machines]
    )
    where = f"as on {names[machines[on]]} by the multiply-add peaks of their benchmarks"
    told = f"timing of all machines is told {where}"
    rough = [
        f"that of {names[machine]} {listed(peak.doubts)}" for machine, peak in known.items() if peak.doubts
    ]
    if rough:
        told += f", though {listed(rough)}; {BETTER}"
    return Timing(np.isfinite(by_code)[codes], by_code[codes], "normalised", told, where)


def only_on(codes: NDArray[np.intp], machines: Sequence[Machine], on: int, because: str) -> Timing:
    """The rows of machine number `on` alone."""
    import numpy as np

    rows = codes == on
    name = labels(machines)[machines[on]] if machines else ""
    told = f"timing is of {name} alone, {rows.sum():,} of {len(rows):,} runs: {because}" if because else ""
    return Timing(rows, np.ones(len(rows)), "one machine", told, f"on {name}")


def apart(codes: NDArray[np.intp], because: str) -> Timing:
    """All rows, each with its own machine's numbers."""
    import numpy as np

    told = f"timing of two machines is not to be compared here: {because}"
    return Timing(np.ones(len(codes), bool), np.ones(len(codes)), "apart", told, "")


def timing_of(store: Benches, measured: Measurements, each_apart: bool) -> Timing:
    """How the timings of all rows are to be told side by side.

    `each_apart`: where machines cannot be set side by side each keeps its own numbers; else only the machine with
    the most runs has any.
    """
    import numpy as np

    codes, machines = machine_codes(measured)
    if len(machines) < 2:
        return only_on(codes, machines, 0, "")
    known = peaks(store, machines)
    if can_be_normalised(machines, known):
        return normalised(codes, machines, known, int(codes[-1]))
    because = why_not(machines, known)
    if each_apart:
        return apart(codes, because)
    return only_on(codes, machines, int(np.bincount(codes).argmax()), because)


def timing_between(
    store: Benches, measured: Measurements, first: NDArray[np.bool_], second: NDArray[np.bool_]
) -> Timing:
    """How the timings of two sides, given as their rows, may be compared: on one machine where both ran on it."""
    import numpy as np

    codes, machines = machine_codes(measured)
    here, there = (np.bincount(codes[rows], minlength=len(machines)) for rows in (first, second))
    used = [machine for machine, runs in zip(machines, here + there, strict=True) if runs]
    if np.minimum(here, there).any():
        on = int(np.minimum(here, there).argmax())
        shared = only_on(codes, machines, on, "")
        told = f"timing is compared {shared.where} alone, where both ran" if len(used) > 1 else ""
        return replace(shared, told=told)
    known = peaks(store, used)
    if here.any() and there.any() and can_be_normalised(used, known):
        return normalised(codes, machines, known, int(codes[second][-1]))
    because = why_not(used, known) if here.any() and there.any() else "one of the two has no runs"
    nothing = np.zeros(len(codes), bool)
    return Timing(nothing, np.ones(len(codes)), "none", f"timing is not compared: {because}", "")
