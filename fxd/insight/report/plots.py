"""The pictures of a report. No text of a user's is drawn: fonts miss characters, and `$` would be mathematics;
names are in the titles that a pointer shows, and in the tables beside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from fxd.insight.heard import Heard
from fxd.insight.plain import short_id
from fxd.insight.report.axes import draw_marks, few_ticks, kilo, legend_above, time_axis, whole_numbers
from fxd.insight.report.lineage import CostPoint
from fxd.insight.report.material import Distribution
from fxd.insight.report.picture import both_widths, picture
from fxd.insight.report.sounds import Sound
from fxd.insight.report.svg import ACCENT, DIFFERENCE, DRY, DSP, TCN, clean
from fxd.insight.report.trend import Mark, Trend
from fxd.insight.report.verdict import GOOD_DB
from fxd.insight.stats_table import figure as three_digits
from fxd.local_time import minute

HEARD = {Heard.NO: "", Heard.YES: "trained on it", Heard.UNKNOWN: "not known whether it was trained on"}
SOURCE_COLOURS = {"dry": DRY, "dsp": DSP, "tcn": TCN}


def error_plot(trend: Trend, marks: Sequence[Mark]) -> Markup:
    """The error of the imitation over time."""

    def draw(axes: Any, titles: dict[str, list[str]]) -> None:
        draw_trend(axes, trend, TCN, titles, "dB", tells_heard=True)
        axes.set_ylabel("ESR, dB (lower is closer)")
        draw_marks(axes, marks, "error", titles)

    label = f"ESR over time, {trend.n} runs; the table below has the numbers"
    return both_widths("error", label, draw)


def speed_plot(trends: Sequence[Trend], marks: Sequence[Mark]) -> Markup:
    """How many times faster than real time each engine was, over time."""

    def draw(axes: Any, titles: dict[str, list[str]]) -> None:
        axes.set_yscale("log")
        for trend in trends:
            draw_trend(axes, trend, SOURCE_COLOURS[trend.name], titles, "times real time")
        axes.set_ylabel("times faster than real time")
        axes.yaxis.set_major_formatter(lambda value, _position: f"{value:,g}")
        few_ticks(axes.yaxis, *axes.get_ylim())
        draw_marks(axes, marks, "speed", titles)

    label = (
        f"Speed over time of {' and '.join(trend.name for trend in trends)}; the table below has the numbers"
    )
    return both_widths("speed", label, draw)


def draw_trend(
    axes: Any, trend: Trend, colour: str, titles: dict[str, list[str]], unit: str, tells_heard: bool = False
) -> None:
    """A point of a sound that the model was trained on is hollow where that matters, `tells_heard`."""
    from matplotlib.dates import date2num

    if trend.points:
        times = date2num([point.at for point in trend.points])
        values = [point.value for point in trend.points]
        gid = f"points-{trend.name}"
        faces = ["none" if tells_heard and point.heard != Heard.NO else colour for point in trend.points]
        axes.scatter(times, values, s=22, facecolors=faces, edgecolors=colour, linewidths=1.2, gid=gid)
        titles[gid] = [
            clean(
                (
                    point.file,
                    f"{trend.name} {three_digits(point.value)} {unit}",
                    minute(point.at),
                    HEARD[point.heard] if tells_heard else "",
                )
            )
            for point in trend.points
        ]
    else:
        # A single stretch would be a line without length.
        middles = date2num([one.start + (one.end - one.start) / 2 for one in trend.bins])
        low, median, high = ([getattr(one, name) for one in trend.bins] for name in ("low", "median", "high"))
        axes.fill_between(middles, low, high, color=colour, alpha=0.2, linewidth=0)
        axes.plot(middles, median, color=colour, linewidth=1.6)
        gid = f"bins-{trend.name}"
        axes.scatter(middles, median, s=14, color=colour, gid=gid)
        titles[gid] = [
            clean(
                (
                    f"{trend.name} {three_digits(one.median)} {unit}",
                    f"half of the runs {three_digits(one.low)} to {three_digits(one.high)}",
                    f"{one.n:,} runs",
                    f"{minute(one.start)} to {minute(one.end)}",
                )
            )
            for one in trend.bins
        ]
    time_axis(axes)


def distribution_plot(distribution: Distribution) -> Markup:
    """How many files have which error."""

    def draw(axes: Any, titles: dict[str, list[str]]) -> None:
        edges = distribution.edges
        width = edges[1] - edges[0]
        below = [0] * len(distribution.new)
        for counts, face, name in (
            (distribution.new, TCN, "never heard"),
            (distribution.heard, "none", distribution.others),
        ):
            if not any(counts):
                continue
            bars = [(edge, n, base) for edge, n, base in zip(edges, counts, below, strict=False) if n]
            places, heights, bases = zip(*bars, strict=True)
            axes.bar(
                places,
                heights,
                width * 0.9,
                bases,
                align="edge",
                facecolor=face,
                edgecolor=TCN,
                linewidth=1,
                label=name,
            )
            below = [a + b for a, b in zip(below, counts, strict=True)]
        axes.axvline(GOOD_DB, color=ACCENT, linewidth=1, linestyle=(0, (3, 3)))
        axes.set_xlabel("ESR, dB (left is closer)")
        axes.set_ylabel("files")
        legend_above(axes)
        whole_numbers(axes)
        del titles

    label = f"Distribution of the ESR over {distribution.files} files; the table below has the numbers"
    return both_widths("distribution", label, draw)


def cost_plot(points: Sequence[CostPoint]) -> Markup:
    """Error against multiply-adds, of the models of the home and of those that ship with fxd."""

    def draw(axes: Any, titles: dict[str, list[str]]) -> None:
        axes.set_xscale("log")
        for gid, shipped in (("shipped", True), ("trained", False)):
            some = [point for point in points if point.shipped == shipped]
            if not some:
                continue
            axes.scatter(
                [point.multiply_adds for point in some],
                [point.esr_db for point in some],
                s=[70 if point.serves else 34 for point in some],
                facecolors="none" if shipped else TCN,
                edgecolors=TCN,
                linewidths=1.4,
                label="ships with fxd" if shipped else "trained here",
                gid=gid,
            )
            titles[gid] = [told(point) for point in some]
        labelled: set[str] = set()
        dearest = max(point.multiply_adds for point in points)
        for point in points:
            if point.preset not in labelled and point.preset.isascii() and "$" not in point.preset:
                labelled.add(point.preset)
                # A name at the right edge would not fit into a picture for a phone.
                at_edge = point.multiply_adds == dearest
                axes.annotate(
                    point.preset,
                    (point.multiply_adds, point.esr_db),
                    xytext=(-6 if at_edge else 6, 5),
                    horizontalalignment="right" if at_edge else "left",
                    textcoords="offset points",
                    fontsize=9,
                )
        axes.set_xlabel("multiply-adds a frame")
        axes.set_ylabel("ESR, dB (lower is closer)")
        axes.xaxis.set_major_formatter(kilo)
        axes.margins(x=0.15, y=0.15)
        legend_above(axes)
        few_ticks(axes.xaxis, *axes.get_xlim())

    label = f"Error against cost of {len(points)} models; the table of models has the numbers"
    return both_widths("cost", label, draw, 3.1)


def told(point: CostPoint) -> str:
    return clean(
        (
            short_id(point.id),
            f"{point.esr_db:.1f} dB over {point.judged_by} recordings",
            f"{point.multiply_adds:,} multiply-adds a frame",
            "ships with fxd" if point.shipped else "trained here",
            "serves" if point.serves else "",
        )
    )


def wave_plot(sound: Sound, name: str) -> Markup:
    """The outlines of the three sounds, one above the other: the player lays its position over it."""

    def draw(axes: Any, titles: dict[str, list[str]]) -> None:
        largest = max(1e-9, *(abs(value) for take in sound.takes for value in (*take.low, *take.high)))
        for row, take in enumerate(sound.takes):
            places = [place / max(len(take.low) - 1, 1) for place in range(len(take.low))]
            low, high = ([value / largest * 0.48 - row for value in side] for side in (take.low, take.high))
            axes.fill_between(places, low, high, color=SOURCE_COLOURS[take.source], linewidth=0.4)
        axes.set_xlim(0, 1)
        axes.set_ylim(-len(sound.takes) + 0.45, 0.55)
        axes.set_axis_off()
        axes.set_position((0, 0, 1, 1))
        del titles

    return picture(name, "Waveforms of dry, DSP and TCN, one above the other", (8.6, 1.7), draw, "wave")


def spectrum_plot(sound: Sound, name: str) -> Markup:
    """The spectrum of the difference against that of the DSP's sound."""
    spectrum = sound.spectrum
    if spectrum is None:
        return Markup("")

    def draw(axes: Any, titles: dict[str, list[str]]) -> None:
        axes.set_xscale("log")
        axes.plot(spectrum.hz, spectrum.dsp_db, color=DSP, linewidth=1.6, label="DSP")
        axes.plot(spectrum.hz, spectrum.difference_db, color=DIFFERENCE, linewidth=1.6, label="TCN less DSP")
        axes.set_ylabel("dBFS")
        axes.set_ylim(bottom=max(-160, min(spectrum.difference_db) - 5))
        axes.xaxis.set_major_formatter(kilo)
        axes.set_xlabel("Hz")
        few_ticks(axes.xaxis, 1, 1000)
        legend_above(axes)
        del titles

    return both_widths(name, "Spectra of the DSP's sound and of the difference", draw, 2.3)
