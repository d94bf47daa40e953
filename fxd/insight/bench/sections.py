"""A benchmark as some small tables, each narrow enough for 80 columns: for the terminal and for Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fxd.insight.bench.figures import ENOUGH
from fxd.insight.plain import short_id
from fxd.insight.stats_table import NOTHING
from fxd.insight.stats_table import figure as digits

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Section:
    """One table: the first `left` columns hold words, the others numbers."""

    title: str
    columns: Sequence[str]
    left: int
    rows: Sequence[Sequence[str]]


def sections(document: Row, brief: bool = False) -> list[Section]:
    """The tables of a benchmark, all or the most telling; those without rows are left out."""
    telling = [saturators, networks, block_shares, outputs, aliases]
    every = [saturators, networks, block_times, block_shares, outputs, aliases, models, memory]
    made = (make(document) for make in (telling if brief else every))
    return [section for section in made if section.rows]


def saturators(document: Row) -> Section:
    rows = [
        [row["subject"], row["form"], channels(row), *speed(row), rivalry(document, row)]
        for row in document["speed"]
        if row["engine"] == "dsp"
    ]
    title = "Saturator: times faster than real time, at 48 kHz, one core"
    columns = ("antialias", "form", "channels", "x", spread(document), "kernel / this")
    return Section(title, columns, 3, rows)


def networks(document: Row) -> Section:
    rows = [
        [
            row["subject"],
            row["form"],
            fed(row),
            *speed(row),
            percent(row["peak_share"]),
            rivalry(document, row),
        ]
        for row in document["speed"]
        if row["engine"] == "tcn"
    ]
    title = "Network: times faster than real time, mono, one core; share of the core's peak"
    columns = ("preset", "form", "fed", "x", spread(document), "peak", "kernel / this")
    return Section(title, columns, 3, rows)


def block_times(document: Row) -> Section:
    rows = [
        [
            *live_name(row),
            *(digits(1000 * block[name]) for block in row["blocks"] for name in ("median_ms", "p99_ms")),
        ]
        for row in document["latency"]
    ]
    columns = ("", "form", *(head for size in sizes(document) for head in (f"{size:,}", "p99")))
    return Section(
        "Time of a block, by its frames: median and 99th percentile in microseconds", columns, 2, rows
    )


def block_shares(document: Row) -> Section:
    rows = [
        [*live_name(row), digits(row["delay_ms"]), *(share(block["share"]) for block in row["blocks"])]
        for row in document["latency"]
    ]
    columns = ("", "form", "delay ms", *(f"{size:,}" for size in sizes(document)))
    title = "The engine's own delay, and the median as a share of what the block plays"
    return Section(title, columns, 2, rows)


def live_name(row: Row) -> tuple[str, str]:
    own_rate = row["sample_rate"] == 48_000
    return row["subject"] if own_rate else f"{row['subject']} at {row['sample_rate'] / 1000:g}", row["form"]


def sizes(document: Row) -> list[int]:
    return [block["block"] for block in document["latency"][0]["blocks"]] if document["latency"] else []


def outputs(document: Row) -> Section:
    """How near to the saturator as it is set; on files that the network learned from, and on others."""
    rows = []
    for row in document["outputs"]:
        heard, unheard = ((row["quality"] or {}).get(name, {}) for name in ("heard", "unheard"))
        rows.append(
            [
                short_name(row),
                decibels(unheard.get("esr_db")),
                decibels(heard.get("esr_db")),
                digits(unheard.get("mrstft")),
                megabytes(row["wav_bytes"]),
                megabytes(row["flac_bytes"]),
            ]
        )
    title = "Outputs: error against the saturator as set (heard: on files learned from), MB"
    columns = ("", "ESR dB", "heard", "MR-STFT", "WAV float", "FLAC 24 bit")
    return Section(title, columns, 1, rows)


def aliases(document: Row) -> Section:
    """What is off the harmonics of a sine, 30 Hz to 20 kHz, against what is on them, in dB."""
    rows = [[short_name(row), *(decibels(one["db"]) for one in row["alias"])] for row in document["outputs"]]
    first = document["outputs"][0]["alias"] if document["outputs"] else []
    columns = ("", *(f"{one['sine']}, {one['sample_rate'] / 1000:g}" for one in first))
    return Section(
        "Off the harmonics of a sine, against on them, in dB (sine, sample rate)", columns, 1, rows
    )


def models(document: Row) -> Section:
    rows = [
        [
            short_id(row["id"]),
            "serves" if row["serves"] else row["origin"],
            f"{row['weights']:,}",
            f"{row['multiply_adds']:,}",
            f"{row['receptive_field']:,}",
            f"{row['model_bytes'] / 1000:.1f}",
        ]
        for row in document["models"]
    ]
    columns = ("", "", "weights", "multiply-adds / frame", "receptive field", "file kB")
    return Section("Models", columns, 2, rows)


def memory(document: Row) -> Section:
    described = {row["name"]: row for row in document["speed"]}
    rows = []
    for row in document["memory"] or ():
        own = described[row["name"]]
        sizes = (megabytes(row[name]) for name in ("ready_bytes", "peak_bytes"))
        rows.append([f"{own['engine']} {own['subject']}", own["form"], fed(own), *sizes])
    columns = ("", "form", "fed", "ready MB", "peak MB")
    return Section("Memory of a process of its own", columns, 3, rows)


def rivalry(document: Row, row: Row) -> str:
    """How many times as fast the kernel is; against pedalboard the kernel with and without antialiasing."""
    engaged = [ratio for ratio in document["ratios"] if ratio["rival"] == row["name"]]
    subjects = {one["name"]: one["subject"] for one in document["speed"]}
    times = [f"{ratio['times']['median']:.2f}" for ratio in engaged]
    if len(engaged) > 1:
        times = [f"{subjects[r['kernel']]} {text}" for r, text in zip(engaged, times, strict=True)]
    return ", ".join(times)


def speed(row: Row) -> tuple[str, str]:
    low, high = row["x_realtime"]["ci95"]
    return digits(row["x_realtime"]["median"]), f"{digits(low)}–{digits(high)}"


def spread(document: Row) -> str:
    """What an interval is: of few values it is no more than their range."""
    return "95 % interval" if document["settings"]["repetitions"] >= ENOUGH else "range"


def fed(row: Row) -> str:
    if row["sample_rate"] != 48_000:
        return f"at {rate(row)}"
    return "whole" if row["block"] is None else f"{row['block']:,}"


def channels(row: Row) -> str:
    return "mono" if row["channels"] == 1 else "stereo"


def rate(row: Row) -> str:
    return f"{row['sample_rate'] / 1000:g} kHz"


def short_name(row: Row) -> str:
    name = row["name"] if row["engine"] == "dsp" else short_id(row["name"])
    return f"{row['engine']} {name}"


def percent(figure: Row | None) -> str:
    return NOTHING if figure is None else share(figure["median"])


def share(value: float) -> str:
    return f"{100 * value:.0f} %" if value >= 0.1 else f"{100 * value:.1f} %"


def decibels(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.1f}"


def megabytes(value: int | None) -> str:
    return NOTHING if value is None else f"{value / 1e6:.1f}"
