"""A matplotlib figure as SVG that lives inside a page: its colours and fonts are the page's, its ids its own."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from markupsafe import Markup

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SVG = "{http://www.w3.org/2000/svg}"
HREF = "{http://www.w3.org/1999/xlink}href"

# Colours that no plot uses otherwise, and what the style sheet calls them.
INK, MUTED, GRID, SURFACE = "#010101", "#020202", "#030303", "#040404"
DRY, DSP, TCN, DIFFERENCE, ACCENT = "#050505", "#060606", "#070707", "#080808", "#090909"
VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--grid",
    SURFACE: "--surface",
    DRY: "--dry",
    DSP: "--dsp",
    TCN: "--tcn",
    DIFFERENCE: "--difference",
    ACCENT: "--accent",
}
COLOURS = re.compile("|".join(VARIABLES))
FONT = re.compile(r"font: (?:\S+ )*?([\d.]+)px [^;]*")
STRETCHED = "wave"
"""The class of pictures that fill their box, whatever its shape."""
REFERENCE = re.compile(r"#([\w.-]+)")


def svg_of(
    figure: Figure, name: str, label: str, titles: Mapping[str, Sequence[str]], extra_class: str = ""
) -> Markup:
    """The figure as an `<svg>`, a picture that `label` describes to those who do not see it.

    `name` is unique in the page. `titles` are what a pointer shows of the marks of a group, by the group's gid.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    root = ElementTree.fromstring(buffer.getvalue())
    for child in [child for child in root if child.tag not in (SVG + "g", SVG + "defs")]:
        root.remove(child)
    for definitions in root.iter(SVG + "defs"):
        for style in definitions.findall(SVG + "style"):
            definitions.remove(style)  # it would be the style of the whole page
    for gid, texts in titles.items():
        add_titles(root, gid, texts)
    for element in root.iter():
        restyle(element)
    own_ids(root, name)
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    root.attrib |= {"role": "img", "aria-label": label, "class": f"plot {extra_class}".strip()}
    if extra_class == STRETCHED:
        root.attrib["preserveAspectRatio"] = "none"
    return Markup(text_of(root))


def add_titles(root: ElementTree.Element, gid: str, texts: Sequence[str]) -> None:
    """Give the n-th mark of the group `gid` the n-th text."""
    group = next((element for element in root.iter(SVG + "g") if element.get("id") == gid), None)
    if group is None:
        return
    for mark, text in zip(marks_of(group), texts, strict=False):
        title = ElementTree.SubElement(mark, SVG + "title")
        title.text = text


def marks_of(group: ElementTree.Element) -> list[ElementTree.Element]:
    used = list(group.iter(SVG + "use"))
    if used:
        return used
    defined = {path for defs in group.iter(SVG + "defs") for path in defs.iter(SVG + "path")}
    return [path for path in group.iter(SVG + "path") if path not in defined]


def restyle(element: ElementTree.Element) -> None:
    """The page's colours and its font."""
    for attribute in ("style", "fill", "stroke"):
        if value := element.get(attribute):
            value = COLOURS.sub(lambda match: f"var({VARIABLES[match[0]]})", value)
            element.set(attribute, FONT.sub(r"font-size: \1px", value))
    if href := element.attrib.pop(HREF, None):
        element.set("href", href)


def own_ids(root: ElementTree.Element, name: str) -> None:
    """Ids that nothing refers to go, the others begin with the name of the picture."""
    used: set[str] = set()
    for element in root.iter():
        for attribute, value in element.attrib.items():
            if attribute != "id":
                used |= set(REFERENCE.findall(value))
    for element in root.iter():
        for attribute, value in list(element.attrib.items()):
            if attribute == "id":
                if value in used:
                    element.set("id", f"{name}-{value}")
                else:
                    del element.attrib["id"]
            elif "#" in value:
                element.set(attribute, REFERENCE.sub(lambda match: f"#{name}-{match[1]}", value))


def text_of(root: ElementTree.Element) -> str:
    ElementTree.register_namespace("", SVG[1:-1])
    return re.sub(r">\s+<", "><", ElementTree.tostring(root, encoding="unicode"))


def clean(parts: Iterable[str]) -> str:
    """Words of a title: those that are not empty, with commas."""
    return ", ".join(part for part in parts if part)
