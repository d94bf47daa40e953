"""One picture of a report: drawn by matplotlib, for a desk and for a phone, as SVG that lives in the page."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from markupsafe import Markup

from fxd.cache_folders import cache_folders
from fxd.insight.report.svg import GRID, INK, MUTED, svg_of

WIDE, NARROW = (8.6, 2.7), (4.4, 2.7)
"""Inches of 72 units: for a desk and for a phone, between which the style sheet chooses."""
MARGINS = (0.75, 0.5, 0.2, 0.3)
"""Inches left, below, right and above of the axes."""
Draw = Callable[[Any, dict[str, list[str]]], None]


def use_own_folder() -> None:
    """Keep matplotlib's list of fonts with fxd's own caches, and its user's settings out of the report."""
    if "MPLCONFIGDIR" in os.environ:
        return
    for folder in cache_folders():
        with suppress(OSError):
            (folder / "fxd" / "matplotlib").mkdir(parents=True, exist_ok=True)
            os.environ["MPLCONFIGDIR"] = str(folder / "fxd" / "matplotlib")
            return


def both_widths(name: str, label: str, draw: Draw, height: float = WIDE[1]) -> Markup:
    """The same picture for a desk and for a phone."""
    wide = picture(f"{name}-w", label, (WIDE[0], height), draw, "wide")
    return wide + picture(f"{name}-n", label, (NARROW[0], height), draw, "narrow")


def picture(name: str, label: str, size: tuple[float, float], draw: Draw, extra_class: str = "") -> Markup:
    use_own_folder()
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    settings: dict[Any, Any] = {
        **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor"), INK),
        **dict.fromkeys(("axes.edgecolor", "xtick.color", "ytick.color"), MUTED),
        "grid.color": GRID,
        "axes.facecolor": "none",
        "figure.facecolor": "none",
        "savefig.facecolor": "none",
        "svg.fonttype": "none",
        "svg.hashsalt": name,
        "font.size": 10.0,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "figure.dpi": 72.0,
        "path.simplify": True,
    }
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=size)
        FigureCanvasSVG(figure)
        # Not a layout of matplotlib's: measuring all texts takes as long as drawing them.
        left, bottom, right, top = (inches / side for inches, side in zip(MARGINS, size * 2, strict=True))
        axes = figure.add_axes((left, bottom, 1 - left - right, 1 - bottom - top))
        titles: dict[str, list[str]] = {}
        draw(axes, titles)
        return svg_of(figure, name, label, titles, extra_class)
