"""Two benchmarks, months apart perhaps: which contender became faster, which slower, and how sure that is.

Times of two machines say nothing about fxd. Where host or processor differ, speeds are therefore divided by
the multiply-add peak that was measured in the same rounds: what is compared then is how well each machine was
used. What is left is what a peak does not say: caches, memory, the load of other programs.

An interval holds what disturbed a run from repetition to repetition, not what disturbed all of the run. So a
contender is called faster or slower only where the intervals are apart and the medians differ by more than
`FLOOR`, and none is where a run was quick, began on a busy machine or has fewer than `ENOUGH` repetitions.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fxd.insight.bench.doubts import doubts
from fxd.insight.bench.figures import ENOUGH, Figure, quotient
from fxd.store.records import Bench, Environment

MACHINE = ("host", "cpu", "cores", "threads")
RESAMPLES, SEED = 2_000, 0
FLOOR = 0.05
"""What disturbs a run as a whole is in no interval: medians that are less apart count as unchanged."""
UNCLEAR = (
    "Differences are within what a quick or busy run can tell; run both again, whole, on a quiet machine."
)


def compare_benches(old: Bench, new: Bench) -> dict[str, Any]:
    """The contenders that both have, with new over old; more than 1 is faster.

    `{"old", "new", "normalised", "doubts", "notes", "rows", "only_old", "only_new", "verdict"}`. With doubts
    the verdict of every row is `unclear`.
    """
    normalised = any(getattr(old.environment, name) != getattr(new.environment, name) for name in MACHINE)
    before, after = speeds(old.document, normalised), speeds(new.document, normalised)
    described = {row["name"]: row for row in new.document["speed"]}
    rows = [
        {**place(described[name]), **change(before[name], after[name])} for name in after if name in before
    ]
    doubted = [
        f"the {side} one {doubt}"
        for side, bench in (("old", old), ("new", new))
        for doubt in doubts(bench.document)
    ]
    if doubted:
        rows = [{**row, "verdict": "unclear"} for row in rows]
    return {
        "old": head(old),
        "new": head(new),
        "normalised": normalised,
        "doubts": doubted,
        "notes": notes(old, new, normalised),
        "rows": rows,
        "only_old": [name for name in before if name not in after],
        "only_new": [name for name in after if name not in before],
        "verdict": verdict(rows, normalised),
    }


def head(bench: Bench) -> dict[str, Any]:
    own = bench.environment
    return {
        "id": bench.id,
        "started_at": bench.started_at.isoformat(),
        "host": own.host,
        "cpu": own.cpu,
        "fxd": bench.fxd,
    }


def speeds(document: Mapping[str, Any], normalised: bool) -> dict[str, Figure]:
    """Speed by the contender's name: times real time, or that for each multiply-add of the peak."""
    peaks = document["peak_multiply_adds"]["values"]
    return {
        row["name"]: quotient(row["x_realtime"]["values"], peaks) if normalised else row["x_realtime"]
        for row in document["speed"]
    }


def place(row: Mapping[str, Any]) -> dict[str, Any]:
    names = ("name", "engine", "subject", "form", "block", "channels", "sample_rate")
    return {name: row[name] for name in names}


def change(old: Figure, new: Figure) -> dict[str, Any]:
    """New over old with its interval, and in a word what their intervals and medians say.

    >>> from fxd.insight.bench.figures import figure
    >>> change(figure([10.0, 11.0, 12.0]), figure([20.0, 22.0, 24.0]))["verdict"]
    'faster'
    """
    ratio = new["median"] / old["median"]
    word = "unchanged"
    if new["ci95"][0] > old["ci95"][1] and ratio > 1 + FLOOR:
        word = "faster"
    if new["ci95"][1] < old["ci95"][0] and ratio < 1 / (1 + FLOOR):
        word = "slower"
    return {
        "old": old["median"],
        "new": new["median"],
        "ratio": ratio,
        "ci95": list(ratio_interval(old, new)),
        "verdict": word,
    }


def ratio_interval(old: Figure, new: Figure) -> tuple[float, float]:
    """Where the ratio of the medians lies with 95 % confidence: percentile bootstrap, each side for itself.

    Where either side has fewer than `ENOUGH` values, all that their ratios range over.
    Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, sections 8.3 and 13.3.
    """
    if min(old["n"], new["n"]) < ENOUGH:
        return min(new["values"]) / max(old["values"]), max(new["values"]) / min(old["values"])
    rng = np.random.default_rng(SEED)

    def medians(values: Sequence[float]) -> Any:
        drawn = rng.integers(len(values), size=(RESAMPLES, len(values)))
        return np.median(np.asarray(values)[drawn], axis=1)

    low, high = np.percentile(medians(new["values"]) / medians(old["values"]), (2.5, 97.5)).tolist()
    return low, high


def notes(old: Bench, new: Bench, normalised: bool) -> list[str]:
    """What else differs and may be the reason."""
    before, after = old.environment, new.environment
    said = [f"{name}: {one}, then {other}" for name, one, other in differences(before, after)]
    if normalised:
        said.append("not the same machine: speeds are divided by the multiply-add peak of their run")
    one, other = (bench.document["peak_multiply_adds"] for bench in (old, new))
    if not normalised and change(one, other)["verdict"] != "unchanged":
        ratio = other["median"] / one["median"]
        said.append(
            f"the machine itself ran at {100 * ratio:.0f} % (multiply-add peak): compare shares of the peak"
        )
    said += [f"{form}: {one}, then {other}" for form, one, other in other_paths(old.document, new.document)]
    if old.settings_hash != new.settings_hash:
        said.append("the [saturator] settings differ")
    if old.document["settings"] != new.document["settings"]:
        said.append("they did not measure equally long, or not as often")
    return said


def other_paths(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The forms that ran other code, wider vectors say: form, old and new path."""
    before, after = ({row["form"]: row["path"] for row in document["speed"]} for document in (old, new))
    return [
        (form, before[form], after[form]) for form in before if form in after and before[form] != after[form]
    ]


def differences(before: Environment, after: Environment) -> list[tuple[str, str, str]]:
    """What differs between two environments: name, old and new value, `none` where there is none."""
    fixed = (*MACHINE, "python", "fxd")
    found = [(name, str(getattr(before, name)), str(getattr(after, name))) for name in fixed]
    for name in sorted(before.libraries.keys() | after.libraries.keys()):
        found.append((name, before.libraries.get(name, "none"), after.libraries.get(name, "none")))
    return [(name, one, other) for name, one, other in found if one != other]


def verdict(rows: Sequence[Mapping[str, Any]], normalised: bool) -> str:
    """All in a sentence; only our own kernels can be fxd's merit or fault."""
    kernels = [row for row in rows if row["form"] == "kernel"]
    if not kernels:
        return "The two have no kernel in common."
    if any(row["verdict"] == "unclear" for row in kernels):
        return UNCLEAR
    measure = " for the machine's peak" if normalised else ""
    parts = []
    for word in ("faster", "slower"):
        changed = [row for row in kernels if row["verdict"] == word]
        if changed:
            most = max(changed, key=lambda row: abs(np.log(row["ratio"])))
            parts.append(f"{len(changed)} {word} (most of all {most['name']}: {most['ratio']:.2f} times)")
    unchanged = sum(row["verdict"] == "unchanged" for row in kernels)
    if unchanged:
        parts.append(f"{unchanged} unchanged (intervals overlap, or {100 * FLOOR:.0f} % apart at most)")
    return f"Of {len(kernels)} kernels measured in both{measure}: {', '.join(parts)}."
