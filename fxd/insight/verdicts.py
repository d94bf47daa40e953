"""What a comparison says, in a plain sentence for each measure."""

from fxd.bootstrap import FEWEST
from fxd.insight.comparing import Compared, files
from fxd.insight.machines import Timing
from fxd.insight.sides import Side
from fxd.insight.stats import TIMING

MORE_DIGITS_BELOW = 0.95
"""Decibels: 0.04 must not be told as 0.0."""
TWO_DECIMALS_FROM = 0.095
"""A ratio: 0.004 must not be told as 0.00."""


def sentence(one: Compared, sides: tuple[Side, Side], timing: Timing) -> str:
    """What one measure says of the two; where it says nothing, why."""
    engine, measure = one.series
    where = f", {timing.where}" if measure in TIMING and timing.where and sides[0].kind != "host" else ""
    if sides[0].kind == "host" and measure in TIMING and timing.basis == "normalised":
        where = f", {timing.where}"
    if measure in TIMING and timing.basis == "none":
        return timing.told
    if one.change is None or one.interval is None:
        return f"{measure} of the {engine}: {too_few(one, sides)}"
    a, b = sides
    if not one.is_sure:
        told = f"{b.subject(engine)} and {a.other(engine)} do not surely differ in {measure}: {size(one)}"
        told += " dB" * measure.endswith("_db")
        doubt = "; of so few files as many would agree by chance" if one.is_apart else ""
        return f"{told}, {interval(one)}, {basis(one)}{where}{doubt}"
    return f"{difference(one, a, b)}, {basis(one)}{where}"


def too_few(one: Compared, sides: tuple[Side, Side]) -> str:
    """Why there is no verdict."""
    if one.paired:
        said = f"only {files(one.files[0])} that count{'s' * (one.files[0] == 1)}"
        said = f"too few were processed by both: {said}, of {FEWEST} that are needed"
    else:
        counts = " and ".join(
            f"{files(count)} {side.other(one.series[0])}"
            for count, side in zip(one.files, sides, strict=True)
        )
        said = f"too few, and none that both processed: {counts}, of {FEWEST} each that are needed"
    remedy = f"; `fxd models compare {sides[0].label} {sides[1].label}` lets both play the same sounds"
    return said + (remedy if sides[0].kind == "model" else "")


def difference(one: Compared, a: Side, b: Side) -> str:
    """Who is better where that can be said, else how much more or less the second has."""
    engine, measure = one.series
    assert one.change is not None
    if measure in ("esr_db", "si_sdr_db"):
        closer = (one.change < 0) == (measure == "esr_db")
        better, worse = (b, a) if closer else (a, b)
        by = "" if measure == "esr_db" else " by si_sdr_db"
        closer_by = f"{db(one.change)} dB closer{by}"
        return f"{better.subject(engine)} is {closer_by} than {worse.other(engine)}, {interval(one)}"
    if measure == "x_realtime":
        faster, slower = (b, a) if one.change > 1 else (a, b)
        times = f"{ratio(max(one.change, 1 / one.change))} times as fast"
        return f"{faster.subject(engine)} is {times} as {slower.other(engine)}, {interval(one)}"
    if one.is_ratio:
        times = f"{ratio(one.change)} times the {measure}"
        return f"{b.subject(engine)} has {times} of {a.other(engine)}, {interval(one)}"
    more = "more" if one.change > 0 else "less"
    return (
        f"{b.subject(engine)} has {db(one.change)} {more} {measure} than {a.other(engine)}, {interval(one)}"
    )


def interval(one: Compared) -> str:
    """The interval as the sentence counts: without signs where the direction is told in words."""
    assert one.change is not None
    assert one.interval is not None
    low, high = one.interval
    if one.is_ratio:
        if one.series[1] == "x_realtime" and one.is_sure and one.change < 1:
            low, high = 1 / high, 1 / low
        return f"95 % interval {ratio(low)} to {ratio(high)}"
    if not one.is_sure:
        return f"95 % interval {signed(low)} to {signed(high)}"
    low, high = sorted((abs(low), abs(high)))
    return f"95 % interval {db(low)} to {db(high)}"


def basis(one: Compared) -> str:
    """How many sounds it rests on, and what kind of comparison it is."""
    if one.paired:
        return files(one.files[0])
    return f"unpaired, as no file was processed by both ({one.files[0]:,} and {files(one.files[1])})"


def size(one: Compared) -> str:
    """The change as it stands in a table: `-2.1`, or `x 1.42`."""
    if one.change is None:
        return "–"
    return f"× {ratio(one.change)}" if one.is_ratio else signed(one.change)


def db(value: float) -> str:
    """Without its sign.

    >>> db(-2.14), db(0.0423), db(12)
    ('2.1', '0.042', '12.0')
    """
    value = abs(value)
    return f"{value:.1f}" if value >= MORE_DIGITS_BELOW or value == 0 else f"{value:.2g}"


def ratio(value: float) -> str:
    """Two decimals, or three significant digits where these would leave too little, or need not be told.

    >>> ratio(1.42), ratio(0.5), ratio(0.0042345), ratio(0.00000123), ratio(15449.96), ratio(0.0)
    ('1.42', '0.50', '0.00423', '1.23e-06', '15,450', '0')
    """
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if value >= TWO_DECIMALS_FROM else f"{value:.3g}"


def signed(value: float) -> str:
    return f"-{db(value)}" if value < 0 else db(value)
