"""Changes and what coincides with them, in plain sentences."""

import math
from collections.abc import Sequence

from fxd.insight.plain import plain, short_id
from fxd.local_time import minute
from fxd.store.records import Change, Event

MODEL, ROLLBACK, SATURATOR, SOUNDS = "model", "rollback", "saturator", "sounds"
"""Kinds of events, beside the fields of an environment and the names of libraries."""
NAMES = {
    "host": "the host",
    "cpu": "the processor",
    "cores": "the number of cores",
    "threads": "the number of threads",
    "python": "Python",
}
UNITS = {
    "x_realtime": "times real time",
    "cpu_per_second": "ms for a second of sound",
    "esr_db": "dB ESR",
    "mrstft": "MR-STFT",
}


def sentence(change: Change) -> str:
    """A change in one sentence, with its time on the local clock."""
    engine, measure, _, where = change.series.split(" ", 3)
    scale = 1e3 if measure == "cpu_per_second" else 1.0
    before, after, low, high = (
        digits(scale * value, scale * change.before)
        for value in (change.before, change.after, change.low, change.high)
    )
    text = (
        f"{engine} {verdict(measure, change.before, change.after)} on {where} "
        f"from {minute(change.at)} "
        f"({before} to {after} {UNITS[measure]}, "
        f"95 % interval of the difference {low} to {high}); {coincidence(change)}"
    )
    return plain(text)


def verdict(measure: str, before: float, after: float) -> str:
    """What became of it.

    >>> verdict("x_realtime", 82.1, 72.3), verdict("esr_db", -50.0, -52.1)
    ('got 12 % slower', 'got 2.1 dB closer')
    """
    rose, percent = after > before, f"{abs(after / before - 1) * 100 if before else 0:.0f} %"
    match measure:
        case "x_realtime":
            return f"got {percent} {'faster' if rose else 'slower'}"
        case "cpu_per_second":
            return f"took {percent} {'more' if rose else 'less'} processor time"
        case "esr_db":
            return f"got {abs(after - before):.1f} dB {'worse' if rose else 'closer'}"
        case _:
            return f"got {percent} {'worse' if rose else 'closer'} in its spectra"


def coincidence(change: Change) -> str:
    """What else changed."""
    if not change.events:
        return "nothing that fxd keeps track of changed at that moment"
    if is_of_sounds(change):
        return "no model, setting or version changed at that moment, so it was the sounds that did"
    return f"at that moment {listed([told(event) for event in change.events])}"


def is_of_sounds(change: Change) -> bool:
    """Whether it is certain that only the material changed: nothing for anybody to look into."""
    return any(event.kind == SOUNDS for event in change.events)


def is_worse(change: Change) -> bool:
    """Whether it cost more or came less close from then on."""
    return (change.after > change.before) != (" x_realtime " in change.series)


def told(event: Event) -> str:
    """An event in words.

    >>> from datetime import UTC, datetime
    >>> told(Event("fxd", "0.1.0", "0.2.0", datetime(2026, 3, 1, tzinfo=UTC)))
    'fxd went from 0.1.0 to 0.2.0'
    """
    match event.kind:
        case "model":
            return f"model {short_id(event.after)} was promoted in place of {short_id(event.before)}"
        case "rollback":
            return f"fxd returned from model {short_id(event.before)} to {short_id(event.after)}"
        case "saturator":
            return f"the [saturator] settings went from {event.before} to {event.after}"
        case "sounds":
            return "the sounds changed"
    name = NAMES.get(event.kind, event.kind)
    if not event.before or not event.after:
        return f"{name} {event.after} came" if event.after else f"{name} {event.before} went"
    return f"{name} went from {event.before} to {event.after}"


def digits(value: float, of: float) -> str:
    """With as many decimals as three digits of `of` have.

    >>> digits(-10.26, 82.1), digits(72.0, 812.0), digits(0.0123, 0.211)
    ('-10.3', '72', '0.012')
    """
    decimals = max(0, 2 - math.floor(math.log10(abs(of)))) if of else 2
    return f"{value:,.{decimals}f}"


def listed(parts: Sequence[str]) -> str:
    """In a row.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))
