"""The learning curve of a retraining, as a small picture in the page."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fxd.store.records import CurvePoint
from fxd.training.progress import minutes

WIDTH, HEIGHT = 420.0, 190.0
LEFT, RIGHT, TOP, BOTTOM = 36.0, 10.0, 12.0, 26.0
MOST_POINTS = 300
STEPS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)


@dataclass(frozen=True)
class Line:
    name: str
    """`validation` or `loss`."""
    path: str
    """Of an SVG."""
    end: tuple[float, float]


@dataclass(frozen=True)
class Curve:
    """A drawing in units of its own: WIDTH to the right, HEIGHT down."""

    lines: tuple[Line, ...]
    levels: tuple[tuple[float, str], ...]
    """Where horizontal lines are, and what stands before them."""
    moments: tuple[tuple[float, str], ...]
    """The same for the time below them."""
    label: str
    """What the picture says, for those who do not see it."""
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    bottom: float = HEIGHT - BOTTOM


def curve_of(points: Sequence[CurvePoint]) -> Curve | None:
    """The drawing; None where there is nothing to draw yet."""
    thinned = points[:: math.ceil(len(points) / MOST_POINTS) or 1]
    if points and thinned[-1] is not points[-1]:
        thinned = [*thinned, points[-1]]
    named = {
        "loss": [(one.seconds, one.loss_db) for one in thinned if math.isfinite(one.loss_db)],
        "validation": [
            (one.seconds, one.validation_esr_db) for one in thinned if math.isfinite(one.validation_esr_db)
        ],
    }
    values = [value for line in named.values() for _, value in line]
    if not values:
        return None
    step = next((step for step in STEPS if max(values) - min(values) <= 4 * step), STEPS[-1])
    low, high = math.floor(min(values) / step) * step, math.ceil(max(values) / step) * step
    high = max(high, low + step)
    end = max(1.0, *(one.seconds for one in thinned))

    def place(seconds: float, value: float) -> tuple[float, float]:
        x = LEFT + seconds / end * (WIDTH - LEFT - RIGHT)
        y = TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)
        return round(x, 1), round(y, 1)

    lines = tuple(
        Line(name, path_of([place(*one) for one in line]), place(*line[-1]))
        for name, line in named.items()
        if line
    )
    levels = tuple(
        (place(0, low + number * step)[1], f"{low + number * step:.0f}".replace("-", "−"))
        for number in range(round((high - low) / step) + 1)
    )
    return Curve(
        lines, levels, ((place(0, low)[0], "0:00"), (place(end, low)[0], minutes(end))), told(named, end)
    )


def path_of(places: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x} {y}" for x, y in places)


def told(named: dict[str, list[tuple[float, float]]], end: float) -> str:
    """The curve in words."""
    line = named["validation"] or named["loss"]
    what = "validation error" if named["validation"] else "training error"
    values = [value for _, value in line]
    return (
        f"{what} from {values[0]:.1f} to {values[-1]:.1f} dB after {minutes(end)}, best {min(values):.1f} dB"
    )
