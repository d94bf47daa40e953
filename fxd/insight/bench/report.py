"""A benchmark for people: the tables, and in words what stands behind them."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from fxd.insight.bench.figures import BUSY
from fxd.insight.bench.sections import Section, channels, fed, sections
from fxd.insight.hints import counted
from fxd.insight.plain import plain
from fxd.insight.stats_table import new_table, print_section

Row = Mapping[str, Any]


def print_bench(console: Console, document: Row) -> None:
    """Print one benchmark."""
    for section in sections(document):
        print_table(console, section)
    for line in facts(document):
        console.print(Text(plain(line)))


def print_table(console: Console, section: Section) -> None:
    table = new_table()
    for number, column in enumerate(section.columns):
        left = number < section.left
        table.add_column(column, justify="left" if left else "right", overflow="fold")
    for row in section.rows:
        table.add_row(*(Text(plain(cell)) for cell in row))
    print_section(console, section.title, table)


def markdown(document: Row) -> str:
    """The most telling tables as Markdown, for the README."""
    lines = []
    for section in sections(document, brief=True):
        ruler = ["---" if number < section.left else "--:" for number in range(len(section.columns))]
        lines += [f"**{section.title}**", ""]
        lines += [markdown_row(row) for row in (section.columns, ruler, *section.rows)]
        lines.append("")
    lines += [f"- {plain(line)}" for line in facts(document)]
    return "\n".join(lines) + "\n"


def markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(plain(cell).replace('|', chr(92) + '|') for cell in cells)} |"


def facts(document: Row) -> list[str]:
    """Where, on what and how it was measured, and what must be known before a number is believed."""
    own, settings = document["environment"], document["settings"]
    peak = document["peak_multiply_adds"]["median"] / 1e9
    seconds = settings["timed_seconds"]
    said = [
        f"{own['cpu']}, {own['cores']} cores; multiply-add peak of one {peak:.1f} G/s; fxd {document['fxd']}, "
        f"Python {own['python']}",
        f"median of {settings['repetitions']} repetitions in turn, each of {seconds:.3g} s of sound or more",
        material(document["material"]),
        workers(document),
        *paths(document),
        *legend(document),
        *remarks(document),
    ]
    return [line for line in said if line]


def material(row: Row) -> str:
    files = row["files"]
    names = {
        "given": counted(len(files), "file"),
        "inbox/done": f"the newest {counted(len(files), 'file')} of inbox/done",
        "generated": "no file was named and inbox/done is empty: a generated signal",
    }
    return f"sound: {names[row['origin']]}, {row['seconds']:.0f} s"


def workers(document: Row) -> str:
    own = document["workers"]
    if own is None:
        return ""
    low, high = own["ci95"]
    return f"two workers on two cores do {own['median']:.2f} times the work of one ({low:.2f} to {high:.2f})"


def paths(document: Row) -> list[str]:
    """Which code each form ran."""
    found = {row["form"]: row["path"] for row in document["speed"]}
    return [f"{form}: {path}" for form, path in found.items()]


def legend(document: Row) -> list[str]:
    """How the columns of rivals are to be read."""
    said = []
    if document["ratios"]:
        said.append("kernel / this: median of the ratios of each round, not quite the ratio of two medians")
    if any(row["form"] == "pedalboard" for row in document["speed"]):
        said.append("pedalboard: a comparable chain, not the same function; no antialiasing")
    return said


def remarks(document: Row) -> list[str]:
    """What was left out, and what makes a number worth less."""
    said = [f"{reason}; left out: {names}" for reason, names in left_out(document["missing"])]
    for model in document["models"]:
        if model["origin"] == "random":
            said.append(f"{model['preset']} has no trained model here: timed with random weights, no quality")
        elif not model["learned_these_settings"]:
            said.append(f"{model['id']} learned other [saturator] settings: its error says little")
    silent = [file["file"] for file in document["material"]["files"] if file["silent"]]
    if silent:
        said.append(f"silent, so without an error: {', '.join(silent)}")
    for row in document["outputs"]:
        if row["unsupported"]:
            said.append(f"{row['engine']} {row['name']} cannot work on {', '.join(row['unsupported'])}")
    if document["load_before"] > BUSY:
        said.append(
            f"the machine was busy when this began (load {document['load_before']:.1f}): expect noise"
        )
    return said


def left_out(missing: Sequence[Row]) -> list[tuple[str, str]]:
    """The contenders that could not run, by reason."""
    reasons: dict[str, list[str]] = {}
    for row in missing:
        reasons.setdefault(row["reason"], []).append(row["name"])
    return [(reason, counted(len(names), "contender")) for reason, names in reasons.items()]


def fed_channels(row: Row) -> str:
    """The network is always mono."""
    return fed(row) if row["engine"] == "tcn" else f"{fed(row)}, {channels(row)}"


def print_comparison(console: Console, compared: Row) -> None:
    """Print what changed between two benchmarks."""
    old, new = compared["old"], compared["new"]
    rows = [
        [
            f"{row['engine']} {row['subject']}",
            row["form"],
            fed_channels(row),
            f"{row['ratio']:.2f}",
            f"{row['ci95'][0]:.2f}–{row['ci95'][1]:.2f}",
            row["verdict"],
        ]
        for row in compared["rows"]
    ]
    few = any("repetitions" in doubt for doubt in compared["doubts"])
    title = f"Speed, new over old (more than 1 is faster; {'range' if few else '95 % interval'})"
    columns = ("", "form", "fed", "new / old", "from–to", "")
    print_table(console, Section(title, columns, 3, rows))
    for name, bench in (("old", old), ("new", new)):
        line = f"{name}: {bench['id']}, {bench['host']}, {bench['cpu']}, fxd {bench['fxd']}"
        console.print(Text(plain(line)))
    for note in (*compared["doubts"], *compared["notes"]):
        console.print(Text(f"Note: {plain(note)}", style="yellow"))
    for side in ("old", "new"):
        if only := compared[f"only_{side}"]:
            console.print(Text(f"Only in the {side} one: {plain('; '.join(only))}"))
    console.print(Text(plain(compared["verdict"]), style="bold"))
